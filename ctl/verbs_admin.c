/* The verbs about deployd itself and its rules; the bridge for other clients. */
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_config.h"
#include "client/call.h"
#include "client/connection.h"
#include "client/remote.h"
#include "command/verb_name.h"
#include "deploy/cleanup.h"
#include "deploy/right.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/pager.h"
#include "output/terminal.h"

#define DEPLOYD_PROGRAM DEPLOYD_SBINDIR "/deployd"

/* Without an app: deployd reads its configuration again. */
int verb_reload(const struct verb *verb, const struct options *options)
{
	const json_t *messages;
	json_t *value = NULL;
	int status;

	if (options->app)
		return verb_unit(verb, options);
	status = call_ask(verb, options, "io.deployd.ReloadConfiguration", NULL, NULL,
			  &value);
	if (status != 0)
		return status;
	messages = json_object_get(value, "messages");
	for (size_t i = 0; i < json_array_size(messages); i++) {
		terminal_put(stderr, json_string_value(json_array_get(messages, i)));
		(void)fputc('\n', stderr);
	}
	if (options->json != JSON_MODE_OFF)
		json_out_print(value, options->json);
	else if (!options->quiet)
		(void)puts("configuration reloaded");
	json_decref(value);
	return 0;
}

static bool is_root(const struct options *options)
{
	const struct passwd *user = options->user ? getpwnam(options->user) : NULL;

	return options->user ? user && user->pw_uid == 0 : geteuid() == 0;
}

/* What no rule decides. */
static json_t *decide_without_rules(const struct verb *verb,
				    const struct options *options)
{
	bool everybody = verb->right != VERB_FOR_ROOT;

	return json_pack("{s:b, s:s}", "allowed", everybody || is_root(options),
			 "reason",
			 everybody ? "no right is needed"
				   : "only root may; no rule can allow it to others");
}

/* The decision; or an exit status, and it was told why. */
static int ask_decision(const struct verb *verb, const struct options *options,
			json_t **ret_value)
{
	const struct verb *about = verb_find(options->verbs, options->args[0]);
	const char *right = about ? about->right : options->args[0];
	json_t *parameters;

	if (!about && strncmp(right, "run:", 4) != 0 &&
	    right_from_name(right) == RIGHT_COUNT)
		return verb_tell_unknown(options, right);
	if ((!right || !*right) && !options->host) {
		*ret_value = decide_without_rules(about, options);
		return 0;
	}
	parameters = json_pack("{s:s, s:s}", "verb", right ? right : "", "app",
			       options->args[1]);
	if (options->user)
		(void)json_object_set_new(parameters, "user",
					  json_string(options->user));
	return call_ask(verb, options, "io.deployd.Can", parameters, "decision",
			ret_value);
}

int verb_can(const struct verb *verb, const struct options *options)
{
	json_t *value = NULL;
	bool allowed;
	int status = ask_decision(verb, options, &value);

	if (status != 0)
		return status;
	value = json_out_with_schema(value);
	allowed = json_is_true(json_object_get(value, "allowed"));
	if (options->json != JSON_MODE_OFF) {
		json_out_print(value, options->json);
	} else if (!options->quiet) {
		(void)fputs(allowed ? "yes: " : "no: ", stdout);
		terminal_put(stdout, json_out_text(value, "reason"));
		(void)putchar('\n');
	}
	json_decref(value);
	return result_exit_status(allowed ? RESULT_OK : RESULT_DENIED);
}

static int policy_list(const struct verb *verb, const struct options *options)
{
	const json_t *rules;
	json_t *value = NULL;
	int status =
		call_ask(verb, options, "io.deployd.PolicyList", NULL, NULL, &value);

	if (status != 0)
		return status;
	if (json_is_true(json_object_get(value, "stale")))
		terminal_error(
			"the configuration files have errors now: these are the "
			"rules of before; `deployctl policy check` shows the errors");
	pager_start(options);
	rules = json_object_get(value, "rules");
	if (options->json != JSON_MODE_OFF)
		json_out_print(value, options->json);
	for (size_t i = 0; options->json == JSON_MODE_OFF && i < json_array_size(rules);
	     i++) {
		terminal_put(stdout, json_string_value(json_array_get(rules, i)));
		(void)putchar('\n');
	}
	json_decref(value);
	return 0;
}

/* What deployd would say if it read the configuration now: it is asked, not copied. */
static int policy_check(const struct options *options)
{
	char *argv[] = {(char *)(uintptr_t)DEPLOYD_PROGRAM,
			(char *)(uintptr_t) "--check", NULL};

	(void)fflush(NULL);
	(void)execv(DEPLOYD_PROGRAM, argv);
	return failure_tell(options, RESULT_FAILED, "cannot run %s: %s",
			    DEPLOYD_PROGRAM, strerror(errno));
}

int verb_policy(const struct verb *verb, const struct options *options)
{
	if (strcmp(options->args[0], "list") == 0)
		return policy_list(verb, options);
	if (strcmp(options->args[0], "check") != 0)
		return failure_tell(options, RESULT_USAGE,
				    "policy does check and list, not '%s'",
				    options->args[0]);
	if (options->json != JSON_MODE_OFF)
		return failure_tell(options, RESULT_USAGE,
				    "policy check has no --json");
	return options->host ? remote_pass(verb, options) : policy_check(options);
}

/* Moves what there is; 1 while there may be more, 0 at the end, or -errno. */
static int copy_some(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	for (ssize_t done = 0; done < n;) {
		ssize_t m = write(to, data + done, (size_t)(n - done));

		if (m < 0 && errno != EINTR)
			return -errno;
		if (m > 0)
			done += m;
	}
	return n > 0;
}

/* For `varlinkctl call ssh-exec:HOST:deployctl\ stdio-bridge ...`: bytes, no more. */
int verb_stdio_bridge(const struct verb *verb, const struct options *options)
{
	struct connection connection;
	struct errinfo error = {0};
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.events = POLLIN}};
	int r;

	(void)verb;
	r = connection_open(&connection, options->socket, &error);
	if (r < 0)
		return failure_tell(options, error.result, "%s", error.what);
	fds[1].fd = connection.fd;
	for (r = 1; r > 0;) {
		if (poll(fds, 2, -1) < 0) {
			r = errno == EINTR ? 1 : -errno;
			continue;
		}
		if (fds[0].revents && copy_some(STDIN_FILENO, connection.fd) <= 0) {
			/* The answers to what was asked may still come. */
			(void)shutdown(connection.fd, SHUT_WR);
			fds[0].fd = -1;
		}
		if (fds[1].revents)
			r = copy_some(connection.fd, STDOUT_FILENO);
	}
	connection_close(&connection);
	return r < 0 ? 1 : 0;
}
