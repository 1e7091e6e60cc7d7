/*
 * Apps that flood the watch with events, by the real kernel queue: nobody's touch is
 * lost or late, and deployd has other things to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch_world.h"

#define QUEUE_EVENTS	16384 /* fs.inotify.max_queued_events where it is unchanged */
#define LATE_MSEC	1000
#define FLOOD_TOUCHES	12
#define CPU_PERCENT_MAX 20

/* Three events a turn that the watch asks for: made, changed, closed. */
static void make_events(const struct seen *app, unsigned int turns)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/noise", app->dir);
	for (unsigned int i = 0; i < turns; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0)
			_exit(1);
		(void)fchmod(fd, 0600);
		(void)close(fd);
		(void)unlink(path);
	}
}

static pid_t start_flood(const struct seen *app)
{
	pid_t pid = fork();

	must(pid, "fork");
	if (pid != 0)
		return pid;
	for (;;)
		make_events(app, 1000);
}

static void stop_flood(pid_t pid)
{
	int status;

	must(kill(pid, SIGKILL), "kill");
	must(waitpid(pid, &status, 0), "waitpid");
	assert_true(WIFSIGNALED(status));
}

static uint64_t cpu_ms(void)
{
	struct rusage usage;

	must(getrusage(RUSAGE_SELF, &usage), "getrusage");
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* The loop does not run while the queue overflows: the touch's events are lost. */
static void overflow_loses_no_touch(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = world_app(world, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		unsigned int of_a = a->n_found, of_b = b->n_found;

		world_run(world, FLAG_WATCH_MUTED_MSEC + 200);
		make_events(a, QUEUE_EVENTS / 2);
		touch(a->flag);
		touch(b->flag);
		world_wait(world, &b->n_found, of_b);
		if (a->n_found == of_a)
			world_wait(world, &a->n_found, of_a);
		world_run(world, 50);
	}
	assert_int_equal(a->n_troubles + b->n_troubles, 0);
	world_free(world);
}

/* What is removed while nobody can tell is found by the overflow, too. */
static void overflow_loses_no_directory(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = world_app(world, 1);

	(void)state;
	make_events(a, QUEUE_EVENTS / 2);
	must(rmdir(b->dir), "rmdir");
	must(mkdir(b->dir, 0755), "mkdir");
	world_run(world, 300);
	assert_true(touch_found(world, b) < LATE_MSEC);
	world_free(world);
}

static void flood_delays_nobody(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = world_app(world, 1);
	uint64_t worst_a = 0, worst_b = 0, used, began, took;
	pid_t flood = start_flood(a);

	(void)state;
	world_run(world, 100);
	used = cpu_ms();
	began = uv_hrtime() / 1000000;
	for (int i = 0; i < FLOOD_TOUCHES; i++) {
		uint64_t ms;

		world_run(world, 250);
		ms = touch_found(world, a);
		worst_a = ms > worst_a ? ms : worst_a;
		ms = touch_found(world, b);
		worst_b = ms > worst_b ? ms : worst_b;
	}
	used = cpu_ms() - used;
	took = uv_hrtime() / 1000000 - began;
	stop_flood(flood);
	(void)printf("found within %llu ms (loud), %llu ms (other); %llu of %llu ms of "
		     "CPU\n",
		     (unsigned long long)worst_a, (unsigned long long)worst_b,
		     (unsigned long long)used, (unsigned long long)took);
	assert_true(worst_a < LATE_MSEC);
	assert_true(worst_b < LATE_MSEC);
	assert_true(used * 100 < took * CPU_PERCENT_MAX);

	/* Calm again: listened to again. */
	world_run(world, FLAG_WATCH_MUTED_MSEC + 200);
	assert_true(touch_found(world, a) < FLAG_WATCH_LOOK_MSEC);
	world_free(world);
}

/* The flag itself is touched without end: each look tells, and the last one counts. */
static void touch_storm_ends_with_the_last_touch(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0);
	struct flag_identity last;
	struct stat st;
	int fd;

	(void)state;
	(void)touch_found(world, a);
	fd = open(a->flag, O_WRONLY | O_CLOEXEC);
	must(fd, "open");
	for (int i = 0; i < 20000; i++) {
		must(futimens(fd, NULL), "futimens");
		if (i % 500 == 0)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	must(fstat(fd, &st), "fstat");
	last.ctime_nsec = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	(void)close(fd);
	world_run(world, 300);
	assert_int_equal(a->identity.ctime_nsec, last.ctime_nsec);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overflow_loses_no_touch),
		cmocka_unit_test(overflow_loses_no_directory),
		cmocka_unit_test(flood_delays_nobody),
		cmocka_unit_test(touch_storm_ends_with_the_last_touch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
