#include "generate/generate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "generate/text.h"
#include "generate/unit.h"
#include "setup/fragment.h"

static int generate_units(const struct app_config *app, struct diag *diag,
			  struct generated *generated)
{
	const char *service = app->service_name;
	int r = generated_add(generated, 0644, unit_service(app, diag), "systemd/%s",
			      app->unit);

	if (r == 0 && unit_has_socket(app))
		r = generated_add(generated, 0644, unit_socket(app, diag),
				  "systemd/%s.socket", service);
	else if (r == 0)
		r = generated_add_removal(generated, "systemd/%s.socket", service);
	if (r == 0 && unit_has_environment(app))
		r = generated_add(generated, 0644, unit_environment(app, diag),
				  "systemd/%s-runtime-environment.service", service);
	else if (r == 0)
		r = generated_add_removal(
			generated, "systemd/%s-runtime-environment.service", service);
	return r;
}

/* Takes body. */
static char *with_header(const struct app_config *app, struct diag *diag, char *body)
{
	cleanup_free char *owned = body;
	struct text text;

	if (!owned || !text_begin(&text, app, diag))
		return NULL;
	text_header(&text);
	text_put(&text, "\n%s", owned);
	return text_end(&text);
}

static int generate_fragments(const struct app_config *app, struct diag *diag,
			      struct generated *generated)
{
	struct tree tree;
	int r = tree_of(app, &tree);

	if (r < 0)
		return r;
	r = generated_add(generated, 0644,
			  with_header(app, diag, fragment_sysusers(app)),
			  "sysusers.d/deployd-%s.conf", app->app_name);
	if (r == 0)
		r = generated_add(generated, 0644,
				  with_header(app, diag, fragment_tmpfiles(app, &tree)),
				  "tmpfiles.d/deployd-%s.conf", app->app_name);
	tree_deinit(&tree);
	return r;
}

static int generate_others(const struct app_config *app, struct diag *diag,
			   struct generated *generated)
{
	int r = generate_fragments(app, diag, generated);

	if (r == 0)
		r = generated_add(generated, 0644, generate_policy(app, diag),
				  "policy.d/%s.conf", app->app_name);
	return r;
}

/* sudo does not read files of its directory that have a dot in their name. */
static int add_sudoers(const struct app_config *app, struct diag *diag,
		       struct generated *generated)
{
	cleanup_free char *name = strdup(app->ext_name);

	if (!name)
		return -ENOMEM;
	for (char *p = name; (p = strchr(p, '.'));)
		*p = '_';
	return generated_add(generated, 0440, generate_sudoers(app, diag),
			     "sudoers.d/%s", name);
}

int generate(const struct app_config *app, unsigned int what, struct diag *diag,
	     struct generated *ret_generated)
{
	int r = 0;

	*ret_generated = (struct generated){0};
	if (what & GENERATE_UNITS)
		r = generate_units(app, diag, ret_generated);
	if (r == 0 && (what & GENERATE_OTHERS))
		r = generate_others(app, diag, ret_generated);
	if (r == 0 && (what & GENERATE_BUNDLE))
		r = generated_add(ret_generated, 0644, generate_appspec(app, diag),
				  "appspec.yml");
	if (r == 0 && (what & GENERATE_BUNDLE))
		r = generate_hooks(app, diag, ret_generated);
	if (r == 0 && (what & GENERATE_SUDOERS))
		r = add_sudoers(app, diag, ret_generated);
	return r;
}
