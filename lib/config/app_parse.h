#pragma once

#include "app_table.h"
#include "deploy/app_config.h"

/* Between app_config.c, which reads the files, and app_sections.c, app_check.c. */

#define APP_SECTIONS_MAX 1000u

enum app_section_kind {
	APP_SECTION_KIND_COMMAND, /* one option, "command" */
	APP_SECTION_KIND_COPY_FILE,
	APP_SECTION_KIND_CREATE_DIR,
	APP_SECTION_KIND_HEALTH_CHECK,
	APP_SECTION_KIND_COUNT,
};

/* What is named by the file: [health_check NAME], [copy_file NAME], [create_dir NAME],
 * a command. */
struct app_section {
	enum app_section_kind kind;
	char *name;
	char *title; /* of messages */
	const char *file;
	unsigned int line;
	struct option_set options;
};

struct app_parser {
	struct option_set options;
	struct app_section *sections;
	size_t n_sections;
	const char *file;	       /* being read */
	unsigned int bad_section_line; /* already told */
	struct diag *diag;
};

/* Says which sections there are, once for each unknown one. */
void app_report_unknown_section(struct app_parser *parser,
				const struct ini_entry *entry) __attribute__((nonnull));

/* Says what the key, which set has not, should have been. */
void app_report_unknown_option(struct app_parser *parser, const struct option_set *set,
			       const struct ini_entry *entry) __attribute__((nonnull));

/* Takes the entry when its section has a name of its own, or is [commands]. */
bool app_sections_take(struct app_parser *parser, const struct ini_entry *entry)
	__attribute__((nonnull));

/* Expands and checks them, after the parser's options. */
void app_sections_resolve(struct app_parser *parser) __attribute__((nonnull));

/* Into config's arrays; false without memory. */
bool app_sections_store(const struct app_parser *parser, struct app_config *config)
	__attribute__((nonnull, warn_unused_result));

void app_sections_deinit(struct app_parser *parser) __attribute__((nonnull));

/*
 * The options of a health check against each other, once resolved, and the whole of
 * them: every fault is reported.
 */
void app_health_check(struct app_parser *parser) __attribute__((nonnull));

/* Into config->health; false without memory. */
bool app_health_store(const struct app_parser *parser, struct app_config *config)
	__attribute__((nonnull, warn_unused_result));

/* The config of a parser without errors; NULL without memory. */
struct app_config *app_store(const struct app_parser *parser)
	__attribute__((nonnull, warn_unused_result));

/* What no option can tell alone, once resolved. Of options with a fault nothing is
 * said. */
void app_check(const struct option_set *options) __attribute__((nonnull));
