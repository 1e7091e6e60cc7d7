/* What counts as a touch, and the life of the directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "watch_world.h"

#define SOON_MSEC 500 /* by events, not by any clock; generous to a busy machine */

static void path_in(const struct seen *app, const char *name, char ret_path[400])
{
	(void)snprintf(ret_path, 400, "%s/%s", app->dir, name);
}

static void every_way_to_touch_is_found(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);
	const struct timespec old[2] = {{1000000000, 5}, {1000000000, 7}};
	char other[400];
	unsigned int n;
	int fd;

	(void)state;
	assert_true(touch_found(world, app) < SOON_MSEC); /* made */
	assert_int_equal(app->owner, DEPLOY_UID);
	world_run(world, 30);
	assert_true(touch_found(world, app) < SOON_MSEC); /* touched */
	world_run(world, 30);

	n = app->n_found;
	fd = open(app->flag, O_WRONLY | O_TRUNC | O_CLOEXEC);
	must(fd, "open");
	assert_int_equal(write(fd, "now\n", 4), 4);
	(void)close(fd);
	world_wait(world, &app->n_found, n);
	assert_int_equal(app->identity.size, 4);
	world_run(world, 30);

	n = app->n_found;
	path_in(app, ".restart.flag.Xyz1", other);
	touch(other);
	must(rename(other, app->flag), "rename");
	world_wait(world, &app->n_found, n);
	world_run(world, 30);

	n = app->n_found; /* cp -p, rsync -t: a time long ago */
	must(utimensat(AT_FDCWD, app->flag, old, 0), "utimensat");
	world_wait(world, &app->n_found, n);
	assert_int_equal(app->identity.mtime_nsec, INT64_C(1000000000000000007));
	world_run(world, 30);

	n = app->n_found;
	must(unlink(app->flag), "unlink");
	touch(app->flag);
	must(chown(app->flag, APP_UID, 0), "chown");
	world_wait(world, &app->n_found, n);
	assert_int_equal(app->owner, APP_UID);
	assert_int_equal(app->n_troubles, 0);
	world_free(world);
}

static void foreign_names_are_no_touch(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);
	char other[400];

	(void)state;
	(void)touch_found(world, app);
	world_run(world, 50);
	app->n_found = 1;
	path_in(app, "other", other);
	for (int i = 0; i < 20; i++) {
		touch(other);
		must(unlink(other), "unlink");
		world_run(world, 5);
	}
	must(chmod(app->dir, 0750), "chmod");
	world_run(world, 50);
	assert_int_equal(app->n_found, 1);
	world_free(world);
}

static void was_there_before(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);

	(void)state;
	(void)touch_found(world, app);
	flag_watch_remove(world->watch, app->name);
	world_run(world, 20);
	app->n_found = app->n_none = 0;
	(void)world_watch(world, 0);
	world_wait(world, &app->n_found, 0);
	assert_int_equal(app->n_none, 0);
	world_free(world);
}

/* Nothing in flags/ is ever opened: the kernel would tell. */
static int watch_opens(const char *path)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	must(fd, "inotify_init1");
	must(inotify_add_watch(fd, path, IN_OPEN | IN_ACCESS | IN_MODIFY), path);
	return fd;
}

static void assert_not_opened(int fd)
{
	char buffer[4096];

	assert_int_equal(read(fd, buffer, sizeof(buffer)), -1);
	assert_int_equal(errno, EAGAIN);
	(void)close(fd);
}

static void make_symlink(const char *target, const char *flag)
{
	must(symlink(target, flag), "symlink");
}

static void make_hard_link(const char *target, const char *flag)
{
	must(link(target, flag), "link");
}

static void make_fifo(const char *target, const char *flag)
{
	(void)target;
	must(mkfifo(flag, 0666), "mkfifo");
}

static void make_directory(const char *target, const char *flag)
{
	(void)target;
	must(mkdir(flag, 0777), "mkdir");
}

static void make_device(const char *target, const char *flag)
{
	(void)target;
	/* What cannot be made here is a FIFO instead: tested twice. */
	if (mknod(flag, S_IFCHR | 0666, makedev(1, 5)) < 0)
		must(mkfifo(flag, 0666), "mkfifo");
}

static void make_foreign(const char *target, const char *flag)
{
	(void)target;
	touch(flag);
	must(chown(flag, 61999, 0), "chown");
}

