#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/*
 * linked_dirs and linked_files: what every release of an app has in common lies in
 * deploy_dir/shared, and each release has links to it.
 */

#define LINKED_SHARED "shared"

/*
 * Makes the links in the release root_fd, which is root's, and what they lead to.
 * shared/ and the directories on the way are root:app_group 0750; a linked directory
 * that is made here is app_uid:app_group 0750, one that is there stays as it is. No
 * link is followed.
 *
 * RESULT_BAD_CONFIG: a linked file is not there, or something in shared/ is of another
 * kind or may be changed by others. RESULT_REJECTED: the archive has something at such
 * a path; an empty directory and one that holds but a .keep or .gitkeep give way, and
 * so does an empty file.
 */
int linked_make(struct store *store, int root_fd, const json_t *dirs,
		const json_t *files, uid_t app_uid, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
