/*
 * The wait for a job. Whoever leaves it, by ^C, by --timeout or because deployd
 * went away, is told what becomes of the job.
 */
#include "client/follow.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/connection.h"
#include "client/reply_error.h"
#include "deploy/duration.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "process/program.h"

static volatile sig_atomic_t caught;
static sigset_t wait_mask;

static void on_signal(int signal)
{
	caught = signal;
}

/*
 * Blocked but for the waits, so that none comes between the test of `caught` and the
 * wait. An inherited "ignore" is not honoured: who interrupts wants to hear that the
 * job goes on.
 */
static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t block;

	(void)sigemptyset(&block);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		(void)sigaddset(&block, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &block, &wait_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		(void)sigaction(signals[i], &action, NULL);
		(void)sigdelset(&wait_mask, signals[i]);
	}
}

const sigset_t *follow_mask(void)
{
	return &wait_mask;
}

void follow_init(struct follow *follow, const struct options *options)
{
	*follow = (struct follow){.options = options, .app = options->app};
	progress_init(&follow->progress,
		      options->quiet || options->json != JSON_MODE_OFF);
	catch_signals();
}

/* "job 1a2b goes on; `deployctl attach 1a2b` follows it" */
static void format_goes_on(const struct follow *follow, char *ret_text, size_t size)
{
	const char *host = follow->options->host;
	const char *pre = host ? "-H " : "", *post = host ? " " : "";
	const char *until = follow->feeds_archive ? " if its archive is complete" : "";

	host = host ? host : "";
	if (*follow->job)
		(void)snprintf(
			ret_text, size,
			"job %s goes on%s; `deployctl %s%s%sattach %s` follows it",
			follow->job, until, pre, host, post, follow->job);
	else
		(void)snprintf(ret_text, size,
			       "the job goes on%s; `deployctl %s%s%sjobs` shows it",
			       until, pre, host, post);
}

void follow_leave_if_told(struct follow *follow)
{
	char text[512];
	sigset_t set;

	if (!caught)
		return;
	progress_clear(&follow->progress);
	format_goes_on(follow, text, sizeof(text));
	terminal_error("%s", text);
	(void)fflush(stdout);
	/* Dying of the signal tells a shell script to stop as well. */
	(void)signal(caught, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, caught);
	(void)raise(caught);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + caught);
}

static void remember_job(struct follow *follow, const json_t *item)
{
	const char *job = json_out_text(item, "job"),
		   *phase = json_out_text(item, "phase");

	if (job)
		(void)snprintf(follow->job, sizeof(follow->job), "%s", job);
	/* From here on the archive has been read to its end. */
	if (phase && strcmp(phase, "queued") != 0 && strcmp(phase, "preparing") != 0 &&
	    strcmp(phase, "unpacking") != 0)
		follow->feeds_archive = false;
}

static void print_result(const struct follow *follow, const json_t *item)
{
	const char *app = json_out_text(item, "app"),
		   *release = json_out_text(item, "release"),
		   *message = json_out_text(item, "message");

	if (follow->options->quiet)
		return;
	terminal_put(stdout, app ? app : follow->app);
	(void)fputs(release ? " " : ": ", stdout);
	if (release) {
		terminal_put(stdout, release);
		(void)putchar(' ');
	}
	terminal_put(stdout, message ? message : "done");
	(void)putchar('\n');
}

/* Also with --json: stdout is for programs, this is for people. */
static void warn_of_drift(const json_t *item)
{
	const char *drift = json_out_text(item, "drift"),
		   *app = json_out_text(item, "app");

	if (drift)
		terminal_error("warning: a process of %s does not run from the current "
			       "release: %s",
			       app ? app : "the app", drift);
}

void follow_item(struct follow *follow, const json_t *item)
{
	const char *type = json_out_text(item, "type");
	bool json = follow->options->json != JSON_MODE_OFF;

	if (!type)
		return;
	remember_job(follow, item);
	if (json && !(follow->options->quiet && strcmp(type, "progress") == 0))
		json_out_line(item);
	if (strcmp(type, "progress") == 0) {
		progress_show(&follow->progress, item, program_now_ms());
		return;
	}
	if (strcmp(type, "result") != 0)
		return;
	progress_clear(&follow->progress);
	follow->done = true;
	follow->status = (int)json_out_int(item, "exit", 1);
	/* The deployctl of another host has told its user on stderr already. */
	if (follow->status != 0 && (!follow->options->host || follow->host_lost))
		failure_print(item);
	else if (follow->status == 0 && !json)
		print_result(follow, item);
	if (!follow->options->host)
		warn_of_drift(item);
}

