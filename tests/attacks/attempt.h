#pragma once

#include <sys/types.h>

/*
 * What a helper program of deployd would try if an attacker controlled it. A process of
 * its own runs each attempt, after that program's own lock-down, since most attempts
 * end the process. An attempt that nothing stops does no harm.
 */
struct attempt {
	const char *name;
	/* 0 or more: it got through; -1: blocked, errno says how. */
	long (*run)(void);
};

/* Of attempt_files.c, attempt_processes.c and attempt_kernel.c, each ended by NULL. */
extern const struct attempt attempts_on_files[];
extern const struct attempt attempts_on_processes[];
extern const struct attempt attempts_on_kernel[];

/* A directory the helper may make files in; AT_FDCWD when it has none. */
extern int attempt_dir_fd;

/* deployd, or the test in its place: from within a sandbox nobody may ask. */
extern pid_t attempt_parent;

/* No fd from this one on is the helper's, but attempt_dir_fd. A program without a
 * report, which then has none of a number from 3 on, says it here. */
extern int attempt_first_free_fd;

/*
 * Runs the attempt that the environment (DEPLOYD_ATTACK) or, for one that deployd
 * starts, the file /run/deployd-attack names, and ends the process with what became of
 * it as the helper's report: "NAME: succeeded" or "NAME: EPERM". dir_fd as
 * attempt_dir_fd. The name is read before main(); "list" prints all of them.
 */
void attempt_now(int dir_fd) __attribute__((noreturn));
