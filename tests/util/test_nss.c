/* Users and groups by name, of this machine and of one below a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/nss.h"

static char dir[] = "/tmp/deployd-nss-XXXXXX";
static int root_fd = -1;

static void put(const char *name, const char *text)
{
	int fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/deployd-nss-XXXXXX");
	assert_non_null(mkdtemp(dir));
	root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root_fd >= 0);
	assert_int_equal(mkdirat(root_fd, "etc", 0755), 0);
	put("etc/passwd", "root:x:0:0::/root:/bin/sh\n"
			  "hello:x:990:991::/srv/hello:/bin/false\n");
	put("etc/group", "root:x:0:\nhello:x:991:deploy,alice\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlinkat(root_fd, "etc/passwd", 0);
	(void)unlinkat(root_fd, "etc/group", 0);
	(void)unlinkat(root_fd, "etc", AT_REMOVEDIR);
	(void)close(root_fd);
	return rmdir(dir);
}

static void users_below_a_directory_are_its_own(void **state)
{
	char home[64];
	uid_t uid = 1;
	gid_t gid = 1;

	(void)state;
	assert_int_equal(nss_user(root_fd, "hello", &uid, &gid, home, sizeof(home)), 0);
	assert_int_equal(uid, 990);
	assert_int_equal(gid, 991);
	assert_string_equal(home, "/srv/hello");
	assert_int_equal(nss_user(root_fd, "nobody-knows", &uid, &gid, NULL, 0),
			 -ENOENT);
	assert_int_equal(uid, 990); /* untouched */
}

static void groups_below_a_directory_have_members(void **state)
{
	gid_t gid = 1;
	bool member;

	(void)state;
	assert_int_equal(nss_group(root_fd, "hello", "alice", &gid, &member), 0);
	assert_int_equal(gid, 991);
	assert_true(member);
	assert_int_equal(nss_group(root_fd, "hello", "mallory", &gid, &member), 0);
	assert_false(member);
	assert_int_equal(nss_group(root_fd, "hello", NULL, &gid, &member), 0);
	assert_false(member);
	assert_int_equal(nss_group(root_fd, "wheel", "alice", &gid, &member), -ENOENT);
}

static void a_file_that_is_missing_is_an_error(void **state)
{
	uid_t uid;
	gid_t gid;
	bool member;

	(void)state;
	(void)unlinkat(root_fd, "etc/passwd", 0);
	(void)unlinkat(root_fd, "etc/group", 0);
	assert_int_equal(nss_user(root_fd, "hello", &uid, &gid, NULL, 0), -ENOENT);
	assert_int_equal(nss_group(root_fd, "hello", NULL, &gid, &member), -ENOENT);
}

static void a_link_is_not_followed(void **state)
{
	uid_t uid;
	gid_t gid;

	(void)state;
	(void)unlinkat(root_fd, "etc/passwd", 0);
	assert_int_equal(symlinkat("/etc/passwd", root_fd, "etc/passwd"), 0);
	assert_int_equal(nss_user(root_fd, "root", &uid, &gid, NULL, 0), -ELOOP);
}

static void this_machine_has_root(void **state)
{
	uid_t uid = 1;
	gid_t gid = 1;
	bool member;

	(void)state;
	assert_int_equal(nss_user(-1, "root", &uid, &gid, NULL, 0), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(nss_group(-1, "root", "nobody", &gid, &member), 0);
	assert_int_equal(gid, 0);
	assert_false(member);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_below_a_directory_are_its_own),
		TEST(groups_below_a_directory_have_members),
		TEST(a_file_that_is_missing_is_an_error),
		TEST(a_link_is_not_followed),
		TEST(this_machine_has_root),
	};

	return cmocka_run_group_tests_name("nss", tests, NULL, NULL);
}