static void what_is_no_flag_is_ignored(void **state)
{
	static const struct {
		void (*make)(const char *target, const char *flag);
		const char *words;
	} kinds[] = {
		{make_symlink, "is a symbolic link"},
		{make_hard_link, "has other names"},
		{make_fifo, "is not a regular file"},
		{make_directory, "is not a regular file"},
		{make_device, "is not a regular file"},
		{make_foreign, "belongs to neither"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct world *world = world_make();
		struct seen *app = world_app(world, 0);
		struct flag_identity identity;
		char target[400];
		uid_t owner;
		int opens;

		path_in(app, "secret", target);
		touch(target);
		world_run(world, 50);
		opens = watch_opens(target);
		kinds[i].make(target, app->flag);
		world_wait(world, &app->n_troubles, 0);
		assert_non_null(strstr(app->trouble, kinds[i].words));
		assert_string_equal(flag_watch_trouble(world->watch, app->name),
				    app->trouble);
		assert_int_equal(
			flag_watch_look(world->watch, app->name, &identity, &owner),
			-ENOENT);
		assert_int_equal(app->n_found, 0);
		assert_not_opened(opens);

		must(remove(app->flag), "remove");
		(void)touch_found(world, app);
		if (app->n_well == 0)
			world_wait(world, &app->n_well, 0);
		assert_null(flag_watch_trouble(world->watch, app->name));
		/* The same again within a minute is not told again. */
		must(remove(app->flag), "remove");
		kinds[i].make(target, app->flag);
		world_run(world, 60);
		assert_int_equal(app->n_troubles, 1);
		assert_non_null(flag_watch_trouble(world->watch, app->name));
		world_free(world);
	}
}

static void look_is_of_now(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);
	struct flag_identity identity;
	struct stat st;
	uid_t owner;

	(void)state;
	assert_int_equal(flag_watch_look(world->watch, app->name, &identity, &owner),
			 -ENOENT);
	touch(app->flag);
	must(stat(app->flag, &st), "stat");
	assert_int_equal(flag_watch_look(world->watch, app->name, &identity, &owner),
			 0);
	assert_int_equal(identity.ino, st.st_ino);
	assert_int_equal(identity.ctime_nsec,
			 (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec);
	assert_int_equal(owner, DEPLOY_UID);
	assert_int_equal(flag_watch_look(world->watch, "nobody", &identity, &owner),
			 -ENOENT);
	world_free(world);
}

static void replaced_directory_is_watched_again(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);
	char away[400];

	(void)state;
	(void)touch_found(world, app);
	(void)snprintf(away, sizeof(away), "%s.old", app->dir);
	for (int i = 0; i < 3; i++) {
		must(rename(app->dir, away), "rename");
		must(mkdir(app->dir, 0755), "mkdir");
		assert_true(touch_found(world, app) < SOON_MSEC);
		world_run(world, 50);
		must(unlink(strcat(strcpy((char[500]){0}, away), "/restart.flag")),
		     "unlink");
		must(rmdir(away), "rmdir");
		world_run(world, 30);
		assert_true(touch_found(world, app) < SOON_MSEC);
	}
	world_free(world);
}

static void deleted_directory_is_told_and_watched_when_it_is_back(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0);
	char parent[256];

	(void)state;
	(void)touch_found(world, app);
	must(unlink(app->flag), "unlink");
	must(rmdir(app->dir), "rmdir");
	world_wait(world, &app->n_troubles, 0);
	assert_non_null(strstr(app->trouble, "cannot open"));
	assert_non_null(strstr(app->trouble, app->dir));
	must(mkdir(app->dir, 0755), "mkdir");
	assert_true(touch_found(world, app) < SOON_MSEC);
	if (app->n_well == 0)
		world_wait(world, &app->n_well, 0);

	/* Now with all that is above it. */
	must(unlink(app->flag), "unlink");
	must(rmdir(app->dir), "rmdir");
	(void)snprintf(parent, sizeof(parent), "%s/%s", world->root, app->name);
	must(rmdir(parent), "rmdir");
	world_run(world, 100);
	assert_non_null(flag_watch_trouble(world->watch, app->name));
	must(mkdir(parent, 0755), "mkdir");
	must(mkdir(app->dir, 0755), "mkdir");
	assert_true(touch_found(world, app) < SOON_MSEC);
	world_free(world);
}

static void directory_made_later_is_watched(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_watch(world, 0);
	char parent[256];

	(void)state;
	world_wait(world, &app->n_none, 0);
	world_wait(world, &app->n_troubles, 0);
	(void)snprintf(parent, sizeof(parent), "%s/%s", world->root, app->name);
	must(mkdir(parent, 0755), "mkdir");
	world_run(world, 50);
	must(mkdir(app->dir, 0755), "mkdir");
	assert_true(touch_found(world, app) < SOON_MSEC);
	world_free(world);
}

