#pragma once

#include "deploy/errinfo.h"
#include "probe/options.h"
#include "util/finding.h"

#define TCP_ADDRESSES_MAX 16 /* of a name; more are not tried */

/*
 * Passes when one of the host's addresses takes a connection. They are tried in turn;
 * each may take an even part of the time that is left, so that one that swallows
 * packets does not hide the next. Returns 0 with *ret_finding filled; a negative errno
 * with *ei when it cannot lock itself down.
 */
int tcp_check(const struct probe_options *options, struct finding *ret_finding,
	      struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
