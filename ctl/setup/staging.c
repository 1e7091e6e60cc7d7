#include "setup/staging.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "setup/fragment.h"
#include "setup/place.h"

/* Takes text. */
static int put(struct setup *setup, const char *dir, char *text, struct errinfo *ei)
{
	cleanup_free char *owned = text, *path = NULL;
	struct place_file file = {
		.data = text,
		.length = text ? strlen(text) : 0,
		.owner = {"root", "root", 0, 0},
		.mode = 0644,
	};

	if (asprintf(&path, "%s/deployd-%s.conf", dir, setup->app->app_name) < 0)
		path = NULL;
	if (!owned || !path)
		return errinfo_set(ei, ENOMEM, "cannot write in '%s'", dir);
	return place_file(setup, path, &file, ei);
}

int staging_sysusers(struct setup *setup, struct errinfo *ei)
{
	return put(setup, "/usr/lib/sysusers.d", fragment_sysusers(setup->app), ei);
}

int staging_tmpfiles(struct setup *setup, const struct tree *tree, struct errinfo *ei)
{
	return put(setup, "/usr/lib/tmpfiles.d", fragment_tmpfiles(setup->app, tree),
		   ei);
}
