#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/names.h"

/*
 * From which release an app's processes run, judged from what deployd-proc saw of
 * them. Pure.
 */

enum verification_verdict {
	VERIFICATION_VERIFIED, /* the main process runs from the release, and none from
				* another
				*/
	VERIFICATION_DRIFT, /* one runs from another release, or from a deleted one */
	VERIFICATION_UNKNOWN,
};

/* "verified", "drift", "unknown". */
const char *verification_verdict_name(enum verification_verdict verdict);

#define VERIFICATION_REASON_SIZE 256

/* Working directory, program and mapped files; NULL: not told. */
struct verification_process {
	int64_t pid;
	const char *comm;
	const char *cwd, *exe;
	const char **mapped;
	size_t n_mapped;
	bool readable;
	bool deleted; /* cwd or exe is no longer where it was */
};

struct verification_report {
	const char *releases_dir;
	int64_t main_pid; /* 0 = none */
	const struct verification_process *processes;
	size_t n_processes;
	bool truncated; /* there are more */
};

/* True when every process could be read. */
bool verification_complete(const struct verification_report *report)
	__attribute__((nonnull));

/* Why, in words, in ret_reason; untouched when verified. */
enum verification_verdict verification_judge(const struct verification_report *report,
					     const char *release,
					     char ret_reason[VERIFICATION_REASON_SIZE])
	__attribute__((nonnull));

/* The release that the path lies in; false when it is in none. */
bool verification_release_of(const char *releases_dir, const char *path,
			     char ret_id[RELEASE_ID_SIZE]) __attribute__((nonnull));
