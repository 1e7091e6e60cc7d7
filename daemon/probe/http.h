#pragma once

#include "deploy/errinfo.h"
#include "probe/options.h"
#include "util/finding.h"

#define HTTP_BODY_MAX (1u << 20) /* bytes of an answer that are read and searched */

/*
 * Asks once and judges the answer by options' status, headers and body. The answer must
 * be there, whole or its first HTTP_BODY_MAX bytes, within the timeout. A redirect is
 * an answer like another and is not followed. The certificate of an https server must
 * be good, unless the host is the loopback (a release on its own machine has one for
 * its public name, and nobody is in between). Returns 0 with *ret_finding filled, or
 * -EINVAL with *ei when the URL is none that can be asked.
 */
int http_check(const struct probe_options *options, struct finding *ret_finding,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
