/* deployd-proc on real cgroups and real processes of a release that is not real.
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
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#define APP_UID	     61234 /* nobody's */
#define SITTERS_MAX  8
#define CROWD	     300 /* more than qsort() sorts on the stack */
#define CGROUP_MOUNT "/sys/fs/cgroup"

struct sitter {
	pid_t pid;
	int stdin_fd;
};

static char scratch[64], cgroup[64], cgroup_arg[96], releases_arg[128];
static struct sitter sitters[SITTERS_MAX];
static size_t n_sitters;

static char *in_scratch(const char *name)
{
	static char paths[8][256];
	static unsigned int n;
	char *path = paths[n++ % 8];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static void run_command(const char *const argv[])
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void make_release(const char *id)
{
	char script[512];

	(void)snprintf(script, sizeof(script),
		       "mkdir -p %s/releases/%s/bin %s/releases/%s/lib && "
		       "cp " SITTER " %s/releases/%s/bin/hello && "
		       "printf %%4096s . > %s/releases/%s/lib/x.so",
		       scratch, id, scratch, id, scratch, id, scratch, id);
	run_command((const char *const[]){"sh", "-c", script, NULL});
}

/* The same as a release, but none. */
static void make_elsewhere(void)
{
	run_command((const char *const[]){"cp", "-r", in_scratch("releases/1"),
					  in_scratch("elsewhere"), NULL});
}

static void write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void make_cgroup(const char *below)
{
	char path[160];

	(void)snprintf(path, sizeof(path), CGROUP_MOUNT "%s%s", cgroup, below);
	assert_int_equal(mkdir(path, 0755), 0);
}

static bool enter_cgroup(const char *below)
{
	char procs[160];
	int fd;

	(void)snprintf(procs, sizeof(procs), CGROUP_MOUNT "%s%s/cgroup.procs", cgroup,
		       below);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, "0", 1) == 1;
}

static void become_sitter(const char *below, uid_t uid, const char *dir,
			  const char *mapped, int in, int out)
{
	if ((below && !enter_cgroup(below)) || chdir(dir) < 0 || dup2(in, 0) < 0 ||
	    dup2(out, 1) < 0)
		_exit(1);
	if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			 setresuid(uid, uid, uid) < 0))
		_exit(2);
	(void)execl("bin/hello", "hello", mapped, NULL);
	_exit(3);
}

/* Runs bin/hello of the release in the cgroup (NULL: out of it), with its lib/x.so or
 * mapped. */
static struct sitter *sit(const char *below, uid_t uid, const char *release,
			  const char *mapped)
{
	struct sitter *sitter = &sitters[n_sitters];
	int in[2], out[2];
	char ready[8];

	assert_true(n_sitters < SITTERS_MAX);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	sitter->pid = fork();
	assert_true(sitter->pid >= 0);
	if (sitter->pid == 0)
		become_sitter(below, uid, in_scratch(release),
			      mapped ? mapped : "lib/x.so", in[0], out[1]);
	(void)close(in[0]);
	(void)close(out[1]);
	assert_int_equal(read(out[0], ready, sizeof(ready)), 6);
	(void)close(out[0]);
	sitter->stdin_fd = in[1];
	n_sitters++;
	return sitter;
}

static void end(struct sitter *sitter)
{
	if (sitter->stdin_fd < 0)
		return;
	(void)close(sitter->stdin_fd);
	(void)waitpid(sitter->pid, NULL, 0);
	sitter->stdin_fd = -1;
}

static int set_up(void **state)
{
	static unsigned int n;

	(void)state;
	(void)strcpy(scratch, "/tmp/deployd-test-XXXXXX");
	if (!mkdtemp(scratch) || chmod(scratch, 0755) < 0)
		return -1;
	(void)snprintf(cgroup, sizeof(cgroup), "/deployd-test-%d-%u", (int)getpid(),
		       n++);
	(void)snprintf(cgroup_arg, sizeof(cgroup_arg), "--cgroup=%s", cgroup);
	(void)snprintf(releases_arg, sizeof(releases_arg), "--releases=%s/releases",
		       scratch);
	make_cgroup("");
	make_release("1");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	/* Files of a cgroup cannot be removed, and need not be. */
	if (strncmp(path, CGROUP_MOUNT, strlen(CGROUP_MOUNT)) == 0 && type != FTW_DP)
		return 0;
	return remove(path);
}

