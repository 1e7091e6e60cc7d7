#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The way to run another program: start it, read what it writes, wait for its end. */

#define PROGRAM_NULL	-1 /* in, out, err: /dev/null */
#define PROGRAM_OURS	-2 /* ours */
#define PROGRAM_NOT_RUN 127

struct program {
	const char *const *argv;
	/* Where argv[0] is looked for, NULL-terminated; NULL: it is a path, or in PATH.
	 */
	const char *const *directories;
	const char *const *environment; /* NULL: ours */
	int in, out, err;		/* a descriptor, PROGRAM_NULL, PROGRAM_OURS */
	int report;			/* put on REPORT_FD (helpers); -1: none */
	bool dies_with_us;
	/* In the child: argv[0] could not be run, for errno. Returns the exit status.
	 */
	int (*on_not_run)(const struct program *program);
};

/*
 * Its process, with no signal blocked; or -errno. Our descriptors stay ours. Where it
 * prints as well, the caller has flushed what comes before.
 */
pid_t program_start(const struct program *program)
	__attribute__((nonnull, warn_unused_result));

/*
 * Waits; kill_it: after SIGKILL. Its exit status, or the negative number of the signal
 * that ended it.
 */
int program_end(pid_t pid, bool kill_it);

/*
 * Gives what comes from fd to take until its end. 0; -ETIMEDOUT at the deadline (of
 * program_now_ms(); -1: none); another -errno of the reading, or what take returned
 * below 0.
 */
typedef int program_take(const char *data, size_t length, void *userdata);
int program_read(int fd, int64_t deadline_ms, program_take *take, void *userdata)
	__attribute__((nonnull(3), warn_unused_result));

/* All of it, NUL-terminated, which the caller frees; -EFBIG when it is more than max.
 */
int program_read_text(int fd, int64_t deadline_ms, size_t max, char **ret_text)
	__attribute__((nonnull, warn_unused_result));

/* A file with the text, at its start, to be a program's input; or -errno. */
int program_input(const char *text) __attribute__((nonnull, warn_unused_result));

/* Milliseconds of the monotonic clock. */
int64_t program_now_ms(void);
