/* The verbs that query. Each is a question, and how its answer is shown. */
#include "verbs.h"

#include <time.h>

#include "client/call.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/pager.h"
#include "output/show.h"
#include "setup/show_config.h"

static json_t *app_parameter(const struct options *options)
{
	return json_pack("{s:s}", "app", options->app);
}

/* Asks, and shows a list in a table, or what has one. */
static int show_table(const struct verb *verb, const struct options *options,
		      const char *method, json_t *parameters, const char *pick,
		      void (*print)(const json_t *rows, const struct options *options))
{
	json_t *value = NULL;
	int status = call_ask(verb, options, method, parameters, pick, &value);

	if (status != 0)
		return status;
	pager_start(options);
	if (options->json != JSON_MODE_OFF)
		json_out_print(value, options->json);
	else
		print(value, options);
	json_decref(value);
	return 0;
}

/* The same for a block. */
static int show_block(const struct verb *verb, const struct options *options,
		      json_t *value, void (*print)(const json_t *value, int64_t now))
{
	(void)verb;
	pager_start(options);
	if (options->json != JSON_MODE_OFF)
		json_out_print(value, options->json);
	else
		print(value, (int64_t)time(NULL));
	json_decref(value);
	return 0;
}

int verb_list(const struct verb *verb, const struct options *options)
{
	return show_table(verb, options, "io.deployd.List", NULL, "apps", show_list);
}

int verb_releases(const struct verb *verb, const struct options *options)
{
	return show_table(verb, options, "io.deployd.Releases", app_parameter(options),
			  "releases", show_releases);
}

int verb_history(const struct verb *verb, const struct options *options)
{
	json_t *parameters = app_parameter(options);

	if (options->lines >= 0)
		(void)json_object_set_new(parameters, "limit",
					  json_integer(options->lines));
	return show_table(verb, options, "io.deployd.History", parameters, "entries",
			  show_history);
}

int verb_jobs(const struct verb *verb, const struct options *options)
{
	return show_table(verb, options, "io.deployd.Jobs", NULL, "jobs", show_jobs);
}

int verb_status(const struct verb *verb, const struct options *options)
{
	json_t *value = NULL;
	int status;

	if (options->daemon)
		return show_table(verb, options, "io.deployd.DaemonStatus", NULL, NULL,
				  show_daemon);
	status = call_ask(verb, options, "io.deployd.Status", app_parameter(options),
			  "status", &value);

	return status != 0 ? status : show_block(verb, options, value, show_status);
}

/* Over -H the answer is what the other deployctl printed: flat already. */
int verb_show(const struct verb *verb, const struct options *options)
{
	json_t *parameters = app_parameter(options), *value = NULL, *release;
	int status;

	if (options->config) {
		json_decref(parameters);
		return show_config(options);
	}
	if (options->app_file) {
		json_decref(parameters);
		return failure_tell(options, RESULT_USAGE,
				    "--app-file goes with --config");
	}
	if (options->release)
		(void)json_object_set_new(parameters, "release",
					  json_string(options->release));
	status = call_ask(verb, options, "io.deployd.Show", parameters, NULL, &value);
	if (status != 0)
		return status;
	release = json_incref(json_object_get(value, "release"));
	if (json_is_object(release)) {
		(void)json_object_set(release, "current",
				      json_object_get(value, "current"));
		json_decref(value);
		value = json_out_with_schema(release);
	} else {
		json_decref(release);
	}
	return show_block(verb, options, value, show_release);
}
