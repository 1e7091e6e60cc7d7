/*
 * Any bytes as a configuration file. What the reader hands on is text: trimmed, without
 * control bytes, with a line that exists, in order; and every line that is not blank, a
 * comment or a section is an entry or has a message.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned int line;  /* of the last entry */
	unsigned int lines; /* of the file */
	size_t n_entries;
};

static void check_text(const char *text)
{
	for (; *text; text++)
		assert(((unsigned char)*text >= 0x20 && *text != 0x7f) ||
		       *text == '\t');
}

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	struct seen *seen = userdata;

	assert(entry->line > seen->line && entry->line <= seen->lines);
	assert(entry->section_line < entry->line);
	assert((entry->section[0] == '\0') == (entry->section_line == 0));
	assert(entry->key[0] != '\0' && !strchr(entry->key, '='));
	check_text(entry->section);
	check_text(entry->key);
	check_text(entry->value);
	assert(strlen(entry->value) <= INI_LINE_BYTES_MAX);
	seen->line = entry->line;
	seen->n_entries++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {.lines = 1};
	struct diag diag = {0};

	for (size_t i = 0; i < size; i++)
		seen.lines += data[i] == '\n';
	ini_read("fuzz.conf", (const char *)data, size, on_entry, &seen, &diag);
	assert(diag.has_errors == (diag.n_messages > 0));
	for (size_t i = 0; i < diag.n_messages; i++)
		check_text(diag.messages[i]);
	diag_deinit(&diag);
	return 0;
}
