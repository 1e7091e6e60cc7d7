#pragma once

#include "deploy/errinfo.h"

/*
 * The probe has a user of its own and no capabilities. This limits the damage that a
 * hostile response can do. 0, or a negative errno with *ei: then the probe must exit.
 */

/* First thing in main(). */
int probe_lockdown(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* For good, once names are resolved: no system calls but those of a TCP connection. */
int probe_lockdown_tcp(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
