/* A section or an option that an app's file cannot have: what it should have been. */
#include <stdio.h>
#include <string.h>

#include "app_parse.h"
#include "deploy/suggest.h"

void app_report_unknown_section(struct app_parser *parser,
				const struct ini_entry *entry)
{
	static const char *const sections[] = {
		"app",		"users",       "directories", "release", "restart",
		"health",	"environment", "commands",    "hooks",	 "unit",
		"health_check", "copy_file",   "create_dir",  NULL};
	char shown[64], word[64];
	const char *meant;

	if (parser->bad_section_line == entry->section_line)
		return;
	parser->bad_section_line = entry->section_line;
	(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(entry->section, " "),
		       entry->section);
	meant = suggest_word(word, sections);
	if (meant) {
		diag_error(parser->diag, parser->file, entry->section_line,
			   "there is no section [%s]; did you mean [%s%s]?",
			   names_escape(entry->section, shown, sizeof(shown)), meant,
			   strchr(meant, '_') ? " NAME" : "");
		return;
	}
	diag_error(parser->diag, parser->file, entry->section_line,
		   "there is no section [%s]; there are app, users, directories, "
		   "release, restart, health, environment, commands, hooks, unit, "
		   "health_check NAME, copy_file NAME and create_dir NAME",
		   names_escape(entry->section, shown, sizeof(shown)));
}

static bool report_foreign(struct app_parser *parser, const struct ini_entry *entry)
{
	const struct app_foreign_option *foreign = app_foreign_option(entry->key);

	if (foreign && foreign->instead)
		diag_error(parser->diag, parser->file, entry->line,
			   "there is no option '%s'; %s", foreign->name,
			   foreign->instead);
	else if (foreign)
		diag_warning(parser->diag, parser->file, entry->line,
			     "%s is for mix_deploy's generator of scripts and does "
			     "nothing here; remove the line",
			     foreign->name);
	return foreign;
}

void app_report_unknown_option(struct app_parser *parser, const struct option_set *set,
			       const struct ini_entry *entry)
{
	const struct option_set *all = &parser->options;
	size_t index = option_find(all, entry->key);
	const char *named, *nearest;
	char shown[64];

	if (index < all->n_specs) {
		diag_error(parser->diag, parser->file, entry->line,
			   "%s belongs in section [%s], not %s%s%s",
			   all->specs[index].name, all->specs[index].section,
			   entry->section[0] ? "in [" : "above every section",
			   entry->section, entry->section[0] ? "]" : "");
		return;
	}
	if (report_foreign(parser, entry))
		return;
	named = app_named_section_of(entry->key);
	if (named) {
		diag_error(parser->diag, parser->file, entry->line,
			   "%s belongs in a section [%s NAME], not %s%s%s", entry->key,
			   named, entry->section[0] ? "in [" : "above every section",
			   entry->section, entry->section[0] ? "]" : "");
		return;
	}
	nearest = option_nearest(set, entry->key);
	if (!nearest)
		nearest = option_nearest(all, entry->key);
	diag_error(parser->diag, parser->file, entry->line,
		   "there is no option '%s'%s%s%s",
		   names_escape(entry->key, shown, sizeof(shown)),
		   nearest ? "; did you mean '" : "", nearest ? nearest : "",
		   nearest ? "'?" : "");
}
