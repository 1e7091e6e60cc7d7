#pragma once

#include "setup/setup.h"
#include "setup/tree.h"

/*
 * A DESTDIR without accounts of its own is a tree that is packed and unpacked
 * elsewhere. An /etc/passwd of ours would overwrite the one there; instead the tree
 * gets fragments from which systemd makes the accounts and gives the owners on the
 * machine where it ends: at its next boot, or by deployctl init.
 */
bool staging_is(const struct setup *setup) __attribute__((nonnull));

int staging_sysusers(struct setup *setup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
int staging_tmpfiles(struct setup *setup, const struct tree *tree, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