/* {"schema", "type", ...} and then what more has. Takes the reference on more. */
static json_t *make_item(const char *type, json_t *more)
{
	json_t *item = json_pack("{s:i, s:s}", "schema", JSON_SCHEMA, "type", type);

	if (item && more)
		(void)json_object_update(item, more);
	json_decref(more);
	return item;
}

static void end_with(struct follow *follow, enum deploy_result result, json_t *more)
{
	json_t *item = make_item(
		"result", json_pack("{s:s, s:n, s:i}", "result", result_name(result),
				    "release", "exit", result_exit_status(result)));

	if (!json_out_text(more, "job") && *follow->job)
		(void)json_object_set_new(item, "job", json_string(follow->job));
	if (!json_out_text(more, "app") && follow->app)
		(void)json_object_set_new(item, "app", json_string(follow->app));
	if (item && more)
		(void)json_object_update(item, more);
	json_decref(more);
	follow->done = true;
	follow->status = result_exit_status(result);
	if (item)
		follow_item(follow, item);
	json_decref(item);
}

static void end_with_text(struct follow *follow, enum deploy_result result,
			  const char *text)
{
	end_with(follow, result, json_pack("{s:s}", "message", text));
}

void follow_lost_host(struct follow *follow, const struct errinfo *error)
{
	char text[1024], goes_on[448];

	follow->host_lost = true;
	if (!*follow->job) {
		end_with_text(follow, error->result, error->what);
		return;
	}
	format_goes_on(follow, goes_on, sizeof(goes_on));
	(void)snprintf(text, sizeof(text), "the connection to %s was lost; %s",
		       follow->options->host, goes_on);
	end_with_text(follow, error->result, text);
}

/* The outcome's fields, then the error's own (message, unit_log) over them. */
static void take_error(struct follow *follow, const struct reply *reply)
{
	json_t *parameters, *all;
	enum deploy_result result = reply_error(follow->options, reply, &parameters);
	json_t *outcome = json_object_get(parameters, "outcome");

	all = json_is_object(outcome) ? json_copy(outcome) : json_object();
	(void)json_object_del(all, "result");
	(void)json_object_update(all, parameters);
	(void)json_object_del(all, "outcome");
	json_decref(parameters);
	end_with(follow, result, all);
}

/* A reply that is no error. */
static void take_reply(struct follow *follow, const struct reply *reply)
{
	json_t *parameters = json_out_snake(reply->parameters);
	json_t *progress = json_object_get(parameters, "progress"),
	       *outcome = json_object_get(parameters, "outcome");
	const char *name = json_out_text(outcome, "result");

	if (json_is_object(progress)) {
		json_t *item = make_item("progress", json_incref(progress));

		if (item)
			follow_item(follow, item);
		json_decref(item);
	}
	if (json_is_object(outcome)) {
		enum deploy_result result =
			name ? result_from_name(name) : RESULT_COUNT;

		end_with(follow, result == RESULT_COUNT ? RESULT_FAILED : result,
			 json_incref(outcome));
	} else if (!reply->continues && follow->options->no_block) {
		char text[192];

		(void)snprintf(text, sizeof(text),
			       "queued as job %s; `deployctl attach %s` follows it",
			       follow->job, follow->job);
		end_with_text(follow, RESULT_OK, text);
	} else if (!reply->continues) {
		end_with_text(follow, RESULT_FAILED,
			      "deployd's answer is not one of this version's");
	}
	json_decref(parameters);
}

