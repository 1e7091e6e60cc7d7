/* The walk through a cgroup, on directories of ours that look like one. */
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
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/cgroup.h"
#include "proc/scan.h"

static char root[64];
static struct pid_list list;
static struct errinfo ei;

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(root, "/tmp/deployd-test-XXXXXX");
	memset(&ei, 0, sizeof(ei));
	return mkdtemp(root) ? 0 : -1;
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
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_cgroup(const char *name, const char *procs)
{
	char path[4096];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s%s", root, name);
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	(void)snprintf(path, sizeof(path), "%s%s/cgroup.procs", root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(procs, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int read_pids(const char *cgroup)
{
	const int fd = cgroup_open(root, cgroup, &ei);
	int r;

	assert_true(fd >= 0);
	r = cgroup_pids(fd, &list, &ei);
	(void)close(fd);
	return r;
}

static void each_pid_once_in_order(void **state)
{
	static const pid_t wanted[] = {1, 7, 12, 300, 2147483647};

	(void)state;
	make_cgroup("/a", "300\n7\n");
	make_cgroup("/a/b", "12\n7\n");
	make_cgroup("/a/b/c", "2147483647\n");
	make_cgroup("/a/d", "1\n");
	make_cgroup("/other", "99\n");
	assert_int_equal(read_pids("/a"), 0);
	assert_int_equal(list.n_pids, 5);
	assert_memory_equal(list.pids, wanted, sizeof(wanted));
	assert_false(list.truncated);
	assert_true(pid_list_has(&list, 12));
	assert_false(pid_list_has(&list, 99));
	assert_int_equal(read_pids("/a/b"), 0);
	assert_int_equal(list.n_pids, 3);
}

static void only_pids_are_read(void **state)
{
	static const char *const wrong[] = {
		"x\n",
		"12 \n",
		" 12\n",
		"-1\n",
		"+1\n",
		"0x1\n",
		"\n",
		"12",
		"1 2\n",
		"2147483648\n",
		"99999999999\n",
		"12\r\n",
		"1\n2\n123456789012345678901234567890123456789\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		make_cgroup("/a", wrong[i]);
		if (read_pids("/a") != -EINVAL)
			fail_msg("accepted: %s", wrong[i]);
	}
}

static void processes_are_bounded(void **state)
{
	char *procs = calloc(CGROUP_PROCESSES_MAX + 1, 8);
	char *at = procs;

	(void)state;
	assert_non_null(procs);
	for (int i = 1; i <= CGROUP_PROCESSES_MAX; i++)
		at += sprintf(at, "%d\n", i);
	make_cgroup("/a", procs);
	assert_int_equal(read_pids("/a"), 0);
	assert_int_equal(list.n_pids, CGROUP_PROCESSES_MAX);
	assert_false(list.truncated);
	make_cgroup("/a/b", "99999\n");
	assert_int_equal(read_pids("/a"), 0);
	assert_int_equal(list.n_pids, CGROUP_PROCESSES_MAX);
	assert_true(list.truncated);
	free(procs);
}

static void levels_are_bounded(void **state)
{
	char name[2 * CGROUP_LEVELS_MAX + 16] = "/a";
	char pid[16];

	(void)state;
	make_cgroup(name, "1\n");
	for (int i = 0; i <= CGROUP_LEVELS_MAX; i++) {
		assert_int_equal(read_pids("/a"), 0);
		assert_int_equal(list.n_pids, i + 1);
		assert_false(list.truncated);
		(void)strcpy(name + strlen(name), "/b");
		(void)snprintf(pid, sizeof(pid), "%d\n", i + 2);
		make_cgroup(name, pid);
	}
	assert_int_equal(read_pids("/a"), 0);
	assert_int_equal(list.n_pids, CGROUP_LEVELS_MAX + 1);
	assert_true(list.truncated);
}

static void cgroups_are_bounded(void **state)
{
	char name[32];

	(void)state;
	make_cgroup("/a", "1\n");
	for (int i = 0; i < CGROUPS_MAX - 1; i++) {
		(void)snprintf(name, sizeof(name), "/a/%d", i);
		make_cgroup(name, "1\n");
	}
	assert_int_equal(read_pids("/a"), 0);
	assert_false(list.truncated);
	make_cgroup("/a/last", "1\n");
	assert_int_equal(read_pids("/a"), 0);
	assert_true(list.truncated);
}

static void no_way_through_links(void **state)
{
	char path[128];
	int fd;

	(void)state;
	make_cgroup("/a", "1\n");
	make_cgroup("/a/b", "2\n");
	(void)snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink("a", path), 0);
	assert_true(cgroup_open(root, "/link", &ei) < 0);
	assert_true(cgroup_open(root, "/link/b", &ei) < 0);
	assert_true(cgroup_open(root, "/a/cgroup.procs", &ei) < 0);
	(void)snprintf(path, sizeof(path), "%s/a/loop", root);
	assert_int_equal(symlink("..", path), 0);
	assert_int_equal(read_pids("/a"), 0);
	assert_int_equal(list.n_pids, 2);

	(void)snprintf(path, sizeof(path), "%s/a/cgroup.procs", root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("b/cgroup.procs", path), 0);
	fd = cgroup_open(root, "/a", &ei);
	assert_true(fd >= 0);
	assert_int_equal(cgroup_pids(fd, &list, &ei), -ELOOP);
	(void)close(fd);
}

static void no_such_cgroup(void **state)
{
	(void)state;
	assert_true(cgroup_open(root, "/system.slice/x.service", &ei) < 0);
	assert_non_null(strstr(ei.what, "/system.slice/x.service"));
	assert_non_null(strstr(ei.what, "has no process"));
}

static void scan(struct finding *finding)
{
	const int cgroup_fd = cgroup_open(root, "/a", &ei);
	const int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct releases releases;

	assert_true(cgroup_fd >= 0 && proc_fd >= 0);
	/* Nobody runs from there. */
	assert_int_equal(releases_open(&releases, root, &ei), 0);
	assert_int_equal(
		scan_read(cgroup_fd, proc_fd, &releases, INT64_MAX, finding, &ei), 0);
	releases_deinit(&releases);
	assert_true(finding->passed);
	(void)close(cgroup_fd);
	(void)close(proc_fd);
}

static const json_t *process_of(const struct finding *finding, pid_t pid)
{
	const json_t *process;
	size_t i;

	json_array_foreach (finding->processes, i, process)
		if (json_integer_value(json_object_get(process, "pid")) == pid)
			return process;
	return NULL;
}

/* Of the unit. */
static size_t n_processes(const struct finding *finding)
{
	const json_t *process;
	size_t n = 0, i;

	json_array_foreach (finding->processes, i, process)
		n += json_is_true(json_object_get(process, "unit"));
	return n;
}

static void assert_process(const struct finding *finding, pid_t pid, bool readable)
{
	const json_t *process = process_of(finding, pid);

	assert_non_null(process);
	assert_true(json_is_true(json_object_get(process, "unit")));
	assert_int_equal(json_is_true(json_object_get(process, "readable")), readable);
}

static void dead_processes_are_left_out(void **state)
{
	struct finding finding = {.took_ms = -1};
	pid_t dead[2];
	siginfo_t info;
	char procs[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		dead[i] = fork();
		assert_true(dead[i] >= 0);
		if (dead[i] == 0)
			_exit(0);
		assert_int_equal(waitid(P_PID, (id_t)dead[i], &info, WEXITED | WNOWAIT),
				 0);
	}
	/* One is gone, the other a zombie. */
	assert_int_equal(waitpid(dead[0], NULL, 0), dead[0]);
	(void)snprintf(procs, sizeof(procs), "%d\n%d\n%d\n0\n", (int)dead[0],
		       (int)dead[1], (int)getpid());
	make_cgroup("/a", procs);
	scan(&finding);
	assert_int_equal(waitpid(dead[1], NULL, 0), dead[1]);
	assert_int_equal(n_processes(&finding), 2);
	assert_null(process_of(&finding, dead[0]));
	assert_null(process_of(&finding, dead[1]));
	/* 0: of a namespace that we do not see into, but there. */
	assert_process(&finding, 0, false);
	assert_process(&finding, getpid(), true);
	json_decref(finding.processes);
}

static char procs_path[128], next_path[128];

static void *tell_and_change(void *argument)
{
	int fd = open(procs_path, O_WRONLY | O_CLOEXEC);

	(void)argument;
	/* Before the end of the first answer the place of the second must be made. */
	if (fd < 0 || dprintf(fd, "%d\n%d\n", (int)getppid(), (int)getpid()) < 0 ||
	    rename(next_path, procs_path) < 0)
		abort();
	(void)close(fd);
	fd = open(procs_path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		abort();
	(void)close(fd);
	return NULL;
}

/* Its pid may be another's by the time we looked at it. */
static void who_leaves_meanwhile_is_left_out(void **state)
{
	struct finding finding = {.took_ms = -1};
	pthread_t thread;

	(void)state;
	make_cgroup("/a", "");
	(void)snprintf(procs_path, sizeof(procs_path), "%s/a/cgroup.procs", root);
	(void)snprintf(next_path, sizeof(next_path), "%s/next", root);
	assert_int_equal(unlink(procs_path), 0);
	assert_int_equal(mkfifo(procs_path, 0600), 0);
	assert_int_equal(mkfifo(next_path, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, tell_and_change, NULL), 0);
	scan(&finding);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(n_processes(&finding), 1);
	assert_process(&finding, getpid(), true);
	json_decref(finding.processes);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_pid_once_in_order),
		TEST(only_pids_are_read),
		TEST(processes_are_bounded),
		TEST(levels_are_bounded),
		TEST(cgroups_are_bounded),
		TEST(no_way_through_links),
		TEST(no_such_cgroup),
		TEST(dead_processes_are_left_out),
		TEST(who_leaves_meanwhile_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
