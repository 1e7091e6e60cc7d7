#pragma once

#include "setup/setup.h"
#include "setup/tree.h"

/*
 * Makes and repairs the directories, through systemd-tmpfiles; what is as it should be
 * is not handed to it. Afterwards all of them are as wanted, or it is an error.
 * record: what is made goes into the manifest.
 */
int dirs_apply(struct setup *setup, const struct tree *tree, bool record,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
