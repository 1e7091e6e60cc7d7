/* deployd-touch as deployd starts it: by root, with its report on fd 3. */
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
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

struct place {
	char root[64];
	char parent[128], dir[160], flag[200], other[200];
};

static void must(int r, const char *what)
{
	if (r < 0)
		fail_msg("%s: %s", what, strerror(errno));
}

static struct place place_make(void)
{
	char root[] = "/run/deployd-test-XXXXXX";
	struct place place;

	require_root();
	(void)umask(022);
	assert_non_null(mkdtemp(root));
	must(chmod(root, 0755), "chmod");
	(void)snprintf(place.root, sizeof(place.root), "%s", root);
	(void)snprintf(place.parent, sizeof(place.parent), "%s/app", root);
	(void)snprintf(place.dir, sizeof(place.dir), "%s/app/flags", root);
	(void)snprintf(place.flag, sizeof(place.flag), "%s/app/flags/restart.flag",
		       root);
	(void)snprintf(place.other, sizeof(place.other), "%s/app/flags/other", root);
	/* The deploy user is not in the app's group: he could not come this way. */
	must(mkdir(place.parent, 0750), "mkdir");
	must(mkdir(place.dir, 0775), "mkdir");
	must(chmod(place.dir, 0775), "chmod");
	must(chown(place.dir, HELPER_UID, 0), "chown");
	return place;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void place_remove(const struct place *place)
{
	(void)nftw(place->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct outcome run(const char *dir, const char *uid, const char *gid)
{
	char dir_arg[300], uid_arg[32], gid_arg[32];
	const char *argv[] = {"deployd-touch", dir_arg, uid_arg, gid_arg, NULL};

	(void)snprintf(dir_arg, sizeof(dir_arg), "--dir=%s", dir);
	(void)snprintf(uid_arg, sizeof(uid_arg), "--uid=%s", uid);
	(void)snprintf(gid_arg, sizeof(gid_arg), "--gid=%s", gid);
	return helper_finish(helper_start(TOUCH, argv, -1, -1));
}

static void touches(const struct place *place)
{
	struct outcome outcome = run(place->dir, "61234", "61235");

	if (strcmp(outcome_result(&outcome), "ok") != 0)
		fail_msg("%s", outcome_message(&outcome));
	assert_int_equal(outcome.status, 0);
	outcome_deinit(&outcome);
}

static void refuses(const char *dir, const char *uid, const char *words)
{
	struct outcome outcome = run(dir, uid, "61235");

	(void)printf("%s: %s\n", outcome_result(&outcome), outcome_message(&outcome));
	assert_int_equal(outcome.status, 0);
	assert_string_not_equal(outcome_result(&outcome), "ok");
	assert_non_null(strstr(outcome_message(&outcome), words));
	outcome_deinit(&outcome);
}

static void makes_the_flag_as_the_deploy_user(void **state)
{
	struct place place = place_make();
	struct stat st;

	(void)state;
	touches(&place);
	must(lstat(place.flag, &st), "lstat");
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_uid, HELPER_UID);
	assert_int_equal(st.st_gid, HELPER_GID);
	assert_int_equal(st.st_size, 0);
	place_remove(&place);
}

static void touches_the_flag_that_is_there(void **state)
{
	const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	struct place place = place_make();
	struct stat before, after;
	int fd;

	(void)state;
	fd = open(place.flag, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	must(fd, "open");
	assert_int_equal(write(fd, "keep", 4), 4);
	must(fchmod(fd, 0666), "fchmod"); /* the app's own file, open to all */
	must(futimens(fd, old), "futimens");
	must(fstat(fd, &before), "fstat");
	touches(&place);
	must(fstat(fd, &after), "fstat");
	(void)close(fd);
	assert_int_equal(after.st_size, 4);
	assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
	place_remove(&place);
}

static void refuses_what_is_no_regular_file(void **state)
{
	struct place place = place_make();
	struct stat before, after;
	int fd;

	(void)state;
	fd = open(place.other, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	must(fd, "open");
	must(fchmod(fd, 0666), "fchmod");
	must(fstat(fd, &before), "fstat");

	must(symlink(place.other, place.flag), "symlink");
	refuses(place.dir, "61234", "is a symbolic link");
	must(unlink(place.flag), "unlink");
	must(mkfifo(place.flag, 0666), "mkfifo");
	must(chmod(place.flag, 0666), "chmod");
	refuses(place.dir, "61234", "is not a regular file");
	must(unlink(place.flag), "unlink");
	must(mkdir(place.flag, 0777), "mkdir");
	refuses(place.dir, "61234", "is not a regular file");
	must(rmdir(place.flag), "rmdir");
	must(fstat(fd, &after), "fstat");
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);

	must(link(place.other, place.flag), "link");
	refuses(place.dir, "61234", "hard links");
	must(fstat(fd, &after), "fstat");
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	(void)close(fd);
	place_remove(&place);
}

static void has_the_rights_of_the_deploy_user_only(void **state)
{
	struct place place = place_make();

	(void)state;
	must(chown(place.dir, 0, 0), "chown");
	must(chmod(place.dir, 0755), "chmod");
	refuses(place.dir, "61234", "cannot write");
	must(chown(place.dir, HELPER_UID, 0), "chown");
	refuses(place.dir, "0", "uid");
	must(chown(place.parent, HELPER_UID, 0), "chown");
	refuses(place.dir, "61234", "unsafe path");
	must(chown(place.parent, 0, 0), "chown");
	touches(&place);
	refuses("/run/deployd-test-none/flags", "61234", "cannot open");
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_flag_as_the_deploy_user),
		cmocka_unit_test(touches_the_flag_that_is_there),
		cmocka_unit_test(refuses_what_is_no_regular_file),
		cmocka_unit_test(has_the_rights_of_the_deploy_user_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