static int tear_down(void **state)
{
	char path[160];

	(void)state;
	while (n_sitters > 0)
		end(&sitters[--n_sitters]);
	(void)snprintf(path, sizeof(path), CGROUP_MOUNT "%s", cgroup);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) |
	       nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static json_t *process_of(const struct run *run, pid_t pid)
{
	json_t *processes = json_object_get(run->line, "processes");
	json_t *process;
	size_t i;

	json_array_foreach (processes, i, process) {
		if (json_integer_value(json_object_get(process, "pid")) == pid)
			return process;
	}
	fail_msg("process %d is not listed", (int)pid);
	return NULL;
}

/* Of the unit. */
static size_t n_processes(const struct run *run)
{
	const json_t *process;
	size_t n = 0, i;

	json_array_foreach (json_object_get(run->line, "processes"), i, process)
		n += json_is_true(json_object_get(process, "unit"));
	return n;
}

static const char *text_of(const json_t *process, const char *key)
{
	return json_string_value(json_object_get(process, key));
}

static bool is(const json_t *process, const char *key)
{
	const json_t *value = json_object_get(process, key);

	assert_true(json_is_boolean(value));
	return json_is_true(value);
}

static void assert_mapped(const json_t *process, const char *path)
{
	const json_t *mapped = json_object_get(process, "mapped");
	const json_t *one;
	size_t i;

	json_array_foreach (mapped, i, one) {
		if (strcmp(json_string_value(one), path) == 0)
			return;
	}
	fail_msg("not mapped: %s", path);
}

static void assert_from(const struct run *run, const struct sitter *sitter,
			const char *release)
{
	const json_t *process = process_of(run, sitter->pid);
	char name[64];

	assert_string_equal(text_of(process, "comm"), "hello");
	assert_string_equal(text_of(process, "cwd"), in_scratch(release));
	(void)snprintf(name, sizeof(name), "%s/bin/hello", release);
	assert_string_equal(text_of(process, "exe"), in_scratch(name));
	/* The program itself is mapped, and not the libraries of the system. */
	assert_mapped(process, in_scratch(name));
	(void)snprintf(name, sizeof(name), "%s/lib/x.so", release);
	assert_mapped(process, in_scratch(name));
	assert_int_equal(json_array_size(json_object_get(process, "mapped")), 2);
	assert_true(is(process, "readable"));
}

static void tells_each_process(void **state)
{
	const struct sitter *one, *two;
	struct run run;

	(void)state;
	make_release("2");
	make_cgroup("/sub");
	make_cgroup("/sub/sub");
	one = sit("", 0, "releases/1", NULL);
	two = sit("/sub/sub", 0, "releases/2", NULL);
	run = PROBE(cgroup_arg, releases_arg);
	assert_int_equal(n_processes(&run), 2);
	assert_from(&run, one, "releases/1");
	assert_from(&run, two, "releases/2");
	assert_false(is(process_of(&run, one->pid), "deleted"));
	assert_true(json_is_false(json_object_get(run.line, "truncated")));
	assert_null(json_object_get(run.line, "status"));
	run_end_saying(&run, 0, "examined ");

	run_filtered(true);
	run = PROBE(cgroup_arg, releases_arg);
	run_filtered(false);
	assert_int_equal(n_processes(&run), 2);
	run_end(&run, 0);
}

static void foreign_file_is_told(void **state)
{
	struct run run;

	(void)state;
	make_release("2");
	(void)sit("", 0, "releases/2", in_scratch("releases/1/lib/x.so"));
	run = PROBE(cgroup_arg, releases_arg);
	assert_mapped(process_of(&run, sitters[0].pid),
		      in_scratch("releases/1/lib/x.so"));
	run_end(&run, 0);
}

static void deleted_release_is_told(void **state)
{
	const struct sitter *sitter;
	struct run run;

	(void)state;
	sitter = sit("", 0, "releases/1", NULL);
	assert_int_equal(unlink(in_scratch("releases/1/bin/hello")), 0);
	run = PROBE(cgroup_arg, releases_arg);
	assert_from(&run, sitter, "releases/1");
	assert_true(is(process_of(&run, sitter->pid), "deleted"));
	run_end(&run, 0);

	run_command((const char *const[]){"rm", "-r", in_scratch("releases/1"), NULL});
	run = PROBE(cgroup_arg, releases_arg);
	assert_from(&run, sitter, "releases/1");
	assert_true(is(process_of(&run, sitter->pid), "deleted"));
	run_end(&run, 0);
}

