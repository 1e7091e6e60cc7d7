#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What kept an app's unit from running: what the release did, its own files, or what
 * would have kept any release from running. Pure.
 */

enum failure_kind {
	FAILURE_RAN,	 /* the release's processes ran, and failed */
	FAILURE_OWN,	 /* systemd could not start a file or enter a directory of it */
	FAILURE_SETUP,	 /* systemd failed at a step that has nothing to do with it */
	FAILURE_MACHINE, /* a dependency, the unit itself, the machine's memory */
	FAILURE_KIND_COUNT
};

struct failure {
	enum failure_kind kind;
	/* FAILURE_OWN, FAILURE_SETUP: systemd's exit status for the step, and errno. */
	int32_t step;
	int errnum;
};

/* "ran", "own-file", "set-up", "machine". */
const char *failure_kind_name(enum failure_kind kind);
/* What is not known blames nobody: FAILURE_MACHINE. */
enum failure_kind failure_kind_from_name(const char *name) __attribute__((nonnull));

/* A line of the journal about the start that failed, at level err. */
struct blame_line {
	bool from_root;	     /* written by uid 0, as systemd's own are */
	bool is_spawn;	     /* systemd's entry of a failed spawn */
	int errnum;	     /* of such an entry */
	const char *path;    /* the program of such an entry; NULL: none */
	const char *message; /* NULL: none */
};

struct blame_facts {
	const char *load_state, *result; /* as systemd's */
	int32_t exec_main_code, exec_main_status;
	bool never_started; /* the unit job ended before a process could be to blame */
	bool has_memory_limit;	  /* of the unit itself */
	bool have_memory_events;  /* they were read after the kill */
	bool memory_limit_is_hit; /* what they say of that limit */
	const char *working_dir;  /* WorkingDirectory= */
	const char *current_dir, *release_dir;
	const struct blame_line *lines;
	size_t n_lines;
};

/*
 * An exit status of systemd's (200 to 245) is one only with its entry in the journal:
 * any program may exit with such a number. The journal need not be read for others,
 * blame_needs_journal().
 */
struct failure blame_judge(const struct blame_facts *facts) __attribute__((nonnull));

/* Only the journal tells whose the exit status is. */
bool blame_needs_journal(const char *result, int32_t exec_main_code,
			 int32_t exec_main_status) __attribute__((nonnull));

/*
 * Whether the release is bad that failed so. back: how the one failed that was gone
 * back to, NULL when it did not: the same step failing in the same way is no release's
 * fault.
 */
bool blame_is_release(const struct failure *failure, const struct failure *back)
	__attribute__((nonnull(1)));

/* Nothing speaks for another release's coming up. */
bool blame_is_alike(const struct failure *failure, const struct failure *back)
	__attribute__((nonnull));
