#include "generate/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"

static int tell_errors(const struct options *options, const struct diag *diag)
{
	json_t *parameters, *messages = json_array();
	int status;

	for (size_t i = 0; i < diag->n_messages; i++)
		(void)json_array_append_new(messages, json_string(diag->messages[i]));
	parameters = json_pack("{s:o, s:s}", "messages", messages, "message",
			       "the app's configuration cannot be generated from");
	status = failure_show(options, RESULT_BAD_CONFIG, parameters);
	json_decref(parameters);
	return status;
}

int made_generate(const struct options *options, const struct app_config *app,
		  unsigned int what, struct generated *ret_generated)
{
	struct diag diag = {0};
	int status = 0;

	if (generate(app, what, &diag, ret_generated) < 0)
		status = failure_tell(options, RESULT_FAILED, "out of memory");
	else if (diag.has_errors)
		status = tell_errors(options, &diag);
	for (size_t i = 0; status == 0 && i < diag.n_messages; i++)
		terminal_error("%s", diag.messages[i]);
	diag_deinit(&diag);
	if (status != 0)
		generated_free(ret_generated);
	return status;
}

void made_begin(struct made *made, const char *dir)
{
	*made = (struct made){dir, json_array()};
}

void made_add(struct made *made, const char *path)
{
	(void)json_array_append_new(made->files, json_string(path));
}

void made_tell(struct made *made, const struct verb *verb,
	       const struct options *options, const struct app_config *app)
{
	const json_t *file;
	size_t i;

	if (options->json != JSON_MODE_OFF) {
		json_t *object = json_pack(
			"{s:i, s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:O}", "schema",
			JSON_SCHEMA, "type", "result", "result", "ok", "exit", 0,
			"verb", verb->name, "app", app->app_name, "directory",
			made->dir, "dry_run", options->dry_run, "files", made->files);

		json_out_print(object, options->json);
		json_decref(object);
	}
	json_array_foreach (made->files, i, file) {
		if (options->json != JSON_MODE_OFF || options->quiet)
			continue;
		terminal_put(stdout, made->dir);
		(void)putchar('/');
		terminal_put(stdout, json_string_value(file));
		(void)putchar('\n');
	}
	json_decref(made->files);
}
