/* The verbs that start a job, attach and cancel. */
#include "verbs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/call.h"
#include "client/follow.h"
#include "client/remote.h"
#include "deploy/cleanup.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "setup/verbs.h"

/* "io.deployd.Deploy" of "deploy", "io.deployd.MarkGood" of "mark-good" */
static void method_of(const struct verb *verb, char ret_method[64])
{
	size_t n = (size_t)snprintf(ret_method, 64, "io.deployd.");
	bool begins = true;

	for (const char *p = verb->name; *p && n + 1 < 64; p++) {
		if (*p != '-')
			ret_method[n++] =
				(char)(begins ? toupper((unsigned char)*p) : *p);
		begins = *p == '-';
	}
	ret_method[n] = '\0';
}

static void set_text(json_t *parameters, const char *name, const char *text)
{
	if (text)
		(void)json_object_set_new(parameters, name, json_string(text));
}

static json_t *base_parameters(const struct options *options)
{
	json_t *parameters = json_pack("{s:s}", "app", options->app);

	if (options->no_block)
		(void)json_object_set_new(parameters, "wait", json_false());
	return parameters;
}

/* What deploy and activate have in common. */
static void set_switch(json_t *parameters, const struct options *options)
{
	set_text(parameters, "ifCurrent", options->if_current);
	if (options->confirm_sec > 0)
		(void)json_object_set_new(
			parameters, "confirmSec",
			json_integer((json_int_t)options->confirm_sec));
	if (options->force)
		(void)json_object_set_new(parameters, "force", json_true());
}

static int run(const struct verb *verb, const struct options *options,
	       json_t *parameters, int archive_fd, bool feeds_archive)
{
	struct follow follow;
	char method[64];

	follow_init(&follow, options);
	follow.feeds_archive = feeds_archive;
	if (options->host) {
		json_decref(parameters);
		return remote_follow(&follow, verb, archive_fd);
	}
	method_of(verb, method);
	return follow_call(&follow, method, parameters, archive_fd);
}

/*
 * Opened here, with the caller's rights and in the caller's view of the file system;
 * deployd gets the descriptor. -1: the failure was told, *ret_status is the exit
 * status.
 */
