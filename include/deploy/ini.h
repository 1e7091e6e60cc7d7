#pragma once

#include <stddef.h>

#include "deploy/diag.h"

#define INI_FILE_BYTES_MAX (1u << 20)
#define INI_LINE_BYTES_MAX 65535u

/* One "key = value" line. The strings live during the callback only. */
struct ini_entry {
	const char *file;
	unsigned int line;
	const char *section; /* "" before the first section; inner blanks single */
	unsigned int section_line;
	const char *key;
	/*
	 * Trimmed, and an inline comment (blank, then ';' or '#') cut off. A value that
	 * begins with '"' ends with the next one and is taken literally in between,
	 * but for \" and \\.
	 */
	const char *value;
};

/*
 * Parses text (length bytes, need not end in NUL) with inih and calls on_entry for
 * every entry in order. Errors of form (NUL byte, invalid UTF-8, line too long,
 * unclosed section, line without '=', control byte) go to diag and parsing goes on.
 * Duplicate keys and unknown names are the caller's to judge. Nothing is opened or read
 * here; threads may parse at the same time.
 */
void ini_read(const char *file, const char *text, size_t length,
	      void (*on_entry)(const struct ini_entry *entry, void *userdata),
	      void *userdata, struct diag *diag) __attribute__((nonnull(1, 2, 4, 6)));
