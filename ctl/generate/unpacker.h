#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * Runs deployd-unpack as deployd does: the only program that parses an archive, without
 * any privilege, locked in the directory. Do not believe it: check the files.
 *
 * archive_fd is read from its offset. The directory is dir_fd/name; it belongs to uid.
 * Blocks for unpack_sec at most.
 */
struct unpacker {
	const struct release_limits *limits;
	int archive_fd, dir_fd;
	const char *name;
	uid_t uid;
	gid_t gid;
	uint64_t memory_bytes;
};
int unpacker_run(const struct unpacker *unpacker, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
