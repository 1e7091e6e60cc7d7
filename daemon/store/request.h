#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

/* The app as the request has it; strings live as long as the request. */
struct store_app {
	const char *name, *base_dir, *deploy_dir, *releases_dir, *current_dir,
		*flags_dir, *scripts_dir, *etc_dir, *state_dir;
	const char *releases_name,
		*current_name; /* basenames, directly in deploy_dir */
	gid_t app_gid;
	uid_t deploy_uid, unpack_uid;
	mode_t flags_mode;
	const char **link_targets; /* NULL-terminated */
};

/* The JSON object on fd 0, the caller's; NULL: ei says why. */
json_t *request_read(struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* request_free_app() also after a failure. */
int request_read_app(const json_t *object, struct store_app *ret_app,
		     struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 3)));
void request_free_app(struct store_app *app) __attribute__((nonnull));

/* "bad request: what": a member whose type is right and whose value is not. -EINVAL. */
int request_refuse(const char *what, struct errinfo *ei) __attribute__((nonnull));

/*
 * Members of a request that was checked (protocol.h). NULL, 0 or false for one that was
 * left out or is null; request_get() tells null from left out (NULL).
 */
json_t *request_get(const json_t *request, const char *name) __attribute__((nonnull));
const char *request_text(const json_t *request, const char *name)
	__attribute__((nonnull));
int64_t request_int(const json_t *request, const char *name) __attribute__((nonnull));
bool request_bool(const json_t *request, const char *name) __attribute__((nonnull));
