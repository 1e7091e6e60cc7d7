#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/request.h"

/* The app's directories, pinned: everything goes by these fds. */

#define STORE_STAGING	  ".staging"
#define STORE_RESERVE	  ".reserve"
#define STORE_LINK_PREFIX ".current." /* a link on its way to being renamed */
#define STORE_TRASH	  "trash-"

struct store {
	struct store_app app;
	int app_fd, releases_fd, staging_fd; /* -1: not there yet */
	int state_fd, meta_fd;
	int lock_fd; /* held until the program ends */
	int64_t now_sec;
	bool staging_in_use; /* a full disk must not cost what is being unpacked there
			      */
};
