#include "deploy/app_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void app_config_error(const struct app_config *app, const char *option,
		      struct diag *diag, const char *fmt, ...)
{
	const struct app_option *origin = app_config_option(app, option);
	bool is_set = origin && origin->file;
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(diag, is_set ? origin->file : app->file, is_set ? origin->line : 0,
		   "%s: %s", option, text);
}

static bool overlap(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;

	return strncmp(a, b, least) == 0 && (n == m || (n < m ? b : a)[least] == '/');
}

void app_config_check_pair(const struct app_config *a, const struct app_config *b,
			   struct diag *diag)
{
	const struct {
		const char *option, *dir;
	} dirs[] = {{"deploy_dir", a->deploy_dir},
		    {"flags_dir", a->flags_dir},
		    {"scripts_dir", a->scripts_dir},
		    {"etc_dir", a->etc_dir}};

	if (strcmp(a->app_name, b->app_name) == 0)
		app_config_error(a, "app_name", diag, "'%s' is also that of %s",
				 a->app_name, b->file);
	if (strcmp(a->unit, b->unit) == 0)
		app_config_error(a, "service_name", diag, "%s is also the unit of %s",
				 a->unit, b->file);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		if (i > 0 && overlap(dirs[i].dir, a->deploy_dir))
			continue; /* as good as deploy_dir */
		if (overlap(dirs[i].dir, b->deploy_dir) ||
		    overlap(dirs[i].dir, b->flags_dir) ||
		    overlap(dirs[i].dir, b->scripts_dir) ||
		    overlap(dirs[i].dir, b->etc_dir))
			app_config_error(a, dirs[i].option, diag,
					 "'%s' is, holds or lies in a directory of %s",
					 dirs[i].dir, b->file);
	}
}
