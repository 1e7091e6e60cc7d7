/*
 * What deployd-unpack promises about the tree, its limits and its refusal to run
 * without a sandbox. The archives come from tests/archives.
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
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "helper.h"

static char *scratch;

static int set_up(void **state)
{
	char command[4096];

	(void)state;
	scratch = scratch_make();
	(void)snprintf(command, sizeof(command), "%s '%s' --bomb-mib=8192",
		       MAKE_ARCHIVES, scratch);
	return system(command) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static int open_archive(const char *name)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Unpacks a good archive; a dirfd of its staging directory. */
static int unpack_good(const char *name)
{
	char *staging = staging_make(scratch);
	int fd = open_archive(name), dir_fd;
	struct outcome outcome = helper_finish(unpack_start(UNPACK, staging, fd));

	assert_string_equal(outcome_result(&outcome), "ok");
	outcome_deinit(&outcome);
	(void)close(fd);
	dir_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	free(staging);
	return dir_fd;
}

static struct stat stat_at(int dir_fd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void modes_are_tamed(void **state)
{
	int dir_fd = unpack_good("good/modes.tar.gz");

	(void)state;
	assert_int_equal(stat_at(dir_fd, "bin").st_mode, S_IFDIR | 0755);
	assert_int_equal(stat_at(dir_fd, "bin/hello").st_mode, S_IFREG | 0755);
	assert_int_equal(stat_at(dir_fd, "w").st_mode, S_IFREG | 0644);
	assert_int_equal(stat_at(dir_fd, "none").st_mode, S_IFREG | 0600);
	assert_int_equal(stat_at(dir_fd, "d").st_mode, S_IFDIR | 0755);
	(void)close(dir_fd);

	dir_fd = unpack_good("good/dot-entry.tar.gz");
	assert_int_equal(stat_at(dir_fd, ".").st_mode, S_IFDIR | 0750);
	assert_int_equal(stat_at(dir_fd, ".").st_gid, 0);
	(void)close(dir_fd);
}

static void bits_of_directories_are_dropped(void **state)
{
	int dir_fd = unpack_good("good/directory-bits.tar.gz");

	(void)state;
	assert_int_equal(stat_at(dir_fd, "bin").st_mode, S_IFDIR | 0755);
	assert_int_equal(stat_at(dir_fd, "d").st_mode, S_IFDIR | 0755);
	(void)close(dir_fd);
}

static void last_of_two_files_counts(void **state)
{
	int dir_fd = unpack_good("good/file-twice.tar.gz"), fd;
	char text[64] = {0};

	(void)state;
	fd = openat(dir_fd, "twice", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "last\n");
	assert_int_equal(stat_at(dir_fd, "twice").st_mode, S_IFREG | 0755);
	(void)close(fd);
	(void)close(dir_fd);
}

static void owners_and_xattrs_are_ignored(void **state)
{
	int dir_fd = unpack_good("good/owners.tar.gz"), fd;
	char names[256];

	(void)state;
	assert_int_equal(stat_at(dir_fd, "x").st_uid, HELPER_UID);
	assert_int_equal(stat_at(dir_fd, "x").st_gid, HELPER_GID);
	(void)close(dir_fd);

	dir_fd = unpack_good("good/xattrs.tar.gz");
	fd = openat(dir_fd, "x", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flistxattr(fd, names, sizeof(names)), 0);
	(void)close(fd);
	(void)close(dir_fd);
}

static void what_is_left_out_is_told(void **state)
{
	static const struct {
		const char *name, *words, *skipped;
	} cases[] = {
		{"xattrs",
		 "(entries: 1, first 'x'); what needs a capability gets it "
		 "from AmbientCapabilities= of the unit",
		 NULL},
		{"xattrs-acl", "(entries: 2, first 'x')", NULL},
		{"apple-double", "files ._* of macOS were left out (2, first '._x')",
		 "bin/._hello"},
		{"gzip", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *staging = staging_make(scratch);
		struct outcome outcome;
		const char *warning;
		char path[4096];
		int fd;

		(void)snprintf(path, sizeof(path), "good/%s.tar.gz", cases[i].name);
		fd = open_archive(path);
		outcome = helper_finish(unpack_start(UNPACK, staging, fd));
		(void)close(fd);
		warning = json_string_value(json_object_get(outcome.result, "warning"));
		assert_non_null(warning);
		(void)printf("%s: %s\n", cases[i].name, warning);
		assert_non_null(strstr(warning, cases[i].words));
		assert_true((warning[0] == '\0') == (cases[i].words[0] == '\0'));
		(void)snprintf(path, sizeof(path), "%s/%s", staging,
			       cases[i].skipped ? cases[i].skipped : "none");
		assert_int_equal(access(path, F_OK), -1);
		outcome_deinit(&outcome);
		free(staging);
	}
}

static void mtimes_are_clamped(void **state)
{
	int dir_fd = unpack_good("good/mtimes.tar.gz");

	(void)state;
	assert_true(stat_at(dir_fd, "future").st_mtime <= time(NULL));
	assert_true(stat_at(dir_fd, "past").st_mtime == 0);
	assert_true(stat_at(dir_fd, "bin/hello").st_mtime == 1700000000);
	(void)close(dir_fd);
}

static void links_are_made(void **state)
{
	int dir_fd = unpack_good("good/symlinks.tar.gz");
	char target[64] = {0};

	(void)state;
	assert_int_equal(readlinkat(dir_fd, "lib/up", target, sizeof(target) - 1), 6);
	assert_string_equal(target, "../bin");
	assert_true(S_ISLNK(stat_at(dir_fd, "a/b/c").st_mode));
	(void)close(dir_fd);

	dir_fd = unpack_good("good/hardlinks.tar.gz");
	assert_int_equal(stat_at(dir_fd, "bin/hello").st_nlink, 3);
	assert_true(stat_at(dir_fd, "bin/hello").st_ino == stat_at(dir_fd, "h").st_ino);
	assert_true(stat_at(dir_fd, "lib/hello").st_ino == stat_at(dir_fd, "h").st_ino);
	(void)close(dir_fd);
}

static void sparse_file_has_its_size(void **state)
{
	int dir_fd = unpack_good("good/sparse.tar.gz");

	(void)state;
	assert_int_equal(stat_at(dir_fd, "sparse").st_size, 3 << 20);
	(void)close(dir_fd);
}

/* What tar(1) restores is what lands, byte for byte: names, targets, sizes. */
static void names_are_those_of_gnu_tar(void **state)
{
	static const char *const names[] = {"decomposed", "latin1", "hdrcharset",
					    "ustar",	  "gnu",    "order",
					    "sparse"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *staging = staging_make(scratch), *other = staging_make(scratch);
		char archive[64], command[4096];
		struct outcome outcome;
		int fd;

		(void)snprintf(archive, sizeof(archive), "good/names-%s.tar.gz",
			       names[i]);
		fd = open_archive(archive);
		outcome = helper_finish(unpack_start(UNPACK, staging, fd));
		(void)printf("%s: %s\n", archive, outcome_message(&outcome));
		assert_string_equal(outcome_result(&outcome), "ok");
		outcome_deinit(&outcome);
		(void)close(fd);
		(void)snprintf(command, sizeof(command),
			       "export LC_ALL=C; tar -C %s --warning=none -xzf %s/%s "
			       "&& for d in %s %s; do (cd $d && find . -mindepth 1 "
			       "-not -type d -printf '%%P %%y %%s %%l\\n' | sort > "
			       "../list.$((n += 1))); n=$((n + 1)); done; "
			       "cat %s/list.1; cmp %s/list.1 %s/list.2",
			       other, scratch, archive, staging, other, scratch,
			       scratch, scratch);
		assert_int_equal(system(command), 0);
		free(staging);
		free(other);
	}
}

/* A pipe filled byte by byte: no magic number comes in one piece. */
static void archive_may_come_in_single_bytes(void **state)
{
	static const char *const names[] = {"good/gzip.tar.gz", "good/xz.tar.xz",
					    "good/bzip2.tar.bz2"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *staging = staging_make(scratch);
		int fd = open_archive(names[i]), ends[2];
		struct outcome outcome;
		struct helper helper;
		char byte;

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		helper = unpack_start(UNPACK, staging, ends[0]);
		(void)close(ends[0]);
		while (read(fd, &byte, 1) == 1)
			assert_int_equal(write(ends[1], &byte, 1), 1);
		(void)close(ends[1]);
		outcome = helper_finish(helper);
		assert_string_equal(outcome_result(&outcome), "ok");
		outcome_deinit(&outcome);
		(void)close(fd);
		free(staging);
	}
}

static struct outcome run_with(const char *staging, int fd, const char *uid,
			       const char *replace, const char *with)
{
	char staging_arg[4096], uid_arg[64];
	const char *argv[] = {"deployd-unpack",
			      staging_arg,
			      uid_arg,
			      "--gid=61235",
			      "--max-bytes=10000000000",
			      "--max-entries=100",
			      "--max-file-bytes=1000000",
			      "--max-ratio=1000000",
			      "--max-depth=64",
			      "--cpu-sec=60",
			      "--strip-components=0",
			      NULL};

	(void)snprintf(staging_arg, sizeof(staging_arg), "--staging=%s", staging);
	(void)snprintf(uid_arg, sizeof(uid_arg), "--uid=%s", uid);
	for (size_t i = 1; argv[i] && replace; i++) {
		if (strncmp(argv[i], replace, strlen(replace)) == 0)
			argv[i] = with;
	}
	return helper_finish(helper_start(UNPACK, argv, fd, -1));
}

static void expect(struct outcome outcome, const char *result, const char *words)
{
	(void)printf("%s: %s\n", outcome_result(&outcome), outcome_message(&outcome));
	assert_true(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 0);
	assert_string_equal(outcome_result(&outcome), result);
	assert_non_null(strstr(outcome_message(&outcome), words));
	outcome_deinit(&outcome);
}

/*
 * An archive of the entries in words: a name is a file that holds it, NAME/ a
 * directory, NAME->TARGET a symbolic link, NAME=TARGET a hard link.
 */
static int pack(const char *entries)
{
	static const char program[] =
		"import sys, io, tarfile\n"
		"with tarfile.open(sys.argv[1], 'w') as tar:\n"
		"    for word in sys.argv[2].split():\n"
		"        name, arrow, target = word.partition('->')\n"
		"        kind = tarfile.SYMTYPE\n"
		"        if not arrow:\n"
		"            name, arrow, target = word.partition('=')\n"
		"            kind = tarfile.LNKTYPE\n"
		"        info = tarfile.TarInfo(name)\n"
		"        info.mode, info.linkname = 0o755, target\n"
		"        info.type = kind if arrow else tarfile.DIRTYPE \\\n"
		"            if name.endswith('/') else tarfile.REGTYPE\n"
		"        info.size = len(name) if info.isreg() else 0\n"
		"        tar.addfile(info, io.BytesIO(name.encode()))\n";
	char path[4096];
	int fd, status;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/packed.tar", scratch);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execlp("python3", "python3", "-c", program, path, entries, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* With strip_components = N, "--strip-components=N". */
static struct outcome strip(const char *entries, const char *option, int *ret_dir_fd)
{
	char *staging = staging_make(scratch);
	int fd = pack(entries);
	struct outcome outcome =
		run_with(staging, fd, "61234", "--strip-components", option);

	(void)close(fd);
	*ret_dir_fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(*ret_dir_fd >= 0);
	free(staging);
	return outcome;
}

static void names_lose_their_first_parts(void **state)
{
	char target[64] = "";
	struct outcome outcome;
	int dir_fd;

	(void)state;
	outcome = strip("./top/ README top/bin/app top/hard=top/bin/app "
			"./top/lib/link->../bin/app top//.//deep/x",
			"--strip-components=1", &dir_fd);
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_non_null(
		strstr(json_string_value(json_object_get(outcome.result, "warning")),
		       "strip_components left out what is not deep enough (1, "
		       "first 'README')"));
	assert_int_equal(json_integer_value(json_object_get(outcome.result, "files")),
			 3);
	outcome_deinit(&outcome);
	assert_true(S_ISREG(stat_at(dir_fd, "bin/app").st_mode));
	assert_true(S_ISREG(stat_at(dir_fd, "deep/x").st_mode));
	assert_int_equal(stat_at(dir_fd, "hard").st_ino,
			 stat_at(dir_fd, "bin/app").st_ino);
	assert_int_equal(readlinkat(dir_fd, "lib/link", target, sizeof(target)), 10);
	assert_string_equal(target, "../bin/app");
	assert_int_equal(faccessat(dir_fd, "top", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(dir_fd, "README", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	(void)close(dir_fd);

	outcome = strip("a/b/c/file", "--strip-components=3", &dir_fd);
	assert_string_equal(outcome_result(&outcome), "ok");
	outcome_deinit(&outcome);
	assert_true(S_ISREG(stat_at(dir_fd, "file").st_mode));
	(void)close(dir_fd);
}

/* What is left is no safer than a name that was so from the start. */
static void what_is_left_of_a_name_is_checked_anew(void **state)
{
	static const struct {
		const char *entries, *words;
	} cases[] = {
		{"top/../../evil", "leads out of the release"},
		{"top/x/../../y", "leads out of the release"},
		{"/top/evil", "is absolute"},
		{"top/.deployd-x", "is reserved for deployd"},
		{"top/app top/l->../evil", "leads out of the release"},
		{"top/app other/x top/l->../other/x", "leads out of the release"},
		{"top/app top/l->/etc/passwd", "is absolute"},
		{"top top/hard=top",
		 "is a hard link to what strip_components leaves out"},
		{"top/app top/hard=../etc/passwd", "leads out of the release"},
		{"top/app other/hard=top/none", "which is no earlier file"},
		{"a/x b/x/y", "lies below something that is no directory"},
		{"app", "no regular file that is deeper than strip_components (1)"},
		{"top/ top/lib/", "holds no regular file"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int dir_fd;

		expect(strip(cases[i].entries, "--strip-components=1", &dir_fd),
		       "rejected", cases[i].words);
		(void)close(dir_fd);
	}
}

static void max_depth_counts_what_is_left(void **state)
{
	char entries[400] = "";
	int dir_fd;

	(void)state;
	/* 64 directories and a file are one too many, the top one is not counted. */
	for (int i = 0; i < 64; i++)
		(void)strcat(entries, "d/");
	(void)strcat(entries, "f");
	expect(strip(entries, "--strip-components=1", &dir_fd), "ok", "unpacked");
	(void)close(dir_fd);
	expect(strip(entries, "--strip-components=0", &dir_fd), "rejected",
	       "is nested too deep");
	(void)close(dir_fd);
	expect(strip("a/b", "--strip-components=9", &dir_fd), "failed", "bad value");
	(void)close(dir_fd);
}

static void cpu_time_is_limited(void **state)
{
	char *staging = staging_make(scratch);
	int fd = open_archive("hostile/bomb-after-end.tar.gz");

	(void)state;
	expect(run_with(staging, fd, "61234", "--cpu-sec", "--cpu-sec=1"), "rejected",
	       "more than 1 s of CPU time");
	(void)close(fd);
	free(staging);
}

static void sizes_are_limited_exactly(void **state)
{
	static const struct {
		const char *option, *with, *result, *words;
	} cases[] = {
		/* good/gzip holds bin, bin/hello (21), lib, lib/data (153600) */
		{"--max-bytes", "--max-bytes=153621", "ok", "2 files"},
		{"--max-bytes", "--max-bytes=153620", "rejected", "max_release_bytes"},
		{"--max-file-bytes", "--max-file-bytes=153600", "ok", "2 files"},
		{"--max-file-bytes", "--max-file-bytes=153599", "rejected",
		 "'lib/data' is larger than max_file_bytes"},
		{"--max-entries", "--max-entries=4", "ok", "2 files"},
		{"--max-entries", "--max-entries=3", "rejected", "max_entries"},
		{"--max-depth", "--max-depth=2", "ok", "2 files"},
		{"--max-depth", "--max-depth=1", "rejected", "nested too deep"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *staging = staging_make(scratch);
		int fd = open_archive("good/gzip.tar.gz");

		expect(run_with(staging, fd, "61234", cases[i].option, cases[i].with),
		       cases[i].result, cases[i].words);
		(void)close(fd);
		free(staging);
	}
}

static void full_disk_is_no_space(void **state)
{
	char *mount_point, *staging;
	int fd = open_archive("good/gzip.tar.gz");

	(void)state;
	mount_point = staging_make(scratch);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", mount_point, "tmpfs", 0, "size=64k") < 0)
		skip();
	staging = staging_make(mount_point);
	expect(run_with(staging, fd, "61234", NULL, NULL), "no-space",
	       "cannot write 'lib/data'");
	assert_int_equal(umount2(mount_point, MNT_DETACH), 0);
	(void)close(fd);
	free(staging);
	free(mount_point);
}

static void it_does_not_run_without_sandbox(void **state)
{
	char *staging = staging_make(scratch);
	int fd = open_archive("good/gzip.tar.gz");
	struct outcome outcome = {0};
	pid_t pid;
	int status;

	(void)state;
	expect(run_with(staging, fd, "0", NULL, NULL), "failed", "--uid=0");
	expect(run_with(staging, fd, "61239", NULL, NULL), "failed",
	       "belongs to uid 61234, not 61239");
	expect(run_with("/nonexistent", fd, "61234", NULL, NULL), "failed",
	       "staging directory");
	expect(run_with(staging, fd, "61234", "--max-bytes", "--max-bites=1"), "failed",
	       "unknown argument");
	expect(run_with(staging, fd, "61234", "--max-bytes", "--max-bytes=1x"),
	       "failed", "bad value");
	expect(run_with(staging, fd, "61234", "--max-bytes", "--max-bytes="), "failed",
	       "bad value");
	expect(run_with(staging, fd, "61234", "--max-bytes", "--max-bytes=0"), "failed",
	       "bad value");
	expect(run_with(staging, fd, "61234", "--max-bytes", "--max-ratio=2"), "failed",
	       "given twice");

	/* As an ordinary user: it refuses, it does not go on unprotected. */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chmod(scratch, 0711) < 0 || chown(staging, 61234, 61235) < 0 ||
		    setgid(61235) < 0 || setuid(61234) < 0)
			_exit(1);
		outcome = run_with(staging, fd, "61234", NULL, NULL);
		_exit(strcmp(outcome_result(&outcome), "failed") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(fd);
	free(staging);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_are_tamed),
		cmocka_unit_test(bits_of_directories_are_dropped),
		cmocka_unit_test(last_of_two_files_counts),
		cmocka_unit_test(owners_and_xattrs_are_ignored),
		cmocka_unit_test(what_is_left_out_is_told),
		cmocka_unit_test(mtimes_are_clamped),
		cmocka_unit_test(links_are_made),
		cmocka_unit_test(sparse_file_has_its_size),
		cmocka_unit_test(names_are_those_of_gnu_tar),
		cmocka_unit_test(archive_may_come_in_single_bytes),
		cmocka_unit_test(names_lose_their_first_parts),
		cmocka_unit_test(what_is_left_of_a_name_is_checked_anew),
		cmocka_unit_test(max_depth_counts_what_is_left),
		cmocka_unit_test(cpu_time_is_limited),
		cmocka_unit_test(sizes_are_limited_exactly),
		cmocka_unit_test(it_does_not_run_without_sandbox),
		cmocka_unit_test(full_disk_is_no_space),
	};

	require_root();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
