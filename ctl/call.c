#include "call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "json_out.h"
#include "meant.h"
#include "remote.h"
#include "terminal.h"

#define ANSWER_TIMEOUT_MSEC 60000
/* A deployd that restarts has closed us; the next one hears us at its start. */
#define ATTEMPTS_MAX 5

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
	} names[] = {{"app", "the app's name"},
		     {"archiveFileDescriptor", "the archive"},
		     {"confirmSec", "--confirm"},
		     {"force", "--force"},
		     {"ifCurrent", "--if-current"},
		     {"job", "the job"},
		     {"limit", "--lines"},
		     {"lines", "--lines"},
		     {"message", "--message"},
		     {"release", "the release"},
		     {"revision", "--revision"},
		     {"sha256", "--sha256"},
		     {"idempotencyKey", "--idempotency-key"},
		     {"redeploy", "--redeploy"},
		     {"stripComponents", "--strip-components"},
		     {"untilSec", "--until"},
		     {"user", "--user"},
		     {"verb", "the verb"},
		     {"version", "--version"},
		     {"wait", "--no-block"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].wire, parameter) == 0)
			return names[i].name;
	return parameter;
}

enum deploy_result call_error(const struct options *options, const struct reply *reply,
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

static void print_lines(const json_t *lines, const char *indent)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		(void)fputs(indent, stderr);
		terminal_put(stderr, json_string_value(json_array_get(lines, i)));
		(void)fputc('\n', stderr);
	}
}

/* What a check wrote, a line at a time: a newline of its own is no escape. */
static void print_check(const char *text)
{
	if (!text || !*text)
		return;
	(void)fputs("The check said:\n", stderr);
	while (*text) {
		size_t length = strcspn(text, "\n");
		cleanup_free char *line = strndup(text, length);

		(void)fputs("  ", stderr);
		terminal_put(stderr, line);
		(void)fputc('\n', stderr);
		text += length;
		text += *text == '\n';
	}
}

void call_print_failure(const json_t *parameters)
{
	const json_t *log = json_object_get(parameters, "unit_log");
	const char *message = json_out_text(parameters, "message");

	print_lines(json_object_get(parameters, "messages"), "");
	terminal_error("%s", message ? message : "failed");
	print_check(json_out_text(parameters, "check_output"));
	if (json_array_size(log) > 0)
		(void)fputs("The unit's last lines in the journal:\n", stderr);
	print_lines(log, "  ");
}

int call_tell_failure(const struct options *options, enum deploy_result result,
		      const json_t *parameters)
{
	int status = result_exit_status(result);
	json_t *object;

	call_print_failure(parameters);
	if (options->json == JSON_MODE_OFF)
		return status;
	object = json_pack("{s:i, s:s, s:s, s:i}", "schema", JSON_SCHEMA, "type",
			   "result", "result", result_name(result), "exit", status);
	if (object &&
	    json_object_update_missing(object, (json_t *)(uintptr_t)parameters) == 0)
		json_out_print(object, options->json);
	json_decref(object);
	return status;
}

int call_tell(const struct options *options, enum deploy_result result, const char *fmt,
	      ...)
{
	char text[1024];
	cleanup_free char *clean = NULL;
	json_t *parameters;
	va_list ap;
	int status;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean = terminal_clean(text); /* a file's name need not be UTF-8 */
	parameters = json_pack("{s:s}", "message", clean);
	status = call_tell_failure(options, result, parameters);
	json_decref(parameters);
	return status;
}

/* The answer, in snake_case; or the failure is told. */
static int take_answer(const struct options *options, const struct reply *reply,
		       const char *pick, json_t **ret_value)
{
	json_t *value;

	if (reply->error) {
		enum deploy_result result = call_error(options, reply, &value);
		int status = call_tell_failure(options, result, value);

		json_decref(value);
		return status;
	}
	value = pick ? json_out_snake(json_object_get(reply->parameters, pick))
		     : json_out_with_schema(reply->parameters
						    ? json_out_snake(reply->parameters)
						    : json_object());
	if (!value)
		return call_tell(options, RESULT_FAILED,
				 "deployd's answer is not one of this version's");
	*ret_value = value;
	return 0;
}

/*
 * One attempt. -ECONNRESET: deployd went away before it answered, and looking twice
 * does no harm.
 */
static int attempt(const struct options *options, const char *method,
		   const json_t *parameters, const char *pick, json_t **ret_value)
{
	struct connection connection;
	struct errinfo error = {0};
	struct reply reply = {0};
	enum received received;
	int r;

	r = connection_open(&connection, options->socket, &error);
	if (r < 0)
		return call_tell(options, error.result, "%s", error.what);
	r = connection_call(&connection, method, json_deep_copy(parameters), false, -1);
	if (r == -EPIPE || r == -ECONNRESET || r == 0) {
		received = connection_receive(&connection,
					      connection_now_ms() + ANSWER_TIMEOUT_MSEC,
					      NULL, &reply);
		r = received == RECEIVED_REPLY	       ? 0
		    : received == RECEIVED_END	       ? -ECONNRESET
		    : received == RECEIVED_TIMEOUT     ? -ETIMEDOUT
		    : received == RECEIVED_NO_SESSIONS ? -EHOSTDOWN
						       : -EBADMSG;
	}
	connection_close(&connection);
	if (r == 0) {
		r = take_answer(options, &reply, pick, ret_value);
		json_decref(reply.message);
		return r;
	}
	if (r == -ECONNRESET)
		return r;
	if (r == -EHOSTDOWN)
		return call_tell(options, RESULT_NO_DAEMON, "%s",
				 CONNECTION_NO_SESSIONS_TEXT);
	if (r == -ETIMEDOUT)
		return call_tell(options, RESULT_NO_DAEMON,
				 "deployd does not answer; see `systemctl status "
				 "deployd`");
	return call_tell(options, RESULT_FAILED, "cannot talk to deployd: %s",
			 strerror(-r));
}

int call_ask(const struct verb *verb, const struct options *options, const char *method,
	     json_t *parameters, const char *pick, json_t **ret_value)
{
	int r = -ECONNRESET;

	if (options->host) {
		json_decref(parameters);
		return remote_ask(verb, options, ret_value);
	}
	for (int i = 0; i < ATTEMPTS_MAX && r == -ECONNRESET; i++)
		r = attempt(options, method, parameters, pick, ret_value);
	json_decref(parameters);
	if (r == -ECONNRESET)
		return call_tell(options, RESULT_NO_DAEMON,
				 "deployd closes the connection without an answer; see "
				 "`journalctl -u deployd`");
	return r;
}
