/*
 * Where no events can be had: the limits of inotify are reached, or the file system
 * tells of nothing. What the kernel says to that is made up here (--wrap), since root
 * shares those limits with the rest of the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "watch_world.h"

#define LATE_MSEC (FLAG_WATCH_POLL_MSEC + 500)

static int init_error, add_error;
static _Atomic(long) file_system; /* 0: the real one */
static _Atomic(int) hang_fd = -1; /* statfs() waits until it is readable */

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);

static int fails(int error)
{
	errno = error;
	return -1;
}

int __wrap_inotify_init1(int flags)
{
	return init_error ? fails(init_error) : __real_inotify_init1(flags);
}

int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	return add_error ? fails(add_error) : __real_inotify_add_watch(fd, path, mask);
}

int __wrap_fstatfs(int fd, struct statfs *fs)
{
	struct pollfd hang = {.fd = hang_fd, .events = POLLIN};
	int r = __real_fstatfs(fd, fs);

	if (hang.fd >= 0)
		(void)poll(&hang, 1, -1);
	if (r == 0 && file_system != 0)
		fs->f_type = file_system;
	return r;
}

static void assert_found_in_time(struct world *world, struct seen *app)
{
	assert_true(touch_found(world, app) <= LATE_MSEC);
	assert_int_equal(app->n_troubles, 1);
	assert_int_equal(app->n_well, 0);
}

static void assert_events_again(struct world *world, struct seen *app)
{
	if (app->n_well == 0)
		world_wait(world, &app->n_well, 0);
	world_run(world, 50);
	assert_true(touch_found(world, app) < 500);
	assert_null(flag_watch_trouble(world->watch, app->name));
}

static void without_an_instance(void **state)
{
	struct world *world;
	struct seen *app;

	(void)state;
	init_error = EMFILE;
	world = world_make();
	app = world_app(world, 0);
	assert_found_in_time(world, app);
	assert_non_null(strstr(app->trouble, "max_user_instances"));
	init_error = 0;
	assert_events_again(world, app);
	world_free(world);
}

static void without_a_watch(void **state)
{
	struct world *world = world_make();
	struct seen *app;

	(void)state;
	add_error = ENOSPC;
	app = world_app(world, 0);
	assert_found_in_time(world, app);
	assert_non_null(strstr(app->trouble, "max_user_watches"));
	add_error = 0;
	assert_events_again(world, app);
	world_free(world);
}

static void on_a_remote_file_system(void **state)
{
	static const long types[] = {NFS_SUPER_MAGIC, FUSE_SUPER_MAGIC};
	struct world *world = world_make();
	struct seen *app;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct flag_identity identity;
		uid_t owner;

		file_system = types[i];
		app = world_app(world, i);
		assert_found_in_time(world, app);
		assert_non_null(strstr(app->trouble, "tells of no changes"));
		/* Never from the loop: it says what the last look was. */
		must(unlink(app->flag), "unlink");
		assert_int_equal(
			flag_watch_look(world->watch, app->name, &identity, &owner), 0);
		assert_true(flag_identity_equal(&identity, &app->identity));
	}
	file_system = 0;
	world_free(world);
}

static void hanging_file_system_blocks_no_other_app(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = world_app(world, 1);
	int release = eventfd(0, EFD_CLOEXEC);

	(void)state;
	must(release, "eventfd");
	flag_watch_remove(world->watch, b->name);
	world_run(world, 20);
	b->n_none = 0;
	hang_fd = release;
	(void)world_watch(world, 1);
	world_run(world, 50);
	for (int i = 0; i < 3; i++) {
		assert_true(touch_found(world, a) < 500);
		world_run(world, 30);
	}
	assert_int_equal(b->n_found + b->n_none, 0);
	must(eventfd_write(release, 1), "eventfd_write");
	world_wait(world, &b->n_none, 0);
	hang_fd = -1;
	world_free(world);
	(void)close(release);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_instance),
		cmocka_unit_test(without_a_watch),
		cmocka_unit_test(on_a_remote_file_system),
		cmocka_unit_test(hanging_file_system_blocks_no_other_app),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
