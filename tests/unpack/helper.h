#pragma once

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* Runs the helper programs as deployd does: explicit fds, empty environment. */

#define HELPER_UID 61234 /* nobody's */
#define HELPER_GID 61235

struct helper {
	pid_t pid;
	int report_fd;
};

/* What a helper left behind. */
struct outcome {
	int status;	/* of waitpid() */
	json_t *result; /* its result line, NULL when there was none */
	size_t n_progress;
};

/* Starts program with fd 0 and fd 1 as given (-1: /dev/null); they stay the caller's.
 */
struct helper helper_start(const char *program, const char *const argv[], int stdin_fd,
			   int stdout_fd);

/* Reads the report to its end and waits. Fails the test on a malformed line. */
struct outcome helper_finish(struct helper helper);

void outcome_deinit(struct outcome *outcome);

/* The result's name and its message; "(none)" without a result. */
const char *outcome_result(const struct outcome *outcome);
const char *outcome_message(const struct outcome *outcome);

/* A new directory below /tmp, root's and 0700; removed by scratch_remove(). */
char *scratch_make(void);
void scratch_remove(char *dir);

/* A new staging directory in scratch as deployd-store makes it; malloc'ed path. */
char *staging_make(const char *scratch);

/* deployd-unpack on fd with the limits that tests/archives documents. */
struct helper unpack_start(const char *program, const char *staging, int fd);

/* Exits with 77 unless root: nobody else can start a helper. */
void require_root(void);
