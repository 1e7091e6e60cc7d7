#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/names.h"

/*
 * From which release an app's processes run, judged from what deployd-proc saw of
 * them. Pure.
 */

enum proof_verdict {
	PROOF_PROVEN, /* the main process runs from the release, and none from another
		       */
	PROOF_DRIFT,  /* one runs from another release, or from a deleted one */
	PROOF_UNKNOWN,
};

/* "proven", "drift", "unknown". */
const char *proof_verdict_name(enum proof_verdict verdict);

#define PROOF_REASON_SIZE 256

/* Working directory, program and mapped files; NULL: not told. */
struct proof_process {
	int64_t pid;
	const char *comm;
	const char *cwd, *exe;
	const char **mapped;
	size_t n_mapped;
	bool readable;
	bool deleted; /* cwd or exe is no longer where it was */
};

struct proof_report {
	const char *releases_dir;
	int64_t main_pid; /* 0 = none */
	const struct proof_process *processes;
	size_t n_processes;
	bool truncated; /* there are more */
};

/* True when every process could be read. */
bool proof_complete(const struct proof_report *report) __attribute__((nonnull));

/* Why, in words, in ret_reason; untouched when proven. */
enum proof_verdict proof_judge(const struct proof_report *report, const char *release,
			       char ret_reason[PROOF_REASON_SIZE])
	__attribute__((nonnull));

/* The release that the path lies in; false when it is in none. */
bool proof_release_of(const char *releases_dir, const char *path,
		      char ret_id[RELEASE_ID_SIZE]) __attribute__((nonnull));
