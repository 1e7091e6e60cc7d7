#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Runs deployd-probe or deployd-proc as PID 1 does and takes its one line. */
struct run {
	int status; /* exit status; a signal is a failed test */
	json_t *line;
	size_t length; /* bytes of the line */
};

/* With these arguments, behind the program's name, as uid (0: as we are). */
struct run run_probe(uid_t uid, const char *const *arguments, size_t n_arguments);

/*
 * From now on: as in a unit that has a SystemCallFilter= already.
 */
void run_filtered(bool on);

#define PROBE(...) PROBE_AS(0, __VA_ARGS__)
#define PROBE_AS(uid, ...)                                                             \
	run_probe((uid), (const char *const[]){__VA_ARGS__},                           \
		  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Of the line; "(none)" and -1 when it is not there. */
const char *run_text(const struct run *run, const char *key);
long run_number(const struct run *run, const char *key);

/* Frees the line; the test fails unless status and "result" are as given. */
void run_end(struct run *run, int status);

/* run_end(), and the message holds text. */
void run_end_saying(struct run *run, int status, const char *text);
