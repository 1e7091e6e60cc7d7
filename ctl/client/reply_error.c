#include "client/reply_error.h"

#include <string.h>

#include "client/meant.h"
#include "deploy/cleanup.h"
#include "output/json_out.h"

/* "...; did you mean 'hello'?" */
static void add_meant(const struct options *options, json_t *parameters)
{
	const char *message = json_out_text(parameters, "message");
	cleanup_free char *meant = message ? meant_word(options) : NULL;

	if (meant)
		(void)json_object_set_new(
			parameters, "message",
			json_sprintf("%s; did you mean '%s'?", message, meant));
}

/* How a person names what goes over the wire. */
static const char *name_of_parameter(const char *parameter)
{
	static const struct {
		const char *wire, *name;
	} names[] = {
		{"app", "the app's name"},     {"archiveFileDescriptor", "the archive"},
		{"confirmSec", "--confirm"},   {"force", "--force"},
		{"ifCurrent", "--if-current"}, {"job", "the job"},
		{"limit", "--lines"},	       {"lines", "--lines"},
		{"message", "--message"},      {"release", "the release"},
		{"revision", "--revision"},    {"sha256", "--sha256"},
		{"untilSec", "--until"},       {"user", "--user"},
		{"verb", "the verb"},	       {"version", "--version"},
		{"wait", "--no-block"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].wire, parameter) == 0)
			return names[i].name;
	return parameter;
}

enum deploy_result reply_error(const struct options *options, const struct reply *reply,
			       json_t **ret_parameters)
{
	enum deploy_result result = result_from_error_name(reply->error);
	json_t *parameters =
		reply->parameters ? json_out_snake(reply->parameters) : json_object();
	const char *parameter = json_out_text(parameters, "parameter");

	if (strcmp(reply->error, "org.varlink.service.InvalidParameter") == 0 &&
	    parameter) {
		(void)json_object_set_new(
			parameters, "message",
			json_sprintf(
				"deployd does not accept %s as given; a deployd "
				"that is older than this deployctl may not know it",
				name_of_parameter(parameter)));
	} else if (strcmp(reply->error, "org.varlink.service.MethodNotFound") == 0) {
		result = RESULT_FAILED;
		(void)json_object_set_new(
			parameters, "message",
			json_string("the deployd that runs is too old for this; update "
				    "and restart it"));
	} else if (!json_out_text(parameters, "message")) {
		(void)json_object_set_new(parameters, "message",
					  json_string(reply->error));
	}
	if (result == RESULT_NOT_FOUND || result == RESULT_DENIED)
		add_meant(options, parameters);
	*ret_parameters = parameters;
	return result;
}
