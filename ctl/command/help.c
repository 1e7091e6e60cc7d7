#include "command/help.h"

#include <stdio.h>
#include <string.h>

#include "command/option_table.h"
#include "command/verb_name.h"

static void print_option(const struct option_info *info)
{
	char left[64], letter[8] = "    ";
	bool optional = option_value_is_optional(info);

	if (info->letter)
		(void)snprintf(letter, sizeof(letter), "-%c%s", info->letter,
			       info->name ? ", " : "");
	if (!info->name)
		(void)snprintf(left, sizeof(left), "%s", letter);
	else if (!info->value)
		(void)snprintf(left, sizeof(left), "%s--%s", letter, info->name);
	else if (optional)
		(void)snprintf(left, sizeof(left), "%s--%s[=%.*s]", letter, info->name,
			       (int)strlen(info->value) - 2, info->value + 1);
	else
		(void)snprintf(left, sizeof(left), "%s--%s=%s", letter, info->name,
			       info->value);
	(void)printf("  %-30s %s\n", left, info->help);
}

void help_program(const struct verb_table *verbs)
{
	const char *group = "";

	(void)puts("deployctl [OPTIONS] VERB [APP[@RELEASE]] [ARGS]\n\n"
		   "Deploys releases and runs their services through deployd.\n"
		   "Without a verb: list.");
	for (size_t i = 0; i < verbs->n; i++) {
		char left[64];

		if (!verbs->rows[i].group)
			continue;
		if (strcmp(group, verbs->rows[i].group) != 0) {
			group = verbs->rows[i].group;
			(void)printf("\n%s:\n", group);
		}
		(void)snprintf(left, sizeof(left), "%s %s", verbs->rows[i].name,
			       verbs->rows[i].usage);
		(void)printf("  %-24s %s\n", left, verbs->rows[i].help);
	}
	(void)puts("\nOptions:");
	for (size_t i = 0; i < OPTION_INFOS; i++)
		print_option(&option_infos[i]);
	(void)puts(
		"\nExit status: 0 ok, 1 failed, 2 usage, 4 denied, 5 not found, 6 bad\n"
		"configuration, 7 deployd is not running, 10 archive rejected, 11 "
		"busy\n"
		"or held, 13 not healthy: rolled back, 14 not healthy: not rolled "
		"back,\n"
		"15 cancelled, 16 stopped waiting, 17 --if-current mismatch, 18 no "
		"space.\n"
		"See deployctl(1); for the verbs that set up a machine, "
		"deployctl-setup(8).");
}

void help_verb(const struct verb *verb)
{
	(void)printf("deployctl %s%s%s\n\n%s.\n\nOptions:\n", verb->name,
		     *verb->usage ? " " : "", verb->usage, verb->help);
	for (size_t i = 0; i < OPTION_INFOS; i++)
		if (option_is_taken(verb, &option_infos[i]))
			print_option(&option_infos[i]);
}

int verb_help(const struct verb *verb, const struct options *options)
{
	const struct verb *about = options->n_args > 0
					   ? verb_find(options->verbs, options->args[0])
					   : NULL;

	(void)verb;
	if (options->n_args > 0 && !about)
		return verb_tell_unknown(options, options->args[0]);
	if (about)
		help_verb(about);
	else
		help_program(options->verbs);
	return 0;
}
