#include "setup/script_names.h"

#include <string.h>

#define RUN_IT                                                                         \
	"deployctl runs no commands of the release; run it as the app's user from "    \
	"current_dir"
#define CLOUD "deployctl fetches no configuration; keep the script that does"

const struct script scripts[] = {
	{"start", "start", NULL, NULL},
	{"stop", "stop", NULL, NULL},
	{"restart", "restart", NULL, NULL},
	{"enable", "enable", NULL, NULL},
	{"create-users", "create-users", NULL, NULL},
	{"create-dirs", "create-dirs", NULL, NULL},
	{"copy-files", "copy-files", NULL, NULL},
	{"init-local", "init", NULL, NULL},
	{"release", "deploy", NULL, NULL},
	{"rollback", "rollback", NULL, NULL},
	{"clean-target", "clean-target", "--yes", NULL},
	{"extract-release", "extract-release", NULL, NULL},
	{"set-perms", "set-perms", NULL, NULL},
	{"stage-files", "stage-files", NULL, NULL},
	{"migrate", NULL, NULL, RUN_IT},
	{"seed", NULL, NULL, RUN_IT},
	{"custom-function", NULL, NULL, RUN_IT},
	{"remote-console", NULL, NULL, RUN_IT},
	{"set-env", NULL, NULL,
	 "the unit that `deployctl generate` writes sets the environment"},
	{"sync-config-s3", NULL, NULL, CLOUD},
	{"sync-assets-s3", NULL, NULL, CLOUD},
	{"runtime-environment-file", NULL, NULL, CLOUD},
	{"runtime-environment-wrap", NULL, NULL, CLOUD},
	{"set-cookie-ssm", NULL, NULL, CLOUD},
};
const size_t n_scripts = sizeof(scripts) / sizeof(*scripts);

static const struct script *find_behind(const char *base, const char *prefix)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; strncmp(base, prefix, n) == 0 && i < n_scripts; i++)
		if (strcmp(base + n, scripts[i].name) == 0)
			return &scripts[i];
	return NULL;
}

const struct script *script_find(const char *base, const char *prefix)
{
	const struct script *script = prefix ? find_behind(base, prefix) : NULL;

	return script ? script : find_behind(base, SCRIPT_PREFIX);
}

const char *script_prefix(const struct app_config *app)
{
	const struct app_option *option = app_config_option(app, "target_prefix");

	return option && option->value ? option->value : SCRIPT_PREFIX;
}
