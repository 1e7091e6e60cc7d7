/* Where a build leaves its archive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "scripts/scripts.h"

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static const char *option(const struct app_config *app, const char *name)
{
	const struct app_option *found = app_config_option(app, name);

	return found && found->value ? found->value : "";
}

/* "ERTS VERSION", of the release that was assembled last. */
static bool last_built(const char *mix_env, const char *name, char ret_version[128])
{
	cleanup_file FILE *file = NULL;
	char path[4096];

	(void)snprintf(path, sizeof(path), "_build/%s/rel/%s/releases/start_erl.data",
		       mix_env, name);
	file = fopen(path, "re");
	return file && fscanf(file, "%*127s %127s", ret_version) == 1;
}

int build_find(const struct app_config *app, struct build *ret_build,
	       struct errinfo *ei)
{
	const char *name = environment("RELEASE_NAME", app->release_name);
	const char *version = environment("RELEASE_VSN", app->version);
	const char *mix_env = option(app, "mix_env");
	bool is_mix = strcmp(option(app, "release_system"), "distillery") != 0;
	char built[128], shown[300];
	int n;

	if (!version)
		version = last_built(mix_env, name, built) ? built : NULL;
	if (!version)
		return errinfo_refuse(
			ei, RESULT_NOT_FOUND,
			"no release of %s in _build/%s here; "
			"build it (MIX_ENV=%s mix release) and run this "
			"in the project's directory, or name the archive: "
			"deployctl deploy %s FILE",
			names_escape(name, shown, sizeof(shown)), mix_env, mix_env,
			app->app_name);
	if (is_mix)
		n = snprintf(ret_build->path, sizeof(ret_build->path),
			     "_build/%s/%s-%s.tar.gz", mix_env, name, version);
	else
		n = snprintf(ret_build->path, sizeof(ret_build->path),
			     "_build/%s/rel/%s/releases/%s/%s.tar.gz", mix_env, name,
			     version, name);
	if (n < 0 || (size_t)n >= sizeof(ret_build->path))
		return errinfo_set(ei, ENAMETOOLONG, "cannot search for the archive");
	(void)snprintf(ret_build->version, sizeof(ret_build->version), "%s", version);
	if (access(ret_build->path, F_OK) == 0)
		return 0;
	return errinfo_refuse(ei, RESULT_NOT_FOUND,
			      "there is no archive '%s' here; build it (in mix.exs the "
			      "release needs `steps: [:assemble, :tar]`), or name it: "
			      "deployctl deploy %s FILE",
			      names_escape(ret_build->path, shown, sizeof(shown)),
			      app->app_name);
}
