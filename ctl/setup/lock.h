#pragma once

#include "setup/setup.h"

/*
 * Takes the lock that deployd-store holds while it works on the app, so that nothing is
 * changed under it. RESULT_BUSY when it is held. *ret_fd is -1 where deployd was never
 * at work (no lock file); the caller closes.
 */
int app_lock(struct setup *setup, int *ret_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