static void releases_may_be_behind_a_link(void **state)
{
	const struct sitter *sitter;
	char argument[160];
	const json_t *process;
	struct run run;

	(void)state;
	assert_int_equal(symlink("releases", in_scratch("link")), 0);
	sitter = sit("", 0, "releases/1", NULL);
	(void)snprintf(argument, sizeof(argument), "--releases=%s/link/", scratch);
	run = PROBE(cgroup_arg, argument);
	process = process_of(&run, sitter->pid);
	assert_string_equal(text_of(process, "cwd"), in_scratch("link/1"));
	assert_string_equal(text_of(process, "exe"), in_scratch("link/1/bin/hello"));
	assert_mapped(process, in_scratch("link/1/lib/x.so"));
	run_end(&run, 0);
}

static void assert_unreadable(const struct run *run, pid_t pid)
{
	const json_t *process = process_of(run, pid);

	assert_false(is(process, "readable"));
	assert_string_equal(text_of(process, "cwd"), "");
	assert_string_equal(text_of(process, "exe"), "");
	assert_int_equal(json_array_size(json_object_get(process, "mapped")), 0);
}

static void other_users_cannot_be_read(void **state)
{
	const struct sitter *own, *foreign;
	struct run run;

	(void)state;
	own = sit("", APP_UID, "releases/1", NULL);
	foreign = sit("", APP_UID + 1, "releases/1", NULL);
	run = PROBE_AS(APP_UID, cgroup_arg, releases_arg);
	assert_int_equal(n_processes(&run), 2);
	assert_from(&run, own, "releases/1");
	assert_unreadable(&run, foreign->pid);
	assert_string_equal(text_of(process_of(&run, foreign->pid), "comm"), "hello");
	run_end(&run, 0);
}

static void dead_processes_are_left_out(void **state)
{
	const struct sitter *live;
	struct sitter *zombie;
	struct run run;
	siginfo_t info;

	(void)state;
	live = sit("", 0, "releases/1", NULL);
	zombie = sit("", 0, "releases/1", NULL);
	assert_int_equal(kill(zombie->pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)zombie->pid, &info, WEXITED | WNOWAIT), 0);
	run = PROBE(cgroup_arg, releases_arg);
	assert_int_equal(n_processes(&run), 1);
	assert_from(&run, live, "releases/1");
	run_end(&run, 0);
}

static void a_threaded_cgroup_is_read_from_above(void **state)
{
	const struct sitter *sitter;
	char path[160], pid[16];
	struct run run;

	(void)state;
	make_cgroup("/threads");
	(void)snprintf(path, sizeof(path), CGROUP_MOUNT "%s/threads/cgroup.type",
		       cgroup);
	write_file(path, "threaded");
	sitter = sit("", 0, "releases/1", NULL);
	(void)snprintf(pid, sizeof(pid), "%d", (int)sitter->pid);
	(void)snprintf(path, sizeof(path), CGROUP_MOUNT "%s/threads/cgroup.threads",
		       cgroup);
	write_file(path, pid);
	run = PROBE(cgroup_arg, releases_arg);
	assert_int_equal(n_processes(&run), 1);
	assert_from(&run, sitter, "releases/1");
	run_end(&run, 0);
}

static void a_crowd(void **state)
{
	static pid_t pids[CROWD];
	char procs[160];
	int ends[2], status, fd;
	struct run run;
	char c;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)snprintf(procs, sizeof(procs), CGROUP_MOUNT "%s/cgroup.procs", cgroup);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < CROWD; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			(void)close(ends[1]);
			_exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
		}
		assert_true(dprintf(fd, "%d", (int)pids[i]) > 0);
	}
	run = PROBE(cgroup_arg, releases_arg);
	(void)close(ends[1]);
	for (size_t i = 0; i < CROWD; i++) {
		assert_true(is(process_of(&run, pids[i]), "readable"));
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
	}
	assert_int_equal(n_processes(&run), CROWD);
	run_end(&run, 0);
	(void)close(ends[0]);
	(void)close(fd);
}

static bool is_told(const struct run *run, pid_t pid)
{
	const json_t *process;
	size_t i;

	json_array_foreach (json_object_get(run->line, "processes"), i, process)
		if (json_integer_value(json_object_get(process, "pid")) == pid)
			return true;
	return false;
}

