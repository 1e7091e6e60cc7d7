#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "flag/flag_watch.h"

/* A flag_watch on a real loop, apps below a directory of root's, and what it tells. */

#define DEPLOY_UID 61240 /* nobody's */
#define APP_UID	   61241
#define APPS_MAX   4

struct seen {
	char name[8]; /* "a", "b", ... */
	char dir[256], flag[300];
	unsigned int n_found, n_none, n_troubles, n_well;
	struct flag_identity identity;
	uid_t owner;
	uint64_t found_ms; /* uv_hrtime() of the last one */
	char trouble[512]; /* "" = well */
};

struct world {
	uv_loop_t loop;
	struct flag_watch *watch;
	char root[64];
	struct seen apps[APPS_MAX];
	bool closed;
};

/* A root directory and a watch on no app. Skips the test program unless root. */
struct world *world_make(void);
/* Closes the watch, checks that the loop has nothing left, removes the directory. */
void world_free(struct world *world);

/* Makes ROOT/NAME/flags as deployd-store does and watches it. */
struct seen *world_app(struct world *world, size_t at);
/* The same without making anything. */
struct seen *world_watch(struct world *world, size_t at);

/* Runs the loop until *counter is above before; fails the test after 10 s. */
void world_wait(struct world *world, const unsigned int *counter, unsigned int before);
/* Runs the loop for so long. */
void world_run(struct world *world, uint64_t msec);

/* What touch(1) does, as the deploy user. */
void touch(const char *path);
/* touch() and waits until it is found; returns the milliseconds that took. */
uint64_t touch_found(struct world *world, struct seen *app);
void must(int r, const char *what);
