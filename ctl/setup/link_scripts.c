/* link-scripts: mix_deploy's names in scripts_dir, each a link to deployctl. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "build_config.h"
#include "setup/place.h"
#include "setup/script_names.h"
#include "setup/setup.h"

#define DEPLOYCTL_PROGRAM DEPLOYD_BINDIR "/deployctl"

int setup_link_scripts(struct setup *setup, struct errinfo *ei)
{
	const char *prefix = script_prefix(setup->app);
	char path[PATH_MAX];
	struct stat st;
	int n, r = 0;

	for (size_t i = 0; r == 0 && i < n_scripts; i++) {
		if (!scripts[i].verb)
			continue;
		n = snprintf(path, sizeof(path), "%s/%s%s", setup->app->scripts_dir,
			     prefix, scripts[i].name);
		if (n < 0 || (size_t)n >= sizeof(path))
			return errinfo_set(ei, ENAMETOOLONG, "cannot link scripts");
		r = place_stat(setup, path, &st, ei);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && !S_ISLNK(st.st_mode) && !setup->options->yes) {
			setup_note(setup,
				   "%s is a file of its own: left; link-scripts --yes "
				   "puts the link there",
				   path);
			continue;
		}
		r = place_link(setup, path, DEPLOYCTL_PROGRAM, ei);
	}
	return r;
}
