/* "Did you mean": the names that a user may see, against the one that was written. */
#include "client/meant.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection.h"
#include "deploy/suggest.h"
#include "output/json_out.h"
#include "process/program.h"

/* A hint is not worth a longer wait. */
#define HINT_TIMEOUT_MSEC 2000

/* The list in deployd's answer, or NULL. Takes the reference on parameters. */
static json_t *ask(const struct options *options, const char *method,
		   json_t *parameters, const char *pick)
{
	struct connection connection;
	struct errinfo error = {0};
	struct reply reply = {0};
	json_t *list = NULL;

	if (connection_open(&connection, options->socket, &error) < 0) {
		json_decref(parameters);
		return NULL;
	}
	if (connection_call(&connection, method, parameters, false, -1) == 0 &&
	    connection_receive(&connection, program_now_ms() + HINT_TIMEOUT_MSEC, NULL,
			       &reply) == RECEIVED_REPLY) {
		if (!reply.error)
			list = json_incref(json_object_get(reply.parameters, pick));
		json_decref(reply.message);
	}
	connection_close(&connection);
	return list;
}

/* The nearest of the names in a list of objects. *ret_known: it is one of them. */
static char *nearest(const json_t *list, const char *key, const char *wrong,
		     bool *ret_known)
{
	size_t n_names = 0;
	const char **names = calloc(json_array_size(list) + 1, sizeof(*names)), *meant;
	char *copy;

	*ret_known = false;
	if (!names)
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_out_text(json_array_get(list, i), key);

		if (!name)
			continue;
		names[n_names++] = name;
		*ret_known = *ret_known || strcmp(name, wrong) == 0;
	}
	meant = *ret_known ? NULL : suggest_word(wrong, names);
	copy = meant ? strdup(meant) : NULL;
	free(names);
	return copy;
}

char *meant_word(const struct options *options)
{
	const char *release = options->n_args > 1 ? options->args[1] : options->release;
	json_t *list;
	bool known;
	char *meant;

	if (!options->app || options->host)
		return NULL;
	list = ask(options, "io.deployd.List", NULL, "apps");
	meant = nearest(list, "app", options->app, &known);
	json_decref(list);
	if (meant || !known || !release)
		return meant;
	list = ask(options, "io.deployd.Releases",
		   json_pack("{s:s}", "app", options->app), "releases");
	meant = nearest(list, "id", release, &known);
	json_decref(list);
	return meant;
}
