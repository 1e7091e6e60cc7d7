#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIE(what) die(__FILE__, __LINE__, what)

static void die(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
	exit(1);
}

/* Out of the way of 0, 1 and 3, whatever the caller's numbers are. */
static int lift(int fd)
{
	int lifted = fcntl(fd, F_DUPFD_CLOEXEC, 10);

	if (lifted < 0)
		DIE("dup");
	return lifted;
}

static void become_helper(const char *program, const char *const argv[], int in,
			  int out, int report)
{
	char *empty[] = {NULL};

	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(report, 3) < 0)
		_exit(120);
	(void)execve(program, (char *const *)(uintptr_t)argv, empty);
	_exit(121);
}

struct helper helper_start(const char *program, const char *const argv[], int stdin_fd,
			   int stdout_fd)
{
	struct helper helper;
	int null_fd, in, out, report, ends[2];

	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		DIE("pipe");
	in = lift(stdin_fd >= 0 ? stdin_fd : null_fd);
	out = lift(stdout_fd >= 0 ? stdout_fd : null_fd);
	report = lift(ends[1]);
	helper.report_fd = ends[0];
	helper.pid = fork();
	if (helper.pid < 0)
		DIE("fork");
	if (helper.pid == 0)
		become_helper(program, argv, in, out, report);
	(void)close(in);
	(void)close(out);
	(void)close(report);
	(void)close(ends[1]);
	(void)close(null_fd);
	return helper;
}

static void take_line(struct outcome *outcome, const char *line)
{
	json_error_t error;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	const char *type = json_string_value(json_object_get(object, "type"));

	if (!type || strlen(line) >= 4096 || outcome->result) {
		(void)fprintf(stderr, "bad report line: %s\n", line);
		exit(1);
	}
	if (strcmp(type, "result") == 0) {
		outcome->result = object;
		return;
	}
	outcome->n_progress++;
	json_decref(object);
}

struct outcome helper_finish(struct helper helper)
{
	struct outcome outcome = {0};
	FILE *report = fdopen(helper.report_fd, "r");
	char *line = NULL;
	size_t size = 0;

	if (!report)
		DIE("fdopen");
	while (getline(&line, &size, report) > 0)
		take_line(&outcome, line);
	free(line);
	(void)fclose(report);
	if (waitpid(helper.pid, &outcome.status, 0) != helper.pid)
		DIE("waitpid");
	return outcome;
}

void outcome_deinit(struct outcome *outcome)
{
	json_decref(outcome->result);
	outcome->result = NULL;
}

static const char *member(const struct outcome *outcome, const char *key)
{
	const char *value = json_string_value(json_object_get(outcome->result, key));

	return value ? value : "(none)";
}

const char *outcome_result(const struct outcome *outcome)
{
	return member(outcome, "result");
}

const char *outcome_message(const struct outcome *outcome)
{
	return member(outcome, "message");
}

char *scratch_make(void)
{
	char *dir = strdup("/tmp/deployd-test-XXXXXX");

	if (!dir || !mkdtemp(dir))
		DIE("mkdtemp");
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_remove(char *dir)
{
	(void)nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

char *staging_make(const char *scratch)
{
	static unsigned int n;
	char *path;

	if (asprintf(&path, "%s/staging-%u", scratch, n++) < 0 ||
	    mkdir(path, 0750) < 0 || chmod(path, 0750) < 0 ||
	    chown(path, HELPER_UID, 0) < 0)
		DIE("staging");
	return path;
}

struct helper unpack_start(const char *program, const char *staging, int fd)
{
	char staging_arg[4096], uid_arg[32], gid_arg[32];
	const char *argv[] = {"deployd-unpack",
			      staging_arg,
			      uid_arg,
			      gid_arg,
			      "--max-bytes=4294967296",
			      "--max-entries=2000",
			      "--max-file-bytes=1073741824",
			      "--max-ratio=100",
			      "--max-depth=64",
			      "--cpu-sec=60",
			      "--link-targets=/usr /opt/hello",
			      NULL};

	(void)snprintf(staging_arg, sizeof(staging_arg), "--staging=%s", staging);
	(void)snprintf(uid_arg, sizeof(uid_arg), "--uid=%d", HELPER_UID);
	(void)snprintf(gid_arg, sizeof(gid_arg), "--gid=%d", HELPER_GID);
	return helper_start(program, argv, fd, -1);
}

void require_root(void)
{
	if (geteuid() == 0)
		return;
	(void)printf("needs root: helpers drop privileges\n");
	exit(77);
}
