#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "deploy/result.h"

/*
 * What a helper program tells deployd: JSON objects, one a line, on file descriptor 3.
 * The last line is the result; a helper that dies before it has failed.
 */
#define REPORT_FD	     3
#define REPORT_LINE_MAX	     4096	 /* bytes with the newline */
#define REPORT_STORE_MAX     (4u << 20)	 /* the same for deployd-store */
#define REPORT_PROGRESS_NSEC 200000000LL /* at most five progress lines a second */

/*
 * Before anything else here, and before a sandbox: false when REPORT_FD is not open,
 * i.e. when it was not deployd (or a test) that started the program.
 */
bool report_init(void) __attribute__((warn_unused_result));

/*
 * True when a progress line is due; the time of the last one is kept in *last_ns,
 * which starts as 0.
 */
bool report_progress_due(int64_t *last_ns) __attribute__((nonnull));

/*
 * Writes {"type":"progress", fields...}. Takes the reference on fields, also on
 * failure; without memory (fields NULL) nothing is written. A reader that went away is
 * no error: PDEATHSIG ends the helper.
 */
void report_progress(json_t *fields);

/*
 * Writes the result line {"type":"result","result":NAME,"message":..., fields...}.
 * fields may be NULL; the reference is taken, also on failure. Bytes of message that
 * are not UTF-8 end it. Returns the exit status of the program: 0 when the line was
 * written, else 1.
 */
int report_result(enum deploy_result result, const char *message, json_t *fields)
	__attribute__((nonnull(2), warn_unused_result));

/* report_result() of a failure. */
int report_failure(const struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
