/* Walks and files below a root of the test's own, with what others may have put there.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/tool.h"
#include "setup/chase.h"
#include "setup/manifest.h"
#include "setup/place.h"
#include "setup/source.h"

static char dir[] = "/tmp/deployctl-place-XXXXXX";
static char app_name[] = "hello";
static struct app_config app;
static struct verb verb = {.name = "test"};
static struct options options;
static struct setup setup;
static struct errinfo ei;

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/deployctl-place-XXXXXX");
	assert_non_null(mkdtemp(dir));
	app = (struct app_config){.app_name = app_name};
	options = (struct options){.quiet = true};
	ei = (struct errinfo){0};
	setup = (struct setup){
		.verb = &verb,
		.options = &options,
		.app = &app,
		.destdir = dir,
		.root_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.has_passwd = true,
		.is_root = geteuid() == 0,
	};
	assert_true(setup.root_fd >= 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	manifest_free(setup.manifest);
	(void)close(setup.root_fd);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *at(const char *path)
{
	static char full[512];

	(void)snprintf(full, sizeof(full), "%s%s", dir, path);
	return full;
}

static struct place_file file_of(const char *text, mode_t mode)
{
	return (struct place_file){
		.data = text,
		.length = strlen(text),
		.owner = {"me", "mine", geteuid(), getegid()},
		.mode = mode,
	};
}

static void assert_text(const char *path, const char *text, mode_t mode)
{
	char is[128] = "";
	struct stat st;
	int fd = open(at(path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, is, sizeof(is) - 1) >= 0);
	assert_string_equal(is, text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	(void)close(fd);
}

static int put(const char *path, const char *text, mode_t mode)
{
	struct place_file want = file_of(text, mode);

	setup.n_changes = 0;
	return place_file(&setup, path, &want, &ei);
}

static void file_is_made_with_its_parents(void **state)
{
	(void)state;
	assert_int_equal(put("/etc/a/b/file", "one", 0640), 0);
	assert_text("/etc/a/b/file", "one", 0640);
	assert_int_equal(setup.n_changes, 4); /* three directories and the file */
	assert_int_equal(setup.manifest->n_entries, 4);
}

