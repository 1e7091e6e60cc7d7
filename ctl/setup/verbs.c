/* The set-up verbs as the table of verbs has them. */
#include "setup/verbs.h"

#include <stdio.h>

#include "setup/setup.h"

/* What `init` does, in this order. */
static const struct {
	const char *verb;
	setup_step *step;
} init_steps[] = {
	{"create-users", setup_create_users},
	{"create-dirs", setup_create_dirs},
	{"copy-files", setup_copy_files},
	{"link-scripts", setup_link_scripts},
	{"enable", setup_enable},
};

static int init(struct setup *setup, struct errinfo *ei)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(init_steps) / sizeof(*init_steps);
	     i++) {
		struct errinfo inner = {0};

		r = init_steps[i].step(setup, &inner);
		if (r == 0)
			continue;
		*ei = inner;
		(void)snprintf(ei->what, sizeof(ei->what),
			       "%s: %s; correct that and run init again (what was done "
			       "stays)",
			       init_steps[i].verb, inner.what);
	}
	/* It refuses an app whose users are not there, so only now. */
	if (r == 0 && setup->n_changes > 0 && !setup->dry_run && !*setup->destdir)
		setup_note(setup, "deployd takes it up with: systemctl reload deployd");
	return r;
}

int verb_init(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, init);
}

int verb_create_users(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_create_users);
}

int verb_create_dirs(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_create_dirs);
}

int verb_copy_files(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_copy_files);
}

int verb_link_scripts(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_link_scripts);
}

int verb_set_perms(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_set_perms);
}

int verb_clean_target(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_clean_target);
}

int verb_remove_app(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_remove_app);
}

int verb_adopt(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_adopt);
}

int verb_enable_here(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, setup_enable);
}
