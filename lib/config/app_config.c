#include "deploy/app_config.h"

#include <assert.h>
#include <string.h>

#include "app_parse.h"

static const char *const restart_methods[] = {
	[RESTART_METHOD_SYSTEMCTL] = "systemctl",
	[RESTART_METHOD_SYSTEMD_FLAG] = "systemd_flag",
	[RESTART_METHOD_TOUCH] = "touch",
};

const char *restart_method_name(enum restart_method method)
{
	assert((size_t)method < sizeof(restart_methods) / sizeof(*restart_methods));
	return restart_methods[method];
}

static bool is_section(const char *section)
{
	for (size_t i = 0; i < n_app_options; i++)
		if (strcmp(app_options[i].section, section) == 0)
			return true;
	return false;
}

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	struct app_parser *parser = userdata;
	size_t index = option_find(&parser->options, entry->key);
	const char *section = entry->section;

	if (app_sections_take(parser, entry))
		return;
	if (section[0] != '\0' && !is_section(section)) {
		app_report_unknown_section(parser, entry);
		return;
	}
	if (index == parser->options.n_specs ||
	    strcmp(section, app_options[index].section) != 0)
		app_report_unknown_option(parser, &parser->options, entry);
	/* In the wrong section it is given all the same: "deploy_user is missing" would
	 * mislead. */
	if (index < parser->options.n_specs)
		option_take(&parser->options, index, parser->file, entry);
}

/* foo_bar to foo-bar; false when it does not fit. */
static bool ext_name(const char *app_name, char *ret_text, size_t size)
{
	size_t n = strlen(app_name);

	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i <= n; i++)
		ret_text[i] = app_name[i] == '_' ? '-' : app_name[i];
	return true;
}

/* foo_bar to FooBar; false when it does not fit. */
static bool module_name(const char *app_name, char *ret_text, size_t size)
{
	bool start = true;
	size_t n = 0;

	for (const char *p = app_name; *p; p++) {
		bool is_lower = *p >= 'a' && *p <= 'z';

		if (n + 1 >= size)
			return false;
		if (*p != '_')
			ret_text[n++] = start && is_lower ? (char)(*p - 'a' + 'A') : *p;
		start = *p == '_';
	}
	ret_text[n] = '\0';
	return n > 0;
}

/* Defaults that no {expansion} can say. */
static void set_computed(struct option_set *options, const char *name)
{
	size_t app_name = option_find(options, "app_name");
	char text[APP_NAME_MAX + 1];
	const char *written;

	option_default(options, app_name, name);
	if (options->slots[app_name].n_items == 0)
		return; /* out of memory, reported */
	written = options->slots[app_name].items[0].text;
	if (ext_name(written, text, sizeof(text)))
		option_default(options, option_find(options, "ext_name"), text);
	if (module_name(written, text, sizeof(text)))
		option_default(options, option_find(options, "module_name"), text);
}

/* What only the administrator knows. */
static void check_given(const struct option_set *options)
{
	if (option_slot(options, "deploy_user")->n_items == 0)
		option_error(options, "deploy_user",
			     "is missing; set it in section [users]");
}

static void read_texts(struct app_parser *parser, const struct config_text *texts,
		       size_t n_texts)
{
	for (size_t i = 0; i < n_texts; i++) {
		parser->file = texts[i].file;
		parser->bad_section_line = 0;
		ini_read(texts[i].file, texts[i].text, texts[i].length, on_entry,
			 parser, parser->diag);
	}
}

struct app_config *app_config_parse(const char *name, const struct config_text *texts,
				    size_t n_texts, struct diag *diag)
{
	struct app_parser parser = {.diag = diag};
	struct app_config *config = NULL;
	const char *file = n_texts > 0 ? texts[0].file : name;
	bool earlier_errors = diag->has_errors;

	diag->has_errors = false;
	if (option_set_init(&parser.options, app_options, n_app_options, file, diag) ==
	    0) {
		read_texts(&parser, texts, n_texts);
		set_computed(&parser.options, name);
		option_set_resolve(&parser.options);
		app_sections_resolve(&parser);
		check_given(&parser.options);
		app_check(&parser.options);
		app_health_check(&parser);
		if (!diag->has_errors) {
			config = app_store(&parser);
			if (!config)
				diag_error(diag, file, 0, "out of memory");
		}
	}
	app_sections_deinit(&parser);
	option_set_deinit(&parser.options);
	diag->has_errors |= earlier_errors;
	return config;
}
