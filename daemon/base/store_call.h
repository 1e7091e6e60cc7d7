#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/child.h"
#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * A request to deployd-store, the only program that changes the release store. One JSON
 * object goes in, one result line comes out.
 */

#define STORE_TIMEOUT_MSEC 60000u
#define STORE_DURABLE_TIMEOUT_MSEC                                                     \
	600000u /* seal, finish: syncfs of a busy disk, removal */

struct config_set;

struct store_call {
	struct child child;
	void *userdata;
	/*
	 * Called once. reply is the result line, borrowed, non-NULL when result is
	 * RESULT_OK. The call may be reused or freed in it.
	 */
	void (*done)(struct store_call *call, enum deploy_result result,
		     const json_t *reply, const struct errinfo *error);
};

/*
 * Starts verb with its fields (taken over; may be NULL) for the app. done and userdata
 * are set by the caller before. Negative errno when nothing was started: done is not
 * called.
 */
int store_call_start(struct store_call *call, uv_loop_t *loop,
		     const struct config_set *config, const struct app_config *app,
		     const char *verb, json_t *fields, uint64_t timeout_ms)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 4, 5)));

/* The same with an fd that the program gets as its fd 1; it stays the caller's. */
int store_call_start_fd(struct store_call *call, uv_loop_t *loop,
			const struct config_set *config, const struct app_config *app,
			const char *verb, json_t *fields, int fd, uint64_t timeout_ms)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 4, 5)));

/* Appends lines (an array of objects, taken over) to STORE_AUDIT_FILE. */
#define STORE_AUDIT_FILE "/var/lib/deployd/audit.log"
int store_call_start_audit(struct store_call *call, uv_loop_t *loop, json_t *lines,
			   uint64_t timeout_ms)
	__attribute__((warn_unused_result, nonnull));

/* Kills it; done follows. */
void store_call_kill(struct store_call *call) __attribute__((nonnull));
