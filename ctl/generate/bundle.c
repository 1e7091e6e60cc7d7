/*
 * What a bundle of AWS CodeDeploy has of ours: appspec.yml and its hooks. A hook is two
 * lines: `deployctl hook` sees from its name what it is to do.
 */
#include <errno.h>
#include <string.h>

#include "generate/generate.h"
#include "generate/text.h"

#define HOOK_SHEBANG "#!/usr/bin/env -S deployctl hook\n"

static const struct hook {
	const char *name;
	const char *event; /* NULL: a script that appspec.yml does not run */
	unsigned int timeout_sec;
} hooks[] = {
	{"deploy-stop", "ApplicationStop", 300},
	{"deploy-create-users", "BeforeInstall", 0},
	{"deploy-create-dirs", "BeforeInstall", 0},
	{"deploy-extract-release", "AfterInstall", 0},
	{"deploy-set-perms", "AfterInstall", 0},
	{"deploy-enable", "AfterInstall", 0},
	{"deploy-start", "ApplicationStart", 3600},
	{"validate-service", "ValidateService", 300},
	{"deploy-clean-target", NULL, 0},
	{"deploy-copy-files", NULL, 0},
	{"deploy-restart", NULL, 0},
	{"deploy-rollback", NULL, 0},
};
#define HOOKS (sizeof(hooks) / sizeof(*hooks))

/* A scalar of YAML. */
static void put_scalar(struct text *text, const char *value)
{
	text_put(text, "\"");
	for (; *value; value++)
		text_put(text, "%s%c", *value == '"' || *value == '\\' ? "\\" : "",
			 *value);
	text_put(text, "\"");
}

static void put_files(struct text *text, const char *source, const char *destination)
{
	text_put(text, "  - source: %s\n    destination: ", source);
	put_scalar(text, destination);
	text_put(text, "\n");
}

static void put_hooks(struct text *text)
{
	const char *event = "";

	for (size_t i = 0; i < HOOKS; i++) {
		if (!hooks[i].event)
			continue;
		if (strcmp(event, hooks[i].event) != 0)
			text_put(text, "  %s:\n", hooks[i].event);
		event = hooks[i].event;
		text_put(text, "    - location: bin/%s\n", hooks[i].name);
		if (hooks[i].timeout_sec)
			text_put(text, "      timeout: %u\n", hooks[i].timeout_sec);
	}
}

char *generate_appspec(const struct app_config *app, struct diag *diag)
{
	struct text text;

	if (!text_begin(&text, app, diag))
		return NULL;
	text_header(&text);
	text_put(&text, "version: 0.0\nos: linux\nfiles:\n");
	put_files(&text, "apps.d", "/etc/deployd/apps.d");
	put_files(&text, "bin", app->scripts_dir);
	put_files(&text, "etc", app->etc_dir);
	put_files(&text, "systemd", "/etc/systemd/system");
	text_put(&text, "file_exists_behavior: OVERWRITE\nhooks:\n");
	put_hooks(&text);
	return text_end(&text);
}

int generate_hooks(const struct app_config *app, struct diag *diag,
		   struct generated *generated)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < HOOKS; i++) {
		struct text text;

		if (!text_begin(&text, app, diag))
			return -ENOMEM;
		text_put(&text, HOOK_SHEBANG);
		text_mark(&text);
		r = generated_add(generated, 0755, text_end(&text), "bin/%s",
				  hooks[i].name);
	}
	return r;
}
