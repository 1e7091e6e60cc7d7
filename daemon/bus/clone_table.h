#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which properties a copy takes from its unit: an allow-list of all properties that a
 * service has on the bus, in systemd 252 and the later versions that are known.
 * tests/system/089-clone.sh reads the properties of the installed systemd and fails on
 * one that is missing here.
 */

enum clone_kind {
	CLONE_AS_IS,	  /* is set with the type it is read with */
	CLONE_LABEL,	  /* (ignored, label): "" means none, and cannot be set */
	CLONE_FILTER,	  /* (allow, names): an empty one may not be settable */
	CLONE_WORKING,	  /* WorkingDirectory: '!' is '-' where it is set */
	CLONE_DIRECTORY,  /* StateDirectory and the like: a copy must not make it */
	CLONE_SYMLINK,	  /* StateDirectorySymlink and the like: goes with it */
	CLONE_PRESERVE,	  /* RuntimeDirectoryPreserve: goes with it */
	CLONE_NAMESPACES, /* JoinsNamespaceOf: the unit itself is added */
	CLONE_LEAVE,	  /* is left out, why says the reason */
};

struct clone_property {
	enum clone_kind kind;
	const char *type; /* NULL for CLONE_LEAVE: any */
	const char *why;  /* NULL for all others */
	/* A number that stands for "not set" and is not written. */
	bool has_unset;
	int64_t unset;
};

/* NULL: not known. */
const struct clone_property *clone_table_find(const char *name)
	__attribute__((nonnull));
