/* The set-up verbs as they are in the table of verbs. */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "setup/setup.h"

static const struct {
	const char *verb;
	setup_step *step;
} steps[] = {
	{"init", setup_init},
	{"create-users", setup_create_users},
	{"create-dirs", setup_create_dirs},
	{"copy-files", setup_copy_files},
	{"link-scripts", setup_link_scripts},
	{"set-perms", setup_set_perms},
	{"clean-target", setup_clean_target},
	{"remove-app", setup_remove_app},
	{"enable", setup_enable},
	{"adopt", setup_adopt},
};

int setup_init(struct setup *setup, struct errinfo *ei)
{
	static const char *const order[] = {"create-users", "create-dirs", "copy-files",
					    "link-scripts", "enable"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(order) / sizeof(*order); i++)
		for (size_t j = 0; r == 0 && j < sizeof(steps) / sizeof(*steps); j++) {
			struct errinfo inner = {0};

			if (strcmp(steps[j].verb, order[i]) != 0)
				continue;
			r = steps[j].step(setup, &inner);
			if (r == 0)
				continue;
			*ei = inner;
			(void)snprintf(ei->what, sizeof(ei->what),
				       "%s: %s; correct that and run init again (what "
				       "was done stays)",
				       order[i], inner.what);
		}
	/* It refuses an app whose users are not there, so only now. */
	if (r == 0 && setup->n_changes > 0 && !setup->dry_run && !*setup->destdir)
		setup_note(setup, "deployd takes it up with: systemctl reload deployd");
	return r;
}

int verb_setup(const struct verb *verb, const struct options *options)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (strcmp(steps[i].verb, verb->name) == 0)
			return setup_run(verb, options, steps[i].step);
	abort(); /* a row without a step */
}

/*
 * Root enables the unit here and now: deployd need not run, and the unit may have to be
 * linked first. Others, and root on another machine, ask deployd.
 */
int verb_enable(const struct verb *verb, const struct options *options)
{
	const char *destdir = getenv("DESTDIR");
	bool to_deployd = options->host || options->socket || options->no_block ||
			  options->timeout_sec >= 0;
	bool is_setup = options->dry_run || options->now || options->app_file ||
			(destdir && *destdir);

	if (to_deployd && is_setup)
		return call_tell(options, RESULT_USAGE,
				 "--now, --dry-run, --app-file and DESTDIR are for "
				 "root on this machine, without deployd");
	if (is_setup || (geteuid() == 0 && !to_deployd))
		return verb_setup(verb, options);
	if (!options->app)
		return call_tell(options, RESULT_USAGE, "usage: deployctl enable APP");
	return verb_unit(verb, options);
}
