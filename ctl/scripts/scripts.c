#include "scripts/scripts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "command/parse.h"
#include "deploy/cleanup.h"
#include "output/terminal.h"
#include "setup/script_names.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool script_is_name(const char *argv0)
{
	const char *base = base_name(argv0);
	size_t n = strlen(base);

	if (strncmp(base, SCRIPT_PREFIX, strlen(SCRIPT_PREFIX)) == 0)
		return true;
	for (size_t i = 0; i < n_scripts; i++) {
		size_t n_name = strlen(scripts[i].name);

		if (n > n_name && strcmp(base + n - n_name, scripts[i].name) == 0)
			return true;
	}
	return false;
}

int script_tell_unknown(const char *base)
{
	char names[1024] = "";
	size_t length = 0;

	for (size_t i = 0; i < n_scripts; i++)
		if (scripts[i].verb && length < sizeof(names))
			length +=
				(size_t)snprintf(names + length, sizeof(names) - length,
						 " %s", scripts[i].name);
	terminal_error("there is no script '%s'; behind the prefix a name is one of:%s",
		       base, names);
	return result_exit_status(RESULT_USAGE);
}

int script_tell_instead(const struct script *script)
{
	terminal_error("there is no %s here: %s; see NAMES OF MIX_DEPLOY in "
		       "deployctl-setup(8)",
		       script->name, script->instead);
	return result_exit_status(RESULT_USAGE);
}

static int run(const struct verb_table *verbs, const char *const args[], bool has_app)
{
	char *argv[SCRIPT_ARGS_MAX + 2] = {(char *)(uintptr_t) "deployctl"};
	const struct verb *verb;
	struct options options;
	int argc = 1, status = 0;

	for (; *args && argc <= SCRIPT_ARGS_MAX; args++)
		argv[argc++] = (char *)(uintptr_t)*args;
	if (*args) {
		terminal_error("too many arguments");
		return result_exit_status(RESULT_USAGE);
	}
	verb = options_parse(verbs, argc, argv, &options, &status);
	/* A rule of sudoers for a script is one for its app, and for no other file. */
	if (verb && has_app && options.app_file) {
		terminal_error("a script is of the app whose scripts_dir it is in; for "
			       "another file use `deployctl %s --app-file`",
			       verb->name);
		return result_exit_status(RESULT_USAGE);
	}
	return verb ? verb->run(verb, &options) : status;
}

int script_run(const struct verb_table *verbs, const char *const args[])
{
	return run(verbs, args, false);
}

char *script_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Where the link is: of what came through PATH argv[0] has the name only. */
static char *directory_of(const char *argv0)
{
	const char *executed = (const char *)getauxval(AT_EXECFN);

	if (!strchr(argv0, '/') && executed && strcmp(base_name(executed), argv0) == 0)
		argv0 = executed;
	return script_directory(argv0);
}

/* What stands behind the app. -1: nothing can, and why was told. */
static int more_arguments(const struct script *script, const struct app_config *app,
			  const char *dir, const char **args, struct build *build)
{
	struct errinfo ei = {0};
	int n = 0;

	if (strcmp(script->name, "release") == 0) {
		if (build_find(app, build, &ei) < 0) {
			terminal_error("%s", ei.what);
			return -1;
		}
		args[n++] = build->path;
		args[n++] = "--version";
		args[n++] = build->version;
	} else if (strcmp(script->name, "extract-release") == 0) {
		/* The bundle's, beside its bin/. */
		(void)snprintf(build->path, sizeof(build->path), "%s/../%s.tar.gz", dir,
			       app->release_name);
		args[n++] = build->path;
	}
	if (script->argument)
		args[n++] = script->argument;
	return n;
}

int script_main(const struct verb_table *verbs, int argc, char *argv[])
{
	const char *base = base_name(argv[0]), *args[SCRIPT_ARGS_MAX + 8] = {NULL};
	cleanup_free char *dir = directory_of(argv[0]);
	enum deploy_result result = RESULT_FAILED;
	const struct script *script = script_find(base, NULL);
	struct app_config *app;
	struct build build;
	int n, n_args = 2, status;

	if (!dir || argc > SCRIPT_ARGS_MAX)
		return result_exit_status(RESULT_FAILED);
	if (script && !script->verb)
		return script_tell_instead(script);
	if (!script && strncmp(base, SCRIPT_PREFIX, strlen(SCRIPT_PREFIX)) == 0)
		return script_tell_unknown(base);
	app = script_app(dir, &result);
	if (!app)
		return result_exit_status(result);
	script = script_find(base, script_prefix(app));
	if (!script || !script->verb) {
		status = script ? script_tell_instead(script)
				: script_tell_unknown(base);
		app_config_free(app);
		return status;
	}
	args[0] = script->verb;
	args[1] = app->app_name;
	n = more_arguments(script, app, dir, args + n_args, &build);
	n_args += n;
	for (int i = 1; n >= 0 && i < argc; i++)
		args[n_args++] = argv[i];
	status = n < 0 ? result_exit_status(RESULT_FAILED) : run(verbs, args, true);
	app_config_free(app);
	return status;
}