static int open_archive(const struct verb *verb, const struct options *options,
			bool *ret_is_file, int *ret_status)
{
	const char *name = options->args[1];
	cleanup_close int fd = -1;
	struct stat st;

	if (strcmp(name, "-") == 0) {
		if (isatty(STDIN_FILENO)) {
			*ret_status =
				failure_tell(options, RESULT_USAGE,
					     "stdin is a terminal; give the archive as "
					     "`< FILE` or through a pipe");
			return -1;
		}
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	} else {
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		*ret_status = failure_tell(options, RESULT_FAILED, "cannot open %s: %s",
					   name, strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		*ret_status = failure_tell(options, RESULT_FAILED,
					   "%s is a directory; send what is in it: tar "
					   "-cz -C '%s' . | deployctl %s %s -",
					   name, name, verb->name, options->app);
		return -1;
	}
	*ret_is_file = S_ISREG(st.st_mode);
	return steal_fd(&fd);
}

/* What sha256sum prints in capitals elsewhere. */
static void set_sha256(json_t *parameters, const char *sha256)
{
	char lower[128];
	size_t i;

	for (i = 0; sha256 && sha256[i] && i < sizeof(lower) - 1; i++)
		lower[i] = (char)tolower((unsigned char)sha256[i]);
	lower[i] = '\0';
	set_text(parameters, "sha256", sha256 ? lower : NULL);
}

int verb_archive(const struct verb *verb, const struct options *options)
{
	bool is_file = false;
	int status = 0;
	cleanup_close int fd = open_archive(verb, options, &is_file, &status);
	json_t *parameters;

	if (fd < 0)
		return status;
	parameters = base_parameters(options);
	(void)json_object_set_new(parameters, "archiveFileDescriptor", json_integer(0));
	set_sha256(parameters, options->sha256);
	set_text(parameters, "version", options->version);
	set_text(parameters, "revision", options->revision);
	set_text(parameters, "message", options->message);
	set_text(parameters, "idempotencyKey", options->idempotency_key);
	set_switch(parameters, options);
	if (options->strip_given)
		(void)json_object_set_new(
			parameters, "stripComponents",
			json_integer((json_int_t)options->strip_components));
	if (options->redeploy)
		(void)json_object_set_new(parameters, "redeploy", json_true());
	return run(verb, options, parameters, fd, !is_file);
}

/* activate, rollback, marks and pins: APP@RELEASE, or APP RELEASE. */
int verb_release(const struct verb *verb, const struct options *options)
{
	const char *release = options->n_args > 1 ? options->args[1] : options->release;
	json_t *parameters;

	if (options->n_args > 1 && options->release)
		return failure_tell(options, RESULT_USAGE,
				    "two releases are named: %s and %s",
				    options->release, options->args[1]);
	if (!release && strcmp(verb->name, "rollback") != 0)
		return failure_tell(
			options, RESULT_USAGE,
			"which release? `deployctl releases %s` lists them, then "
			"`deployctl %s %s@RELEASE`",
			options->app, verb->name, options->app);
	parameters = base_parameters(options);
	set_text(parameters, "release", release);
	set_text(parameters, "message", options->message);
	set_switch(parameters, options);
	return run(verb, options, parameters, -1, false);
}

int verb_hold(const struct verb *verb, const struct options *options)
{
	json_t *parameters = base_parameters(options);

	if (!options->message || !*options->message) {
		json_decref(parameters);
		return failure_tell(
			options, RESULT_USAGE,
			"a hold needs a reason, which the next user to deploy "
			"reads: `deployctl hold %s -m REASON`",
			options->app);
	}
	set_text(parameters, "message", options->message);
	if (options->until_sec > 0)
		(void)json_object_set_new(parameters, "untilSec",
					  json_integer((json_int_t)options->until_sec));
	return run(verb, options, parameters, -1, false);
}

int verb_cancel(const struct verb *verb, const struct options *options)
{
	json_t *parameters = json_pack("{s:s}", "app", options->app), *reply = NULL;
	int status;

	if (options->n_args > 1)
		set_text(parameters, "job", options->args[1]);
	status = call_ask(verb, options, "io.deployd.Cancel", parameters, NULL, &reply);
	if (status == 0 && options->json != JSON_MODE_OFF)
		json_out_print(reply, options->json);
	else if (status == 0 && !options->quiet)
		(void)printf("%s: job %s is cancelled\n", options->app,
			     json_string_value(json_object_get(reply, "job")));
	json_decref(reply);
	return status;
}

int verb_unit(const struct verb *verb, const struct options *options)
{
	return run(verb, options, base_parameters(options), -1, false);
}

/*
 * Root enables the unit here and now: deployd need not run, and the unit may have to be
 * linked first. Others, and root on another machine, ask deployd.
 */
int verb_enable(const struct verb *verb, const struct options *options)
{
	const char *destdir = getenv("DESTDIR");
	bool to_deployd = options->host || options->socket || options->no_block ||
			  options->timeout_sec >= 0;
	bool is_setup = options->dry_run || options->now || options->app_file ||
			(destdir && *destdir);

	if (to_deployd && is_setup)
		return failure_tell(options, RESULT_USAGE,
				    "--now, --dry-run, --app-file and DESTDIR are for "
				    "root on this machine, without deployd");
	if (is_setup || (geteuid() == 0 && !to_deployd))
		return verb_enable_here(verb, options);
	if (!options->app)
		return failure_tell(options, RESULT_USAGE,
				    "usage: deployctl enable APP");
	return verb_unit(verb, options);
}

int verb_attach(const struct verb *verb, const struct options *options)
{
	struct follow follow;

	follow_init(&follow, options);
	follow.app = NULL;
	(void)snprintf(follow.job, sizeof(follow.job), "%s", options->args[0]);
	if (options->host)
		return remote_follow(&follow, verb, -1);
	return follow_call(&follow, "io.deployd.Attach",
			   json_pack("{s:s}", "job", options->args[0]), -1);
}
