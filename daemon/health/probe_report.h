#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bus/capture.h"
#include "deploy/errinfo.h"

/*
 * The output of deployd-probe or deployd-proc: one line of JSON. Both read data that
 * the app controls, so their output is bounded, and trusted only as a report.
 */

#define PROBE_REPORT_BYTES_MAX (1u << 20)

/* 0 and the report, to be released; else -EINVAL and in ei how program died. */
int probe_report_read(const struct capture_outcome *outcome, const char *program,
		      json_t **ret_report, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* True when it reports success. */
bool probe_report_is_ok(const json_t *report) __attribute__((nonnull));

/*
 * A text of it with control characters made harmless, cut to fit; "" when there is
 * none.
 */
void probe_report_text(const json_t *report, const char *name, char *ret_text,
		       size_t size) __attribute__((nonnull));
