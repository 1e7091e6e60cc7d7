#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/errinfo.h"

#define HEADER_BLOCK_BYTES 512

/*
 * What the header blocks of one entry say, byte for byte. libarchive brings names of
 * pax archives into the composed form of Unicode and knows no NUL in them; what lands
 * is what GNU tar would restore. Pure.
 */
struct header {
	char *name;    /* NULL: nothing but special blocks was found */
	char *link;    /* target; NULL: none is given */
	bool pax;      /* name or link came out of a pax header */
	bool stripped; /* ACLs, extended attributes or capabilities */
};

/*
 * Reads the blocks from the first special one of an entry (long name, pax) to its own.
 * bytes must begin at the entry; what follows it is ignored. 0, or -EINVAL with ei
 * set, which names the entry. The caller deinits in both cases.
 */
int header_read(const unsigned char *bytes, size_t length, struct header *ret_header,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

void header_deinit(struct header *header) __attribute__((nonnull));
