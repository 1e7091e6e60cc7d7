#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "deploy/limits.h"
#include "probe/status.h"

enum probe_verb {
	PROBE_VERB_HTTP,
	PROBE_VERB_TCP,
	PROBE_VERB_COUNT,
};

/* A header that the answer must have. Points into the argument. */
struct header_wanted {
	const char *name; /* not terminated */
	size_t name_length;
	const char *value; /* without blanks around it, not terminated */
	size_t value_length;
};

/* Texts point into argv. */
struct probe_options {
	enum probe_verb verb;
	uint64_t timeout_ms;
	/* http */
	const char *url;
	const char *status_text;
	struct status_set status;
	const char *body; /* NULL: any */
	struct header_wanted headers[HEALTH_HEADERS_MAX];
	size_t n_headers;
	/* tcp */
	char host[HEALTH_HOST_MAX + 1];
	uint16_t port;
};

/*
 * Reads the command line:
 *   http --url=URL --timeout-ms=N [--status=200,300-399] [--body=SUBSTRING]
 *        [--header='Name: value']...
 *   tcp --address=HOST:PORT --timeout-ms=N
 * argv is reordered. Returns 0, or -EINVAL with the reason in *ei.
 */
int options_parse(int argc, char **argv, struct probe_options *ret_options,
		  struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Splits HOST:PORT or [V6]:PORT. False when it is neither: a bare IPv6 address has no
 * brackets, so that nobody knows where it ends.
 */
#define ADDRESS_HOST_SIZE (HEALTH_HOST_MAX + 1)
bool address_parse(const char *text, char ret_host[ADDRESS_HOST_SIZE],
		   uint16_t *ret_port) __attribute__((nonnull, warn_unused_result));

/* Splits "Name: value". False when Name is not a header's name (RFC 9110 5.1). */
bool header_parse(const char *text, struct header_wanted *ret_header)
	__attribute__((nonnull, warn_unused_result));
