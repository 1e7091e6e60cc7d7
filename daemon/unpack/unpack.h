#pragma once

#include <stdint.h>

#include "deploy/errinfo.h"
#include "unpack/limits.h"
#include "unpack/omission.h"

struct unpack_totals {
	uint64_t entries; /* files, links and directories made */
	uint64_t files;	  /* names of regular files, hard links counted */
	uint64_t bytes;	  /* of regular files, holes counted */
	struct omissions omissions;
};

/*
 * Unpacks the tar that can be read from fd into the empty directory root_fd. Touches
 * nothing outside of it whatever the bytes say. Everything of the stream is read, also
 * what follows the archive. Refusals of the content are RESULT_REJECTED and name the
 * entry; root_fd then holds an arbitrary part. on_progress is called for every entry
 * and every block of data. Modes become 0755 or less, 0600 or more, owners, times of
 * directories, ACLs and extended attributes are ignored.
 */
int unpack_archive(int fd, int root_fd, const struct unpack_limits *limits,
		   void (*on_progress)(const struct unpack_totals *totals,
				       void *userdata),
		   void *userdata, struct unpack_totals *ret_totals, struct errinfo *ei)
	__attribute__((nonnull(3, 6, 7), warn_unused_result));
