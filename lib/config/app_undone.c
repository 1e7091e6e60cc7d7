/* Options that are known, and that this version does not carry out: never silently. */
#include <string.h>

#include "app_table.h"
#include "deploy/app_config.h"

#define COMMAND_ADVICE                                                                 \
	"commands are not run by deployd; run it as the app's user: systemd-run or "   \
	"runuser"

static const struct option_spec *spec_of(const struct app_option *option)
{
	for (size_t i = 0; i < n_app_options; i++)
		if (strcmp(app_options[i].name, option->name) == 0)
			return &app_options[i];
	return NULL;
}

static bool is_given(const struct app_option *option)
{
	const struct option_spec *spec = spec_of(option);
	uint64_t number;

	if (!spec || !spec->undone || !option->file || !option->value ||
	    option->value[0] == '\0')
		return false;
	return spec->type != OPTION_TYPE_BOOL ||
	       (option_value_number(spec, option->value, &number) && number != 0);
}

bool app_config_undone(const struct app_config *app, size_t index,
		       struct app_undone *ret_undone)
{
	for (size_t i = 0; i < app->n_options; i++) {
		const struct app_option *option = &app->options[i];

		if (!is_given(option) || index-- > 0)
			continue;
		*ret_undone =
			(struct app_undone){option->section, option->name, option->file,
					    option->line, spec_of(option)->undone};
		return true;
	}
	if (index >= app->n_commands)
		return false;
	*ret_undone = (struct app_undone){"commands", app->commands[index].name,
					  app->commands[index].file,
					  app->commands[index].line, COMMAND_ADVICE};
	return true;
}

void app_config_report_undone(const struct app_config *app, bool is_error,
			      struct diag *diag)
{
	struct app_undone undone;

	for (size_t i = 0; app_config_undone(app, i, &undone); i++) {
		if (is_error)
			diag_error(diag, undone.file, undone.line,
				   "[%s] %s is not carried out by this version: %s",
				   undone.section, undone.name, undone.advice);
		else
			diag_warning(diag, undone.file, undone.line,
				     "[%s] %s is not carried out by this version, so "
				     "that nothing can be deployed: %s",
				     undone.section, undone.name, undone.advice);
	}
}
