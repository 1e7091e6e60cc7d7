#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

/*
 * Stands in for base/child.h's child_start() and child_kill() (--wrap): no process is
 * started. deployd-store is a model of what it keeps of each app, which answers as the
 * program does; the other programs say that they are done. The test holds an answer
 * back, or lets a request fail.
 */

#define FAKE_SHA256 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FAKE_BYTES  1000

/* What a request that is to fail leaves behind. */
enum fake_failure {
	FAKE_FAILURE_REFUSED, /* nothing was done, and it says why */
	FAKE_FAILURE_DIED,    /* nothing was done, and it says nothing */
	FAKE_FAILURE_TOO_LATE /* it was done, then the program died */
};

/* started: a program was started; name is the store's verb, or "intake" and so on. */
void fake_helpers_open(uv_loop_t *loop,
		       void (*started)(void *userdata, const char *app,
				       const char *name),
		       void *userdata);
void fake_helpers_close(void);

/* What these answer waits for fake_helpers_let_go(); names with a blank between them.
 */
void fake_helpers_hold(const char *names);
bool fake_helpers_is_held(const char *name);
/* Answers everything that is held, and holds nothing any more. */
void fake_helpers_let_go(void);

/* The program that is held tells how far it is; taken over. */
void fake_helpers_progress(const char *name, json_t *progress);

/* The next request of that name fails; only that one. */
void fake_helpers_fail(const char *name, enum fake_failure failure);
/* The program cannot be started at all, the next time. */
void fake_helpers_no_start(const char *name);

/* What deployd-store knows of the app, borrowed: its view, as it reports it. */
json_t *fake_store_view(const char *app);
/* The switch that it found begun; taken over. */
void fake_store_set_pending(const char *app, json_t *pending);
bool fake_store_has_pending(const char *app);
/* Adds a release, as the newest; "good" and so on. */
void fake_store_add(const char *app, const char *id, const char *state);
const char *fake_store_state(const char *app, const char *id);
/* Entries of the app's history, oldest first; borrowed. */
const json_t *fake_store_history(const char *app);
/* The last request with this verb; borrowed, NULL when there was none. */
const json_t *fake_store_request(const char *verb);
