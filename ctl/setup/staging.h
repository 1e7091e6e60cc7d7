#pragma once

#include "setup/setup.h"
#include "setup/tree.h"

/*
 * A tree that is packed (setup_is_staging()) gets fragments from which systemd makes
 * the accounts and gives the owners on the machine where it ends: at its next boot, or
 * by deployctl init. An /etc/passwd of ours would overwrite the one there.
 */

int staging_sysusers(struct setup *setup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
int staging_tmpfiles(struct setup *setup, const struct tree *tree, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
