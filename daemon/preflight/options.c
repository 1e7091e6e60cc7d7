#include "preflight/options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "deploy/names.h"

#define SHOWN_SIZE  256
#define OPTION_SIZE 32

static int refuse(const char *arg, const char *why, struct errinfo *ei)
{
	char shown[SHOWN_SIZE];

	return errinfo_refuse(ei, RESULT_FAILED, "'%s': %s",
			      names_escape(arg, shown, sizeof(shown)), why);
}

static int take_once(const char **slot, const char *arg, const char *path,
		     struct errinfo *ei)
{
	if (*slot)
		return refuse(arg, "given twice", ei);
	*slot = path;
	return 0;
}

static int take(struct preflight_options *options, const char *arg, const char *name,
		const char *path, struct errinfo *ei)
{
	const enum preflight_use use = preflight_use_from_name(name);

	if (strcmp(name, "current") == 0)
		return take_once(&options->current, arg, path, ei);
	if (strcmp(name, "release") == 0)
		return take_once(&options->release, arg, path, ei);
	if (strcmp(name, "hidden") == 0) {
		if (options->n_hidden == PREFLIGHT_HIDDEN_MAX)
			return refuse(arg, "too many", ei);
		options->hidden[options->n_hidden++] = path;
		return 0;
	}
	if (use == PREFLIGHT_USE_COUNT)
		return refuse(arg, "unknown argument", ei);
	if (options->n_asked == PREFLIGHT_PATHS_MAX)
		return refuse(arg, "too many", ei);
	options->asked[options->n_asked].use = use;
	options->asked[options->n_asked++].path = path;
	return 0;
}

int preflight_options_parse(int argc, char **argv,
			    struct preflight_options *ret_options, struct errinfo *ei)
{
	struct preflight_options options = {0};

	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value = strchr(arg, '=');
		char name[OPTION_SIZE];
		int r;

		if (strncmp(arg, "--", 2) != 0 || !value ||
		    (size_t)(value - arg) - 2 >= sizeof(name))
			return refuse(arg, "unknown argument", ei);
		(void)snprintf(name, sizeof(name), "%.*s", (int)(value - arg) - 2,
			       arg + 2);
		if (value[1] != '/' || strnlen(value + 1, PATH_MAX) == PATH_MAX)
			return refuse(arg, "wanted an absolute path", ei);
		r = take(&options, arg, name, value + 1, ei);
		if (r < 0)
			return r;
	}
	if (!options.current || !options.release)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "--current and --release are needed");
	*ret_options = options;
	return 0;
}