static void what_is_right_is_left_alone(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(stat(at("/file"), &before), 0);
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(setup.n_changes, 0);
	assert_int_equal(stat(at("/file"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

static void what_differs_is_repaired(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(chmod(at("/file"), 0604), 0);
	assert_int_equal(stat(at("/file"), &before), 0);
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(setup.n_changes, 1);
	assert_text("/file", "one", 0640);
	assert_int_equal(stat(at("/file"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	/* Whom root let write it may still have it open. */
	assert_int_equal(chmod(at("/file"), 0666), 0);
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(setup.n_changes, 1);
	assert_text("/file", "one", 0640);
	assert_int_equal(stat(at("/file"), &after), 0);
	if (geteuid() == 0)
		assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(stat(at("/file"), &before), 0);
	/* Other contents are another file: a reader keeps the old one whole. */
	assert_int_equal(put("/file", "onetwo", 0640), 0);
	assert_int_equal(setup.n_changes, 1);
	assert_text("/file", "onetwo", 0640);
	assert_int_equal(stat(at("/file"), &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(put("/file", "on", 0640), 0);
	assert_text("/file", "on", 0640);
}

static void link_in_place_of_a_file_is_replaced(void **state)
{
	(void)state;
	assert_int_equal(put("/target", "old", 0640), 0);
	assert_int_equal(symlink("target", at("/file")), 0);
	assert_int_equal(put("/file", "new", 0600), 0);
	assert_text("/file", "new", 0600);
	assert_text("/target", "old", 0640);
}

/* Bug 11 of mix_deploy: a directory got the mode of the file. */
static void directory_is_no_file(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(at("/etc"), 0755), 0);
	assert_true(put("/etc", "one", 0600) < 0);
	assert_non_null(strstr(ei.what, "is a directory"));
	assert_int_equal(stat(at("/etc"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void dry_run_changes_nothing(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(put("/file", "one", 0640), 0);
	setup.dry_run = true;
	assert_int_equal(put("/file", "two", 0600), 0);
	assert_int_equal(setup.n_changes, 1);
	assert_int_equal(put("/file", "one", 0600), 0);
	assert_int_equal(setup.n_changes, 1);
	assert_text("/file", "one", 0640);
	app.deploy_dir = app.releases_dir = app.scripts_dir = app.etc_dir =
		app.flags_dir = app_name;
	assert_int_equal(put("/a/b", "one", 0600), 0);
	assert_int_equal(stat(at("/a"), &st), -1);
	assert_int_equal(place_link(&setup, "/link", "x", &ei), 0);
	assert_int_equal(lstat(at("/link"), &st), -1);
	assert_int_equal(place_remove(&setup, "/file", &ei), 0);
	assert_int_equal(stat(at("/file"), &st), 0);
}

static void hard_link_does_not_change_hands(void **state)
{
	struct place_file want = file_of("one", 0640);

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(put("/file", "one", 0640), 0);
	assert_int_equal(linkat(setup.root_fd, "file", setup.root_fd, "other", 0), 0);
	want.owner.gid = 1234;
	assert_true(place_file(&setup, "/file", &want, &ei) < 0);
	assert_non_null(strstr(ei.what, "hard links"));
}

static int open_dir(const char *path)
{
	int fd = -1, r = place_open_dir(&setup, path, false, &fd, &ei);

	if (r == 0)
		(void)close(fd);
	return r;
}

static void links_of_root_are_followed_below_the_root(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("/usr"), 0755), 0);
	assert_int_equal(mkdir(at("/usr/lib"), 0755), 0);
	assert_int_equal(mkdir(at("/etc"), 0755), 0);
	assert_int_equal(symlink("usr/lib", at("/lib")), 0);
	assert_int_equal(symlink("/usr/lib", at("/abs")), 0);
	assert_int_equal(symlink("../../../../etc", at("/usr/up")), 0);
	assert_int_equal(put("/lib/x", "x", 0644), 0);
	assert_text("/usr/lib/x", "x", 0644);
	assert_int_equal(put("/abs/y", "y", 0644), 0);
	assert_text("/usr/lib/y", "y", 0644);
	assert_int_equal(put("/usr/up/z", "z", 0644), 0);
	assert_text("/etc/z", "z", 0644);
	assert_int_equal(put("/usr/lib/../w", "w", 0644), 0);
	assert_text("/usr/w", "w", 0644);
}

static void links_of_others_are_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(at("/etc"), 0755), 0);
	assert_int_equal(symlink("etc", at("/mine")), 0);
	assert_int_equal(lchown(at("/mine"), 1234, 1234), 0);
	assert_int_equal(open_dir("/mine"), -EINVAL);
	assert_non_null(strstr(ei.what, "unsafe path"));
	assert_true(put("/mine/x", "x", 0644) < 0);
	/* One that is root's, where others could have put another. */
	assert_int_equal(mkdir(at("/tmp"), 0755), 0);
	assert_int_equal(symlink("../etc", at("/tmp/link")), 0);
	assert_int_equal(open_dir("/tmp/link"), 0);
	assert_int_equal(chmod(at("/tmp"), 01777), 0);
	assert_int_equal(open_dir("/tmp/link"), -EINVAL);
	assert_int_equal(chmod(at("/tmp"), 0755), 0);
	assert_int_equal(chown(at("/tmp"), 1234, 1234), 0);
	assert_int_equal(open_dir("/tmp/link"), -EINVAL);
}

static void walks_end(void **state)
{
	(void)state;
	assert_int_equal(symlink("b", at("/a")), 0);
	assert_int_equal(symlink("a", at("/b")), 0);
	assert_int_equal(open_dir("/a"), -ELOOP);
	assert_int_equal(open_dir("/nothing/here"), -ENOENT);
	assert_int_equal(put("/file", "x", 0644), 0);
	assert_int_equal(open_dir("/file"), -ENOTDIR);
	assert_int_equal(open_dir("/file/x"), -ENOTDIR);
}

static void manifest_survives(void **state)
{
	(void)state;
	assert_int_equal(put("/etc/file", "x", 0644), 0);
	assert_int_equal(place_link(&setup, "/etc/link", "file", &ei), 0);
	manifest_free(setup.manifest);
	setup.manifest = NULL;
	assert_int_equal(manifest_load(&setup, &ei), 0);
	assert_int_equal(setup.manifest->n_entries, 3);
	assert_string_equal(setup.manifest->entries[0].path, "/etc");
	assert_string_equal(setup.manifest->entries[2].path, "/etc/link");
	free(setup.manifest->entries[1].path);
	setup.manifest->entries[1].path = NULL;
	assert_int_equal(manifest_save(&setup, &ei), 0);
	manifest_free(setup.manifest);
	setup.manifest = NULL;
	assert_int_equal(manifest_load(&setup, &ei), 0);
	assert_int_equal(setup.manifest->n_entries, 2);
	assert_int_equal(manifest_add(&setup, MANIFEST_DIRECTORY, "/etc", &ei), 0);
	assert_int_equal(setup.manifest->n_entries, 2);
}

static void only_empty_directories_go(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(put("/etc/file", "x", 0644), 0);
	assert_int_equal(place_remove_if_empty(&setup, "/etc", &ei), -ENOTEMPTY);
	assert_int_equal(place_remove(&setup, "/etc/file", &ei), 0);
	assert_int_equal(place_remove(&setup, "/etc/file", &ei), 0);
	assert_int_equal(place_remove_if_empty(&setup, "/etc", &ei), 0);
	assert_int_equal(stat(at("/etc"), &st), -1);
	assert_int_equal(place_remove_if_empty(&setup, "/etc", &ei), 0);
}

/* deploy puts a link to a secret into his project, and waits for root. */
static void source_is_what_the_project_owner_could_read(void **state)
{
	char *data = NULL;
	size_t length;
	int old = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	(void)state;
	if (geteuid() != 0) {
		(void)close(old);
		skip();
	}
	assert_int_equal(put("/secret", "secret", 0600), 0);
	assert_int_equal(mkdir(at("/project"), 0755), 0);
	assert_int_equal(put("/project/plain", "plain", 0644), 0);
	assert_int_equal(symlink("plain", at("/project/link")), 0);
	assert_int_equal(symlink("../secret", at("/project/trap")), 0);
	assert_int_equal(symlink("..", at("/project/up")), 0);
	assert_int_equal(chown(at("/project/plain"), 1234, 1234), 0);
	assert_int_equal(chown(at("/project"), 1234, 1234), 0);
	assert_int_equal(chdir(at("/project")), 0);
	assert_int_equal(source_read("plain", &data, &length, &ei), 0);
	assert_int_equal(length, 5);
	free(data);
	assert_int_equal(source_read("link", &data, &length, &ei), 0);
	free(data);
	r = source_read("trap", &data, &length, &ei);
	assert_true(r < 0);
	assert_non_null(strstr(ei.what, "through a link"));
	assert_true(source_read("up/secret", &data, &length, &ei) < 0);
	assert_true(source_read("missing", &data, &length, &ei) < 0);
	assert_true(source_read(".", &data, &length, &ei) < 0);
	assert_int_equal(fchdir(old), 0);
	(void)close(old);
}

static void tools_are_run_and_bounded(void **state)
{
	char output[TOOL_OUTPUT_SIZE];

	(void)state;
	assert_int_equal(
		tool_run((const char *[]){"cat", NULL}, "in\n", 30, output, &ei), 0);
	assert_string_equal(output, "in\n");
	assert_int_equal(
		tool_run((const char *[]){"sh", "-c", "echo out; echo err >&2; exit 7",
					  NULL},
			 NULL, 30, output, &ei),
		7);
	assert_string_equal(output, "out\nerr\n");
	assert_int_equal(tool_run((const char *[]){"no-such-program", NULL}, NULL, 30,
				  output, &ei),
			 -ENOENT);
	assert_int_equal(tool_run((const char *[]){"tail", "-f", "/dev/null", NULL},
				  NULL, 1, output, &ei),
			 -ETIMEDOUT);
	assert_true(tool_must((const char *[]){"sh", "-c", "echo why; exit 3", NULL},
			      NULL, 30, &ei) < 0);
	assert_non_null(strstr(ei.what, "status 3: why"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(file_is_made_with_its_parents),
		TEST(what_is_right_is_left_alone),
		TEST(what_differs_is_repaired),
		TEST(link_in_place_of_a_file_is_replaced),
		TEST(directory_is_no_file),
		TEST(dry_run_changes_nothing),
		TEST(hard_link_does_not_change_hands),
		TEST(links_of_root_are_followed_below_the_root),
		TEST(links_of_others_are_refused),
		TEST(walks_end),
		TEST(manifest_survives),
		TEST(only_empty_directories_go),
		TEST(source_is_what_the_project_owner_could_read),
		TEST(tools_are_run_and_bounded),
	};

	(void)umask(0022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
