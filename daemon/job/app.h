#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/store_call.h"
#include "core/app_view.h"
#include "core/verification.h"
#include "deploy/app_config.h"
#include "deploy/names.h"

/* An app's run-time side: what is known of its releases, and the job that it is at. */

struct config_set;
struct job;
struct manager;
struct recovery;

struct app {
	struct app *next;
	struct manager *manager;
	char name[APP_NAME_MAX + 1];
	struct app_view *view; /* NULL: not known, see problem; owned */
	char *view_of;	       /* the deploy_dir that was recovered; NULL: none */
	char problem[512];     /* why there is no view, "" when there is one */
	struct job *running;
	struct {
		struct recovery *owner;
		struct store_call call;
		struct config_set *config; /* while it runs */
		bool running;
	} recovery;
	struct {
		uint64_t at_mono_ms; /* 0: never */
		uint32_t main_pid;
		enum verification_verdict verdict;
		char release[RELEASE_ID_SIZE];
		char reason[256];
	} verified; /* what status learnt last */
	struct {
		uint64_t tried_mono_ms; /* when a way back was last begun, 0: never */
		int64_t deadline_sec;	/* that due_ms was reckoned from, 0: none yet */
		uint64_t due_ms;	/* by CLOCK_BOOTTIME, which nobody sets */
	} confirm;
};

/* NULL without memory. */
struct app *app_new(struct manager *manager, const char *name)
	__attribute__((warn_unused_result, nonnull));
void app_free(struct app *app);

/* The view is of this deploy_dir, with whatever came of its recovery. */
bool app_is_recovered(const struct app *app, const struct app_config *settings)
	__attribute__((nonnull));

/* Its directory has been recovered, so that views of it are taken from now on. */
void app_set_recovered(struct app *app, const struct app_config *settings)
	__attribute__((nonnull));

/* Takes a view as deployd-store reports it; ignored if it is of another directory. */
void app_take_view(struct app *app, const struct app_config *settings,
		   const json_t *view) __attribute__((nonnull(1, 2)));

/* Nothing is known any more, until the next recovery. */
void app_forget_view(struct app *app, const char *why) __attribute__((nonnull));

/* Why there is no view: for people. */
const char *app_problem(const struct app *app) __attribute__((nonnull));