/* False: the connection is of no use any more. */
static bool follow_connection(struct follow *follow, struct connection *connection,
			      int64_t deadline_ms)
{
	while (!follow->done) {
		struct reply reply = {0};
		char text[512], goes_on[448], span[DURATION_TEXT_SIZE];
		enum received received =
			connection_receive(connection, deadline_ms, &wait_mask, &reply);

		follow_leave_if_told(follow);
		switch (received) {
		case RECEIVED_REPLY:
			if (reply.error)
				take_error(follow, &reply);
			else
				take_reply(follow, &reply);
			json_decref(reply.message);
			break;
		case RECEIVED_TIMEOUT:
			format_goes_on(follow, goes_on, sizeof(goes_on));
			(void)snprintf(
				text, sizeof(text), "stopped waiting after %s; %s",
				duration_text(follow->options->timeout_sec * 1000,
					      span),
				goes_on);
			end_with_text(follow, RESULT_TIMED_OUT, text);
			break;
		case RECEIVED_NO_SESSIONS:
			end_with_text(follow, RESULT_NO_DAEMON,
				      CONNECTION_NO_SESSIONS_TEXT);
			break;
		case RECEIVED_SIGNAL:
			break;
		case RECEIVED_END:
		case RECEIVED_NONSENSE:
			return false;
		}
	}
	return true;
}

static void end_lost(struct follow *follow, enum deploy_result result)
{
	char text[640], job[80] = "";
	const char *app = follow->app ? follow->app : "APP";

	if (*follow->job)
		(void)snprintf(job, sizeof(job), " (job %s)", follow->job);
	(void)snprintf(
		text, sizeof(text),
		"deployd ended before it was done%s; what was switched stays, what "
		"was not is dropped%s: `deployctl status %s` and `deployctl history "
		"%s` say which",
		job, result == RESULT_NO_DAEMON ? ", and deployd does not run now" : "",
		app, app);
	end_with_text(follow, result, text);
}

/*
 * deployd went away. The one that comes next may know the job still (it only closed the
 * connection), else how it ended is in the history.
 */
static void reattach(struct follow *follow, int64_t deadline_ms)
{
	struct connection connection;
	struct errinfo error = {0};
	struct reply reply = {0};
	enum received received;
	int r;

	progress_clear(&follow->progress);
	r = connection_open(&connection, follow->options->socket, &error);
	if (r < 0 || !*follow->job) {
		if (r == 0)
			connection_close(&connection);
		end_lost(follow, r < 0 ? RESULT_NO_DAEMON : RESULT_FAILED);
		return;
	}
	r = connection_call(&connection, "io.deployd.Attach",
			    json_pack("{s:s}", "job", follow->job), true, -1);
	received = r < 0 ? RECEIVED_END
			 : connection_receive(&connection, deadline_ms, &wait_mask,
					      &reply);
	if (received == RECEIVED_NO_SESSIONS) {
		end_with_text(follow, RESULT_NO_DAEMON, CONNECTION_NO_SESSIONS_TEXT);
	} else if (received != RECEIVED_REPLY) {
		follow_leave_if_told(follow);
		end_lost(follow, RESULT_FAILED);
	} else if (reply.error &&
		   result_from_error_name(reply.error) == RESULT_NOT_FOUND) {
		json_decref(reply.message);
		end_lost(follow, RESULT_FAILED);
	} else {
		if (reply.error)
			take_error(follow, &reply);
		else
			take_reply(follow, &reply);
		json_decref(reply.message);
		if (!follow_connection(follow, &connection, deadline_ms))
			end_lost(follow, RESULT_FAILED);
	}
	connection_close(&connection);
}

int follow_call(struct follow *follow, const char *method, json_t *parameters,
		int archive_fd)
{
	const struct options *options = follow->options;
	int64_t deadline_ms = options->timeout_sec < 0
				      ? -1
				      : program_now_ms() + options->timeout_sec * 1000;
	struct connection connection;
	struct errinfo error = {0};
	int r;

	r = connection_open(&connection, options->socket, &error);
	if (r < 0) {
		json_decref(parameters);
		end_with_text(follow, error.result, error.what);
		return follow->status;
	}
	r = connection_call(&connection, method, parameters, !options->no_block,
			    archive_fd);
	/* deployd may have answered and closed before it read all of it. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) {
		(void)snprintf(error.what, sizeof(error.what),
			       "cannot talk to deployd: %s", strerror(-r));
		end_with_text(follow, RESULT_FAILED, error.what);
	} else if (!follow_connection(follow, &connection, deadline_ms)) {
		reattach(follow, deadline_ms);
	}
	connection_close(&connection);
	return follow->status;
}
