#pragma once

#include "deploy/result.h"

/*
 * Why something failed, in words fit for the journal and the client. Filled once, at
 * the origin; fixed size, no heap. Untrusted strings must be escaped before they go in
 * (names_escape).
 */
struct errinfo {
	int err; /* negative errno, 0 when no call failed */
	enum deploy_result
		result; /* how the failure is reported; RESULT_FAILED unless set */
	char what[512];
};

/*
 * Records the failure as RESULT_FAILED (RESULT_NO_SPACE for ENOSPC and EDQUOT) and
 * returns -err, so that it can be returned at once. err is an errno of either sign;
 * its text is appended to the message.
 */
int errinfo_set(struct errinfo *ei, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* Records a refusal that no system call caused. Returns -EINVAL. */
int errinfo_refuse(struct errinfo *ei, enum deploy_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));
