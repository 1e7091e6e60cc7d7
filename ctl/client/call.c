#include "client/call.h"

#include <errno.h>
#include <string.h>

#include "client/connection.h"
#include "client/remote.h"
#include "client/reply_error.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "process/program.h"

#define ANSWER_TIMEOUT_MSEC 60000
/* A deployd that restarts has closed us; the next one hears us at its start. */
#define ATTEMPTS_MAX 5

/* The answer, in snake_case; or the failure is told. */
static int take_answer(const struct options *options, const struct reply *reply,
		       const char *pick, json_t **ret_value)
{
	json_t *value;

	if (reply->error) {
		enum deploy_result result = reply_error(options, reply, &value);
		int status = failure_show(options, result, value);

		json_decref(value);
		return status;
	}
	value = pick ? json_out_snake(json_object_get(reply->parameters, pick))
		     : json_out_with_schema(reply->parameters
						    ? json_out_snake(reply->parameters)
						    : json_object());
	if (!value)
		return failure_tell(options, RESULT_FAILED,
				    "deployd's answer is not one of this version's");
	*ret_value = value;
	return 0;
}

/*
 * One attempt. -ECONNRESET: deployd went away before it answered, and asking twice
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
		return failure_tell(options, error.result, "%s", error.what);
	r = connection_call(&connection, method, json_deep_copy(parameters), false, -1);
	if (r == -EPIPE || r == -ECONNRESET || r == 0) {
		received = connection_receive(&connection,
					      program_now_ms() + ANSWER_TIMEOUT_MSEC,
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
		return failure_tell(options, RESULT_NO_DAEMON, "%s",
				    CONNECTION_NO_SESSIONS_TEXT);
	if (r == -ETIMEDOUT)
		return failure_tell(options, RESULT_NO_DAEMON,
				    "deployd does not answer; see `systemctl status "
				    "deployd`");
	return failure_tell(options, RESULT_FAILED, "cannot talk to deployd: %s",
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
		return failure_tell(
			options, RESULT_NO_DAEMON,
			"deployd closes the connection without an answer; see "
			"`journalctl -u deployd`");
	return r;
}
