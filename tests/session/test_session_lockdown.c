/* What deployd-session cannot do, seen from outside while it waits for its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/lockdown.h"
#include "util/sandbox.h"
#include "world.h"

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world_begin(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)world_end(&world);
	return 0;
}

/* A line "NAME: NUMBER" of its /proc/PID/status. */
static long status_of(const char *name)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)world.pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtol(line + strlen(name) + 1, NULL, 10);
	(void)fclose(file);
	return value;
}

static void filter_is_in_force(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	assert_int_equal(status_of("Seccomp"), 2);
	assert_int_equal(status_of("NoNewPrivs"), 1);
}

static void limits_are_in_force(void **state)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, 0},	{RLIMIT_NPROC, 0},
		{RLIMIT_FSIZE, 0},	{RLIMIT_NOFILE, LOCKDOWN_FDS_MAX},
		{RLIMIT_AS, 64u << 20},
	};
	struct rlimit limit;

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		if (SANDBOX_SANITIZED && limits[i].resource == RLIMIT_AS)
			continue;
		if (prlimit(world.pid, limits[i].resource, NULL, &limit) < 0)
			skip(); /* not dumpable: root only */
		assert_int_equal(limit.rlim_cur, limits[i].most);
		assert_int_equal(limit.rlim_max, limits[i].most);
	}
}

/* Its /proc is root's, whoever it runs as. */
static void it_is_not_dumpable(void **state)
{
	char path[64];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)world.pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	if (geteuid() == 0)
		return;
	assert_int_equal(ptrace(PTRACE_SEIZE, world.pid, NULL, NULL), -1);
	assert_int_equal(errno, EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_is_in_force),
		cmocka_unit_test(limits_are_in_force),
		cmocka_unit_test(it_is_not_dumpable),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
