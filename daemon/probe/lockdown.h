#pragma once

#include "deploy/errinfo.h"

/*
 * The probe has a user of its own and no capability; what is locked away here holds the
 * damage of a hostile answer. 0, or a negative errno with *ei: then it must not go on.
 */

/* First thing in main(). */
int probe_lockdown(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* For good, once names are resolved: no system calls but those of a TCP connection. */
int probe_lockdown_tcp(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
