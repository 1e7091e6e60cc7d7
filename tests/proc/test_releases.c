/* Which release a file is of, on directories of ours. */
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

#include "proc/releases.h"

static char scratch[64];
static struct releases releases;
static struct used_file file;

static char *in_scratch(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned int n;
	char *path = paths[n++ % 8];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static void make_dir(const char *name)
{
	assert_int_equal(mkdir(in_scratch(name), 0755), 0);
}

static void make_file(const char *name)
{
	const int fd = open(in_scratch(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

static void list(const char *name)
{
	struct errinfo ei = {0};

	releases_deinit(&releases);
	assert_int_equal(releases_open(&releases, in_scratch(name), &ei), 0);
	assert_int_equal(releases_list(&releases, INT64_MAX, &ei), 0);
	assert_false(releases.truncated);
}

static void identify(const char *name)
{
	struct statx stx;

	assert_int_equal(statx(AT_FDCWD, in_scratch(name), 0, STATX_INO, &stx), 0);
	file.id = (struct file_id){
		(uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor, stx.stx_ino};
	file.id_known = true;
}

static void place_as(const char *name, bool own, const char *wanted)
{
	file.own = own;
	file.deleted = false;
	(void)snprintf(file.path, sizeof(file.path), "%s",
		       name[0] == '/' ? name : in_scratch(name));
	assert_int_equal(releases_place(&releases, &file), wanted != NULL);
	if (wanted)
		assert_string_equal(file.path, in_scratch(wanted));
}

/* Of both kinds of process the same is said. */
static void place(const char *name, const char *wanted)
{
	place_as(name, false, wanted);
	place_as(name, true, wanted);
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(scratch, "/tmp/deployd-test-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	releases.fd = -1;
	make_dir("releases");
	make_dir("releases/1");
	make_dir("releases/1/lib");
	make_file("releases/1/lib/x.so");
	make_dir("releases/2");
	make_file("releases/2/x.so");
	make_dir("elsewhere");
	make_file("elsewhere/x.so");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	releases_deinit(&releases);
	return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void inode_counts_whatever_it_is_called(void **state)
{
	(void)state;
	list("releases");
	identify("releases/1/lib/x.so");
	place("releases/1/lib/x.so", "releases/1/lib/x.so");
	place("/mnt/lib/x.so", "releases/1");
	place("releases/2/x.so", "releases/1");
	place("/mnt/x.so (deleted)", "releases/1");
	identify("releases/1/lib");
	place("releases/1/lib", "releases/1/lib");
	place("/mnt", "releases/1");
	identify("releases/2");
	place("/", "releases/2");
	place("releases/2", "releases/2");
}

static void name_alone_is_worth_nothing(void **state)
{
	(void)state;
	list("releases");
	identify("elsewhere/x.so");
	place("elsewhere/x.so", NULL);
	assert_string_equal(file.path, in_scratch("elsewhere/x.so"));
	place("releases/1/lib/x.so", NULL);
	assert_string_equal(file.path, "");
	place("releases/1/none", NULL);
	assert_string_equal(file.path, "");
	identify("elsewhere");
	place("releases/1", NULL);
	assert_string_equal(file.path, "");
	identify("releases");
	place("releases", NULL);
	assert_string_equal(file.path, in_scratch("releases"));
}

static void hard_link_is_of_the_release_it_was_opened_under(void **state)
{
	(void)state;
	assert_int_equal(link(in_scratch("releases/1/lib/x.so"),
			      in_scratch("releases/2/same.so")),
			 0);
	list("releases");
	identify("releases/1/lib/x.so");
	place("releases/1/lib/x.so", "releases/1/lib/x.so");
	place("releases/2/same.so", "releases/2/same.so");
	place("/mnt/x.so", NULL);
	place("releases/2/other.so", NULL);
	/* What is left of it in another release is not what the process runs. */
	assert_int_equal(unlink(in_scratch("releases/1/lib/x.so")), 0);
	list("releases");
	place_as("releases/1/lib/x.so (deleted)", true, "releases/1/lib/x.so");
	assert_true(file.deleted);
}

static void deleted_name_is_good_for_own_processes_only(void **state)
{
	(void)state;
	identify("releases/1/lib/x.so");
	assert_int_equal(unlink(in_scratch("releases/1/lib/x.so")), 0);
	list("releases");
	place_as("releases/1/lib/x.so (deleted)", true, "releases/1/lib/x.so");
	assert_true(file.deleted);
	place_as("releases/1/lib/x.so (deleted)", false, NULL);
	assert_string_equal(file.path, "");
	place_as("elsewhere/x.so (deleted)", true, NULL);
	assert_true(file.deleted);
	assert_string_equal(file.path, in_scratch("elsewhere/x.so"));
}

static void file_may_be_called_deleted(void **state)
{
	(void)state;
	make_file("releases/1/x (deleted)");
	list("releases");
	identify("releases/1/x (deleted)");
	place("releases/1/x (deleted)", "releases/1/x (deleted)");
	assert_false(file.deleted);
}

static void releases_may_be_behind_a_link(void **state)
{
	(void)state;
	assert_int_equal(symlink("releases", in_scratch("link")), 0);
	list("link");
	identify("releases/1/lib/x.so");
	place("releases/1/lib/x.so", "link/1/lib/x.so");
	place("/mnt/x.so", "link/1");
	/* deployd takes what lies below the name that it gave for a release. */
	identify("elsewhere/x.so");
	place("link/1/lib/x.so", NULL);
	assert_string_equal(file.path, "");
}

static void maps_are_compared_with_stat(void **state)
{
	struct file_id id;

	(void)state;
	list("releases");
	assert_true(releases.maps_known);
	assert_true(releases_of_maps(&releases, (struct file_id){releases.maps_dev, 7},
				     &id));
	identify("releases/1/lib/x.so");
	assert_int_equal(id.dev, file.id.dev);
	assert_int_equal(id.ino, 7);
	/* Where nothing is known of a file but its name, that has to do. */
	file.id_known = false;
	place("releases/1/lib/x.so", "releases/1/lib/x.so");
	place("elsewhere/x.so", NULL);
}

static void no_time_is_told(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	assert_int_equal(releases_open(&releases, in_scratch("releases"), &ei), 0);
	assert_int_equal(releases_list(&releases, 0, &ei), 0);
	assert_true(releases.truncated);
}

static void no_directory(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	assert_int_equal(releases_open(&releases, in_scratch("none"), &ei), -ENOENT);
	assert_non_null(strstr(ei.what, "cannot open the releases"));
	releases_deinit(&releases);
	assert_int_equal(releases_open(&releases, "//", &ei), -EINVAL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(inode_counts_whatever_it_is_called),
		TEST(name_alone_is_worth_nothing),
		TEST(hard_link_is_of_the_release_it_was_opened_under),
		TEST(deleted_name_is_good_for_own_processes_only),
		TEST(file_may_be_called_deleted),
		TEST(releases_may_be_behind_a_link),
		TEST(maps_are_compared_with_stat),
		TEST(no_time_is_told),
		TEST(no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
