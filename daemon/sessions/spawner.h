#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Session processes, including those that were killed but do not exit. */
#define SPAWNER_SESSIONS_MAX 512

/* Lines for deployd; no session is started while half of it is full. */
#define SPAWNER_REPORT_BYTES_MAX 65536

struct spawned {
	pid_t pid;	     /* 0: a free place */
	uint64_t number;     /* deployd's */
	uint64_t connection; /* the deployd that asked for it */
};

struct spawner {
	const char *program; /* deployd-session */
	int listen_fd;
	int signal_fd;
	int connection_fd;   /* deployd, -1: none */
	int report_fd;	     /* its pipe, -1: has not arrived yet */
	uint64_t connection; /* which one, from 1 */
	struct spawned spawned[SPAWNER_SESSIONS_MAX];
	char report[SPAWNER_REPORT_BYTES_MAX];
	size_t report_length;
};

/* Blocks SIGCHLD. listen_fd becomes non-blocking. -errno. */
int spawner_init(struct spawner *spawner, int listen_fd, const char *program)
	__attribute__((warn_unused_result, nonnull));

/* Runs for ever; -errno when even waiting fails. */
int spawner_run(struct spawner *spawner) __attribute__((warn_unused_result, nonnull));
