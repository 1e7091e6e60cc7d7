/* The verb generate. */
#include "generate/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "generate/check.h"
#include "generate/made.h"
#include "generate/output.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "setup/app_file.h"

/* The directory that mix_deploy generates in. */
static char *default_directory(const struct app_config *app)
{
	const struct app_option *mix_env = app_config_option(app, "mix_env");
	char *dir;

	return asprintf(&dir, "_build/%s/deploy",
			mix_env && mix_env->value ? mix_env->value : "prod") < 0
		       ? NULL
		       : dir;
}

static int write_files(const struct options *options, const char *dir,
		       const struct generated *generated)
{
	cleanup_close int fd = -1;
	struct errinfo ei = {0};
	int r = output_open(dir, &fd, &ei);

	if (r == 0)
		r = output_generated(fd, generated, &ei);
	return r < 0 ? failure_tell(options, ei.result, "%s: %s", dir, ei.what) : 0;
}

static int run(const struct verb *verb, const struct options *options,
	       const struct app_config *app, const struct generated *generated)
{
	cleanup_free char *by_default = default_directory(app);
	const char *dir = options->to ? options->to : by_default;
	struct made made;
	int status;

	if (options->check)
		return check_installed(options, app, generated);
	if (!dir)
		return failure_tell(options, RESULT_FAILED, "out of memory");
	status = options->dry_run ? 0 : write_files(options, dir, generated);
	if (status != 0)
		return status;
	made_begin(&made, dir);
	for (size_t i = 0; i < generated->n_files; i++)
		if (generated->files[i].text)
			made_add(&made, generated->files[i].path);
	made_tell(&made, verb, options, app);
	return 0;
}

int verb_generate(const struct verb *verb, const struct options *options)
{
	unsigned int what = GENERATE_UNITS;
	struct generated generated;
	struct app_config *app = NULL;
	int status = app_file_load(options, true, &app);

	if (status != 0)
		return status;
	if (!options->check)
		what |= GENERATE_OTHERS | GENERATE_BUNDLE;
	if (options->sudoers)
		what |= GENERATE_SUDOERS;
	if (options->check && (options->to || options->sudoers))
		status = failure_tell(options, RESULT_USAGE,
				      "--check compares the installed units and writes "
				      "nothing: it goes without --to and --sudoers");
	if (status == 0)
		status = made_generate(options, app, what, &generated);
	if (status == 0) {
		status = run(verb, options, app, &generated);
		generated_free(&generated);
	}
	app_config_free(app);
	return status;
}
