#pragma once

#include "probe/finding.h"
#include "probe/options.h"

#define TCP_ADDRESSES_MAX 16 /* of a name; more are not tried */

/*
 * Passes when one of the host's addresses takes a connection. They are tried in turn;
 * each may take an even part of the time that is left, so that one that swallows
 * packets does not hide the next.
 */
void tcp_check(const struct probe_options *options, struct finding *ret_finding)
	__attribute__((nonnull));