static void unsafe_path_is_refused(void **state)
{
	struct world *world = world_make();
	struct seen *app = world_app(world, 0), *link_app = &world->apps[1];
	char parent[256], link[256];

	(void)state;
	(void)touch_found(world, app);
	(void)snprintf(parent, sizeof(parent), "%s/%s", world->root, app->name);
	must(chown(parent, DEPLOY_UID, 0), "chown");
	world_wait(world, &app->n_troubles, 0);
	assert_non_null(strstr(app->trouble, "unsafe path"));
	assert_non_null(strstr(app->trouble, "chown root"));
	world_run(world, 30);
	app->n_found = 1;
	touch(app->flag);
	world_run(world, 100);
	assert_int_equal(app->n_found, 1);
	must(chown(parent, 0, 0), "chown");
	world_wait(world, &app->n_found, 1); /* what came meanwhile */

	must(chmod(parent, 0775), "chmod");
	world_run(world, 100);
	assert_non_null(strstr(flag_watch_trouble(world->watch, app->name), "unsafe"));

	/* flags/ that is a link, and a link on the way. */
	(void)snprintf(link, sizeof(link), "%s/%s", world->root, link_app->name);
	must(mkdir(link, 0755), "mkdir");
	must(symlink(app->dir, link_app->dir), "symlink");
	(void)world_watch(world, 1);
	world_wait(world, &link_app->n_troubles, 0);
	assert_non_null(strstr(link_app->trouble, "links are not followed"));
	must(unlink(link_app->dir), "unlink");
	must(rmdir(link), "rmdir");
	must(symlink(parent, link), "symlink");
	world_run(world, 100);
	assert_int_equal(link_app->n_found, 0);
	assert_non_null(strstr(flag_watch_trouble(world->watch, link_app->name),
			       "links are not followed"));
	world_free(world);
}

static void mounted_and_unmounted_directory_is_watched_again(void **state)
{
	struct world *world;
	struct seen *app;

	(void)state;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)printf("no mounts here: %s\n", strerror(errno));
		skip();
	}
	world = world_make();
	app = world_app(world, 0);
	(void)touch_found(world, app);
	must(mount("tmpfs", app->dir, "tmpfs", 0, "mode=0755"), "mount");
	assert_true(touch_found(world, app) < SOON_MSEC);
	world_run(world, 30);
	assert_true(touch_found(world, app) < SOON_MSEC);
	must(umount2(app->dir, MNT_DETACH), "umount");
	assert_true(touch_found(world, app) < SOON_MSEC);
	world_free(world);
}

static void two_apps_in_one_directory(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = &world->apps[1];

	(void)state;
	(void)strcpy(b->dir, a->dir);
	(void)strcpy(b->flag, a->flag);
	(void)world_watch(world, 1);
	world_wait(world, &b->n_none, 0);
	(void)touch_found(world, a);
	if (b->n_found == 0)
		world_wait(world, &b->n_found, 0);
	flag_watch_remove(world->watch, a->name);
	world_run(world, 30);
	assert_true(touch_found(world, b) < SOON_MSEC);
	world_free(world);
}

static void other_directory_after_a_reload(void **state)
{
	struct world *world = world_make();
	struct seen *a = world_app(world, 0), *b = world_app(world, 1);
	struct seen old = *a;
	char long_path[5000];

	(void)state;
	(void)strcpy(a->dir, b->dir);
	(void)strcpy(a->flag, b->flag);
	(void)world_watch(world, 0);
	world_run(world, 50);
	touch(old.flag);
	world_run(world, 50);
	assert_int_equal(a->n_found, 0);
	(void)touch_found(world, a);

	(void)memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(flag_watch_set(world->watch, "a", long_path, 1, 2),
			 -ENAMETOOLONG);
	world_free(world);
}

static void closed_at_any_time(void **state)
{
	(void)state;
	for (int turns = 0; turns < 4; turns++) {
		struct world *world = world_make();

		(void)world_watch(world, 0);
		(void)world_watch(world, 1);
		for (int i = 0; i < turns; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		flag_watch_remove(world->watch, "a");
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the threads that come later are in its mount namespace. */
		cmocka_unit_test(mounted_and_unmounted_directory_is_watched_again),
		cmocka_unit_test(every_way_to_touch_is_found),
		cmocka_unit_test(foreign_names_are_no_touch),
		cmocka_unit_test(was_there_before),
		cmocka_unit_test(what_is_no_flag_is_ignored),
		cmocka_unit_test(look_is_of_now),
		cmocka_unit_test(replaced_directory_is_watched_again),
		cmocka_unit_test(deleted_directory_is_told_and_watched_when_it_is_back),
		cmocka_unit_test(directory_made_later_is_watched),
		cmocka_unit_test(unsafe_path_is_refused),
		cmocka_unit_test(two_apps_in_one_directory),
		cmocka_unit_test(other_directory_after_a_reload),
		cmocka_unit_test(closed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