/* Files of the machine are nobody's release. */
static void others_are_told_when_they_use_a_release(void **state)
{
	const struct sitter *in_release, *maps_one, *neither;
	const json_t *process;
	struct run run;

	(void)state;
	make_release("2");
	make_elsewhere();
	in_release = sit(NULL, APP_UID, "releases/1", NULL);
	maps_one = sit(NULL, APP_UID, "elsewhere", in_scratch("releases/2/lib/x.so"));
	neither = sit(NULL, APP_UID, "elsewhere", NULL);
	run = PROBE(cgroup_arg, releases_arg);
	assert_int_equal(n_processes(&run), 0);
	assert_from(&run, in_release, "releases/1");
	process = process_of(&run, maps_one->pid);
	assert_false(is(process, "unit"));
	assert_mapped(process, in_scratch("releases/2/lib/x.so"));
	assert_int_equal(json_array_size(json_object_get(process, "mapped")), 1);
	assert_false(is_told(&run, neither->pid));
	assert_false(is_told(&run, getpid()));
	run_end(&run, 0);

	run = PROBE(releases_arg);
	assert_from(&run, in_release, "releases/1");
	run_end(&run, 0);
}

/* Runs f in a mount namespace of its own, whose mounts are seen by what it starts. */
static void in_namespace(void (*f)(void))
{
	const int old = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	assert_true(old >= 0);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	f();
	assert_int_equal(setns(old, CLONE_NEWNS), 0);
	(void)close(old);
}

static void sit_in_moved(void)
{
	assert_int_equal(mkdir(in_scratch("moved"), 0755), 0);
	assert_int_equal(mount(in_scratch("releases/1"), in_scratch("moved"), NULL,
			       MS_BIND, NULL),
			 0);
	(void)sit(NULL, 0, "moved", NULL);
	(void)sit("", 0, "moved", NULL);
}

static void release_elsewhere_is_recognised(void **state)
{
	struct run run;

	(void)state;
	in_namespace(sit_in_moved);
	run = PROBE(cgroup_arg, releases_arg);
	for (int i = 0; i < 2; i++) {
		const json_t *process = process_of(&run, sitters[i].pid);

		assert_string_equal(text_of(process, "cwd"), in_scratch("releases/1"));
		assert_string_equal(text_of(process, "exe"), in_scratch("releases/1"));
		assert_mapped(process, in_scratch("releases/1"));
	}
	run_end(&run, 0);
}

/* A user namespace lets anybody do so. */
static void sit_in_false_name(void)
{
	assert_int_equal(mount(in_scratch("elsewhere"), in_scratch("releases/1"), NULL,
			       MS_BIND, NULL),
			 0);
	(void)sit(NULL, 0, "releases/1", NULL);
	(void)sit("", 0, "releases/1", NULL);
}

static void name_of_another_namespace_is_no_verification(void **state)
{
	const json_t *process;
	struct run run;

	(void)state;
	make_elsewhere();
	in_namespace(sit_in_false_name);
	run = PROBE(cgroup_arg, releases_arg);
	assert_false(is_told(&run, sitters[0].pid));
	process = process_of(&run, sitters[1].pid);
	assert_string_equal(text_of(process, "cwd"), "");
	assert_string_equal(text_of(process, "exe"), "");
	assert_int_equal(json_array_size(json_object_get(process, "mapped")), 0);
	run_end(&run, 0);
}

static void no_process_and_no_cgroup(void **state)
{
	struct run run;

	(void)state;
	run = PROBE(cgroup_arg, releases_arg);
	assert_true(json_is_array(json_object_get(run.line, "processes")));
	assert_int_equal(n_processes(&run), 0);
	run_end(&run, 0);
	run = PROBE("--cgroup=/no.slice/no.service", releases_arg);
	assert_null(json_object_get(run.line, "processes"));
	run_end_saying(&run, 1, "there is no cgroup '/no.slice/no.service'");
}

/* deployd-proc looks below /sys/fs/cgroup, which here and there is still of v1. */
static void enter_mounts(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("cgroup2", CGROUP_MOUNT, "cgroup2", 0, NULL) == 0)
		return;
	(void)printf("needs root, namespaces and cgroup2: %s\n", strerror(errno));
	exit(77);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tells_each_process),
		TEST(foreign_file_is_told),
		TEST(deleted_release_is_told),
		TEST(releases_may_be_behind_a_link),
		TEST(other_users_cannot_be_read),
		TEST(others_are_told_when_they_use_a_release),
		TEST(release_elsewhere_is_recognised),
		TEST(name_of_another_namespace_is_no_verification),
		TEST(dead_processes_are_left_out),
		TEST(a_threaded_cgroup_is_read_from_above),
		TEST(a_crowd),
		TEST(no_process_and_no_cgroup),
	};

	enter_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
