#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BINFMT_DIR "/proc/sys/fs/binfmt_misc"

/*
 * True when the kernel has been told of a program that executes such files
 * (binfmt_misc, for example an emulator): by their first bytes or by the end of their
 * name.
 */
bool binfmt_handles(const char *dir, const char *path, const unsigned char *head,
		    size_t length) __attribute__((nonnull));
