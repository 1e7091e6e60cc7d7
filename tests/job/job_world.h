#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "fake_helpers.h"
#include "fake_manager.h"
#include "flag/flags.h"
#include "job/confirm.h"
#include "job/manager.h"
#include "job/recovery.h"

/*
 * Jobs, recovery, confirmations and flags, put together as daemon.c does, on a real
 * loop with a real bus. The service manager, the helper programs, the readers of
 * archives and those who watch are the test's. What happens is one text, in its order.
 */

#define OLD "20250101T000000Z-0001" /* live and good when a test begins */
#define NEW "20260101T000000Z-0001" /* the first that a deploy makes */

#define WORLD_JOBS_MAX	   96
#define WORLD_ARCHIVES_MAX 4

/* A job, as it was told. */
struct told {
	char id[JOB_ID_SIZE];
	char app[16];
	enum job_kind kind;
	enum job_state state; /* last */
	unsigned int n_ended;
	enum deploy_result result;
	char message[1024]; /* of the last reply */
	json_t *reply;	    /* owned */
	uint64_t watchers[JOB_WATCHERS_MAX];
	size_t n_watchers;
};

/* Readers of archives are numbered from 1. */
struct reader {
	bool gone;
	struct archive archive;
	unsigned int n_pumped, n_due, n_given_up, n_dropped;
};

struct world {
	uv_loop_t loop;
	uv_timer_t tick;
	unsigned int n_ticks;
	struct fake_manager fake;
	struct config_current config;
	struct units *units;
	struct flags *flags;
	struct manager manager;
	struct recovery recovery;
	struct confirm confirm;
	bool ready, stopping, started;
	unsigned int n_recovered, n_idle, n_closed;

	struct told told[WORLD_JOBS_MAX]; /* in the order in which they were seen */
	size_t n_told, n_ended;
	struct reader readers[WORLD_ARCHIVES_MAX + 1];
	uint64_t gone_watcher; /* is not there any more */

	/* What the unit becomes with each call for a job; then it stays as it is. */
	const struct fake_unit *afters;
	size_t n_afters;
	/* The unit fails as soon as a job is in this state; once. */
	enum job_state fails_in;
	const char *processes; /* what deployd-proc reports, NULL: all of current */

	char root[64]; /* of flags; "" = none */
	char log[8192];
};

/* A unit that did not come up. */
extern const struct fake_unit unit_failed, unit_up, unit_up_again;

int world_set_up(void **state);
int world_tear_down(void **state);

/*
 * Recovers the app hello, with more lines for its file and for deployd.conf (may be
 * NULL), and other if two; until all are recovered unless a recovery is held.
 */
void world_start(struct world *world, const char *more, const char *daemon);
void world_start_two(struct world *world, const char *daemon);
/* A new configuration, as a reload takes it. */
void world_reload(struct world *world, const char *more);
/* Makes a directory for the app's flags, by root; skips the test otherwise. */
void world_make_flags(struct world *world);
void world_touch(struct world *world);

/* As a method of the server does; NULL when it was refused, with the reason. */
struct told *world_submit(struct world *world, const char *app,
			  const struct job_request *request, uint64_t watcher,
			  struct errinfo *ret_error);
/* One that must be taken; app hello. */
struct told *world_do(struct world *world, enum job_kind kind);
/* With an archive of which all or nothing has arrived. */
struct told *world_deploy(struct world *world, enum archive_state archive);
/* Its reader has come further. */
void world_archive(struct world *world, uint64_t reader, enum archive_state state);
/* The deploy's archive. */
struct reader *world_reader(struct world *world, uint64_t reader);

/* One turn of the loop. */
void world_turn(struct world *world);
/* More turns than anything takes that does not wait for something. */
void world_settle(struct world *world);
void world_until_ended(struct world *world, const struct told *told);
void world_until_held(struct world *world, const char *name);
void world_until_state(struct world *world, const struct told *told,
		       enum job_state state);
void world_until_idle(struct world *world);
/* Until a job of this kind was told of, the n-th. */
struct told *world_until_told(struct world *world, enum job_kind kind, size_t n);
size_t world_count(const struct world *world, enum job_kind kind);

/* What happened since the last time, without what the bus is only asked for. */
void world_assert_log(struct world *world, const char *log);
void world_assert_ended(const struct told *told, enum deploy_result result,
			const char *message);

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
