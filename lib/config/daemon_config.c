#include "deploy/daemon_config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon_table.h"
#include "deploy/limits.h"
#include "deploy/names.h"

const struct option_spec daemon_options[] = {
	{"deployd", "intake_user", "deployd-intake", .type = OPTION_TYPE_USER},
	{"deployd", "unpack_user", "deployd-unpack", .type = OPTION_TYPE_USER},
	{"deployd", "jobs_max", "4", .type = OPTION_TYPE_INT, .min = 1, .max = 64},
	{"deployd", "queue_max", "4", .type = OPTION_TYPE_INT, .max = 64},
	{"deployd", "connections_max", "256", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 480}, /* what the spawner and its unit have room for */
	{"deployd", "connections_per_user_max", "16", .type = OPTION_TYPE_INT, .min = 1,
	 .max = 480},
	{"deployd", "request_timeout_sec", "10", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = 3600},
	{"deployd", "intake_idle_sec", "60", .type = OPTION_TYPE_SECONDS, .min = 1,
	 .max = UNPACK_SEC_MAX},
	{"deployd", "intake_min_bytes_per_sec", "1K", .type = OPTION_TYPE_BYTES,
	 .max = UINT64_C(1) << 40},
	{"deployd", "unpack_memory_bytes", "1G", .type = OPTION_TYPE_BYTES,
	 .min = 64 << 20, .max = UINT64_C(1) << 40},
	{"deployd", "reserve_bytes", "64M", .type = OPTION_TYPE_BYTES,
	 .max = UINT64_C(1) << 50},
};
const size_t n_daemon_options = sizeof(daemon_options) / sizeof(*daemon_options);

struct parser {
	struct option_set options;
	const char *file;
	unsigned int bad_section_line; /* already told */
};

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	struct parser *parser = userdata;
	struct diag *diag = parser->options.diag;
	size_t index = option_find(&parser->options, entry->key);
	char shown[64];
	const char *nearest;

	if (strcmp(entry->section, "deployd") != 0) {
		if (entry->section[0] == '\0')
			diag_error(diag, parser->file, entry->line,
				   "'%s' is in no section; [deployd] must stand above "
				   "it",
				   names_escape(entry->key, shown, sizeof(shown)));
		else if (parser->bad_section_line != entry->section_line)
			diag_error(diag, parser->file, entry->section_line,
				   "there is no section [%s] here, only [deployd]",
				   names_escape(entry->section, shown, sizeof(shown)));
		parser->bad_section_line = entry->section_line;
		return;
	}
	if (index < parser->options.n_specs) {
		option_take(&parser->options, index, parser->file, entry);
		return;
	}
	if (strcmp(entry->key, "operations_max") == 0) {
		diag_error(diag, parser->file, entry->line,
			   "operations_max is called jobs_max now");
		return;
	}
	nearest = option_nearest(&parser->options, entry->key);
	diag_error(diag, parser->file, entry->line, "there is no option '%s'%s%s%s",
		   names_escape(entry->key, shown, sizeof(shown)),
		   nearest ? "; did you mean '" : "", nearest ? nearest : "",
		   nearest ? "'?" : "");
}

/* False without memory. */
static bool store_origin(const struct option_slot *slot, struct config_origin *origin)
{
	origin->line = slot->line;
	origin->file = slot->file ? strdup(slot->file) : NULL;
	return origin->file || !slot->file;
}

static struct daemon_config *make(const struct option_set *options)
{
	struct daemon_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->intake_user = strdup(option_text(options, "intake_user"));
	config->unpack_user = strdup(option_text(options, "unpack_user"));
	config->jobs_max = option_number(options, "jobs_max");
	config->queue_max = option_number(options, "queue_max");
	config->connections_max = option_number(options, "connections_max");
	config->connections_per_user_max =
		option_number(options, "connections_per_user_max");
	config->request_timeout_sec = option_number(options, "request_timeout_sec");
	config->intake_idle_sec = option_number(options, "intake_idle_sec");
	config->intake_min_bytes_per_sec =
		option_number(options, "intake_min_bytes_per_sec");
	config->unpack_memory_bytes = option_number(options, "unpack_memory_bytes");
	config->reserve_bytes = option_number(options, "reserve_bytes");
	if (config->intake_user && config->unpack_user &&
	    store_origin(option_slot(options, "intake_user"), &config->intake_origin) &&
	    store_origin(option_slot(options, "unpack_user"), &config->unpack_origin))
		return config;
	daemon_config_free(config);
	return NULL;
}

/* The helpers hold hostile bytes: each has a user of its own, and not root. */
static void check_users(const struct option_set *options)
{
	const char *intake = option_text(options, "intake_user");
	const char *unpack = option_text(options, "unpack_user");

	if (!option_known(options, "intake_user") ||
	    !option_known(options, "unpack_user"))
		return;
	if (strcmp(intake, "root") == 0)
		option_error(options, "intake_user", "must not be root");
	if (strcmp(unpack, "root") == 0)
		option_error(options, "unpack_user", "must not be root");
	if (strcmp(intake, unpack) == 0)
		option_error(options, "unpack_user", "must not be intake_user too");
}

struct daemon_config *daemon_config_parse(const struct config_text *texts,
					  size_t n_texts, struct diag *diag)
{
	struct parser parser = {0};
	struct daemon_config *config = NULL;
	bool earlier_errors = diag->has_errors;

	diag->has_errors = false;
	if (option_set_init(&parser.options, daemon_options, n_daemon_options,
			    n_texts > 0 ? texts[0].file : "deployd.conf", diag) == 0) {
		for (size_t i = 0; i < n_texts; i++) {
			parser.file = texts[i].file;
			parser.bad_section_line = 0;
			ini_read(texts[i].file, texts[i].text, texts[i].length,
				 on_entry, &parser, diag);
		}
		option_set_resolve(&parser.options);
		check_users(&parser.options);
		if (!diag->has_errors)
			config = make(&parser.options);
		if (!config && !diag->has_errors)
			diag_error(diag, parser.options.file, 0, "out of memory");
	}
	option_set_deinit(&parser.options);
	diag->has_errors |= earlier_errors;
	return config;
}

void daemon_config_free(struct daemon_config *config)
{
	if (!config)
		return;
	free(config->intake_user);
	free(config->unpack_user);
	free(config->intake_origin.file);
	free(config->unpack_origin.file);
	free(config);
}
