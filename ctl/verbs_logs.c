/* The verb `logs`: the unit's journal, as deployd reads it. */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/connection.h"
#include "client/remote.h"
#include "client/reply_error.h"
#include "deploy/cleanup.h"
#include "output/failure.h"
#include "output/pager.h"
#include "output/terminal.h"

/* On a terminal, control sequences of a line are escaped; elsewhere it stays as it is.
 */
static void print_log_line(const char *line)
{
	while (terminal_stdout() && *line) {
		size_t length = strcspn(line, "\t");
		cleanup_free char *part = strndup(line, length);

		terminal_put(stdout, part);
		line += length;
		if (*line == '\t')
			(void)putchar(*line++);
	}
	(void)puts(line);
}

/* False: nobody reads any more. */
static bool print_log_lines(const struct reply *reply)
{
	const json_t *lines = json_object_get(reply->parameters, "lines");

	for (size_t i = 0; i < json_array_size(lines); i++) {
		const char *line = json_string_value(json_array_get(lines, i));

		if (line)
			print_log_line(line);
	}
	return fflush(stdout) == 0;
}

/* Prints lines until the last reply, *ret_reply. Returns an exit status. */
static int read_log(const struct options *options, struct connection *connection,
		    struct reply *ret_reply)
{
	for (;;) {
		enum received received =
			connection_receive(connection, -1, NULL, ret_reply);

		if (received == RECEIVED_NO_SESSIONS)
			return failure_tell(options, RESULT_NO_DAEMON, "%s",
					    CONNECTION_NO_SESSIONS_TEXT);
		if (received != RECEIVED_REPLY)
			return failure_tell(
				options, RESULT_FAILED,
				"deployd closed the connection before the end "
				"of the log; try again");
		if (!ret_reply->error && !print_log_lines(ret_reply))
			return result_exit_status(RESULT_FAILED);
		if (!ret_reply->continues)
			return 0;
		json_decref(ret_reply->message);
		*ret_reply = (struct reply){0};
	}
}

int verb_logs(const struct verb *verb, const struct options *options)
{
	struct connection connection;
	struct errinfo error = {0};
	struct reply reply = {0};
	json_t *parameters;
	int r, status;

	if (options->host)
		return remote_pass(verb, options);
	if (!options->follow)
		pager_start(options);
	r = connection_open(&connection, options->socket, &error);
	if (r < 0)
		return failure_tell(options, error.result, "%s", error.what);
	parameters =
		json_pack("{s:s, s:b}", "app", options->app, "follow", options->follow);
	if (options->lines >= 0)
		(void)json_object_set_new(parameters, "lines",
					  json_integer(options->lines));
	/* One that has closed the connection may have said why before. */
	r = connection_call(&connection, "io.deployd.Logs", parameters, true, -1);
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		status = read_log(options, &connection, &reply);
	else
		status = failure_tell(options, RESULT_FAILED, "cannot ask deployd: %s",
				      strerror(-r));
	connection_close(&connection);
	if (status == 0 && reply.error) {
		json_t *failure = NULL;
		enum deploy_result result = reply_error(options, &reply, &failure);

		status = failure_show(options, result, failure);
		json_decref(failure);
	}
	json_decref(reply.message);
	return status;
}
