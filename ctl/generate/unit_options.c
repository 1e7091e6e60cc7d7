/* What the app's options say of its unit, for more than one part of it. */
#include <stdlib.h>
#include <string.h>

#include "generate/unit.h"
#include "setup/tree.h"

unsigned int unit_systemd_version(const struct text *text)
{
	const char *version = text_option(text, "systemd_version");

	return version ? (unsigned int)strtoul(version, NULL, 10) : 0;
}

static bool is_set(const struct app_config *app, const char *option)
{
	const struct text text = {.app = app};

	return text_option(&text, option) != NULL;
}

bool unit_has_socket(const struct app_config *app)
{
	return is_set(app, "listen_stream");
}

bool unit_has_environment(const struct app_config *app)
{
	const struct text text = {.app = app};

	return text_option_yes(&text, "runtime_environment_service") ||
	       is_set(app, "runtime_environment_service_script");
}

bool unit_uses_script(const struct text *text)
{
	return !text_option(text, "exec_start");
}

bool unit_wants_runtime(const struct text *text)
{
	const char *dir = text_option(text, "runtime_dir");

	if (tree_has_word(text_option(text, "dirs"), "runtime") ||
	    unit_uses_script(text) || unit_has_environment(text->app))
		return true;
	return text_option_is(text, "service_type", "forking") &&
	       tree_is_below(text_option(text, "pid_file"), dir);
}

enum unit_root unit_root(const struct text *text)
{
	const char *root = text_option(text, "root_directory");

	if (!text_option_yes(text, "chroot") || strcmp(root, "/") == 0)
		return UNIT_ROOT_HOST;
	return tree_is_below(root, text->app->current_dir) ||
			       tree_is_below(root, text->app->releases_dir)
		       ? UNIT_ROOT_RELEASE
		       : UNIT_ROOT_OWN;
}

const char *unit_path(const struct text *text, const char *path)
{
	const char *root = text_option(text, "root_directory");

	if (unit_root(text) != UNIT_ROOT_RELEASE || !tree_is_below(path, root))
		return path;
	path += strlen(root);
	return *path ? path : "/";
}
