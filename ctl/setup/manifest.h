#pragma once

#include "setup/setup.h"

/*
 * What the set-up verbs made for an app, in /var/lib/deployd/APP/manifest: a line each,
 * written before the thing itself is made. Only what is in it is ever removed.
 */

enum manifest_kind {
	MANIFEST_FILE, /* or a link */
	MANIFEST_DIRECTORY,
	MANIFEST_KIND_COUNT,
};

#define MANIFEST_ENTRIES_MAX 10000
#define MANIFEST_BYTES_MAX   (4u << 20)

struct manifest_entry {
	enum manifest_kind kind;
	char *path;
};

struct manifest {
	struct manifest_entry *entries; /* in the order in which they were made */
	size_t n_entries;
	bool is_torn; /* a write was cut off: the next one begins with a new file */
};

/* Reads setup->manifest unless that was done; none on disk is an empty one. */
int manifest_load(struct setup *setup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* Adds what is about to be made, durably, unless it is there. */
int manifest_add(struct setup *setup, enum manifest_kind kind, const char *path,
		 struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Writes what is left: entries whose path was set to NULL are dropped. Removes the file
 * when nothing is.
 */
int manifest_save(struct setup *setup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

void manifest_free(struct manifest *manifest);

/*
 * The text of a manifest, parsed and written; pure. A line that is none is -EINVAL with
 * its number in *ret_line.
 */
int manifest_parse(const char *text, struct manifest *ret_manifest,
		   unsigned int *ret_line) __attribute__((nonnull, warn_unused_result));
int manifest_append(struct manifest *manifest, enum manifest_kind kind,
		    const char *path, size_t length)
	__attribute__((nonnull, warn_unused_result));
char *manifest_line(enum manifest_kind kind, const char *path) __attribute__((nonnull));
