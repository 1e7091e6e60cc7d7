#include "client/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/errinfo.h"
#include "deploy/names.h"
#include "deploy/varlink.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "process/program.h"

#define ANSWER_BYTES_MAX (16u << 20)
#define SSH_FAILED	 255 /* ssh(1), EXIT STATUS */
#define SHELL_NOT_FOUND	 127
#define SHELL_NOT_RUN	 126

/* One word for a POSIX shell, with a blank in front. */
static void put_word(FILE *stream, const char *word)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789@%+=:,./_-";

	(void)fputc(' ', stream);
	if (*word && word[strspn(word, plain)] == '\0') {
		(void)fputs(word, stream);
		return;
	}
	(void)fputc('\'', stream);
	for (; *word; word++) {
		if (*word == '\'')
			(void)fputs("'\\''", stream);
		else
			(void)fputc(*word, stream);
	}
	(void)fputc('\'', stream);
}

static void put_option(FILE *stream, const char *name, const char *value)
{
	char *word = NULL;

	if (!value || asprintf(&word, "--%s=%s", name, value) < 0)
		return;
	put_word(stream, word);
	free(word);
}

static void put_number(FILE *stream, const char *name, int64_t number)
{
	char word[32];

	(void)snprintf(word, sizeof(word), "%lld", (long long)number);
	put_option(stream, name, number >= 0 ? word : NULL);
}

char *remote_command(const struct verb *verb, const struct options *options,
		     enum json_mode json)
{
	char *command = NULL;
	size_t size;
	FILE *stream = open_memstream(&command, &size);

	if (!stream)
		return NULL;
	(void)fputs("deployctl", stream);
	put_word(stream, verb->name);
	put_option(stream, "json",
		   json == JSON_MODE_SHORT    ? "short"
		   : json == JSON_MODE_PRETTY ? "pretty"
					      : "off");
	if (options->quiet)
		put_word(stream, "--quiet");
	if (options->no_block)
		put_word(stream, "--no-block");
	if (options->no_legend)
		put_word(stream, "--no-legend");
	if (options->follow)
		put_word(stream, "--follow");
	if (options->daemon)
		put_word(stream, "--daemon");
	put_word(stream, "--no-pager");
	put_option(stream, "sha256", options->sha256);
	put_option(stream, "version", options->version);
	put_option(stream, "revision", options->revision);
	put_option(stream, "message", options->message);
	put_option(stream, "if-current",
		   options->if_current && !*options->if_current ? "none"
								: options->if_current);
	put_option(stream, "user", options->user);
	put_option(stream, "socket", options->socket);
	if (options->force)
		put_word(stream, "--force");
	put_number(stream, "confirm",
		   options->confirm_sec > 0 ? options->confirm_sec : -1);
	if (options->until_sec > 0) {
		char until[RFC3339_SIZE];

		names_rfc3339(options->until_sec, until);
		put_option(stream, "until", until);
	}
	put_number(stream, "lines", options->lines);
	put_number(stream, "timeout", options->timeout_sec);
	put_word(stream, "--");
	for (int i = 0; i < options->n_args; i++)
		put_word(stream, i == 1 && (verb->flags & TAKES_ARCHIVE)
					 ? "-"
					 : options->args[i]);
	if (fclose(stream) != 0) {
		free(command);
		return NULL;
	}
	return command;
}

static const char *ssh_program(void)
{
	static const char *const names[] = {"DEPLOYCTL_SSH", "SYSTEMD_SSH"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *program = getenv(names[i]);

		if (program && *program)
			return program;
	}
	return "ssh";
}

static int tell_not_run(const struct program *program)
{
	terminal_error("cannot run %s: %s", program->argv[0], strerror(errno));
	return SHELL_NOT_RUN;
}

/*
 * Starts ssh with in as its stdin (-1: nothing to read). *ret_out, when it is not NULL,
 * is the end of a pipe that its output comes from. -errno on failure.
 */
static int start_ssh(const struct verb *verb, const struct options *options,
		     enum json_mode json, int in, int *ret_out, pid_t *ret_pid)
{
	cleanup_free char *command = remote_command(verb, options, json);
	const char *argv[] = {ssh_program(), "-xT", "--", options->host, command, NULL};
	int out[2] = {-1, PROGRAM_OURS};
	pid_t pid;

	if (!command)
		return -ENOMEM;
	if (ret_out && pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	(void)fflush(NULL);
	pid = program_start(&(struct program){.argv = argv,
					      .in = in < 0 ? PROGRAM_NULL : in,
					      .out = out[1],
					      .err = PROGRAM_OURS,
					      .report = -1,
					      .on_not_run = tell_not_run});
	if (ret_out)
		(void)close(out[1]);
	if (pid < 0) {
		if (ret_out)
			(void)close(out[0]);
		return pid;
	}
	if (ret_out)
		*ret_out = out[0];
	*ret_pid = pid;
	return 0;
}

/* The exit status of what ran over there, or SSH_FAILED. */
static int end_ssh(pid_t pid)
{
	int status = program_end(pid, false);

	return status < 0 ? SSH_FAILED : status;
}

/* What ssh could not do. False: it did, and status is that of deployctl over there. */
static bool explain_ssh(const char *host, int status, struct errinfo *error)
{
	switch (status) {
	case SSH_FAILED:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON,
				     "cannot reach %s with ssh; try `ssh %s true`",
				     host, host);
		return true;
	case SHELL_NOT_FOUND:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON,
				     "%s has no deployctl; install deployd there",
				     host);
		return true;
	case SHELL_NOT_RUN:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON,
				     "deployctl did not run on %s", host);
		return true;
	default:
		return false;
	}
}

/* The exit status of deployctl over there; what ssh could not do is told here. */
static int tell_end(const struct options *options, int status)
{
	struct errinfo error = {0};

	return explain_ssh(options->host, status, &error)
		       ? failure_tell(options, error.result, "%s", error.what)
		       : status;
}

static int cannot_start(const struct options *options, int r)
{
	return failure_tell(options, RESULT_FAILED, "cannot start ssh: %s",
			    strerror(-r));
}

int remote_pass(const struct verb *verb, const struct options *options)
{
	pid_t pid = -1;
	int r = start_ssh(verb, options, options->json, -1, NULL, &pid);

	return r < 0 ? cannot_start(options, r) : tell_end(options, end_ssh(pid));
}

int remote_ask(const struct verb *verb, const struct options *options,
	       json_t **ret_value)
{
	cleanup_free char *text = NULL;
	json_t *value;
	pid_t pid = -1;
	int out = -1, status, r;

	r = start_ssh(verb, options, JSON_MODE_SHORT, -1, &out, &pid);
	if (r < 0)
		return cannot_start(options, r);
	r = program_read_text(out, -1, ANSWER_BYTES_MAX, &text);
	(void)close(out);
	status = end_ssh(pid);
	value = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	/* What went wrong over there has been told on its stderr, which is ours. */
	if (value && json_out_text(value, "type")) {
		if (options->json != JSON_MODE_OFF)
			json_out_print(value, options->json);
		json_decref(value);
		return status != 0 ? status : 1;
	}
	if (!value)
		return status != 0 ? tell_end(options, status)
				   : failure_tell(options, RESULT_FAILED,
						  "%s does not answer in JSON",
						  options->host);
	/* `can` answers no with an exit status of its own. */
	*ret_value = value;
	return 0;
}

static void take_line(struct follow *follow, const char *line)
{
	json_t *item = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(item))
		follow_item(follow, item);
	else if (*line)
		terminal_error("%s says: %s", follow->options->host, line);
	json_decref(item);
}

/* Lines until the end of the stream; signals are heard while it waits. */
static void read_lines(struct follow *follow, int fd)
{
	static char buffer[VARLINK_MESSAGE_BYTES_MAX];
	size_t length = 0;

	for (;;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		char *line = buffer, *end;
		ssize_t n;
		int ready = ppoll(&pollfd, 1, NULL, follow_mask());

		follow_leave_if_told(follow);
		if (ready < 0 && errno == EINTR)
			continue;
		n = read(fd, buffer + length, sizeof(buffer) - 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += (size_t)n;
		buffer[length] = '\0';
		while ((end = strchr(line, '\n'))) {
			*end = '\0';
			take_line(follow, line);
			line = end + 1;
		}
		length = strlen(line);
		memmove(buffer, line, length + 1);
		if (length + 1 == sizeof(buffer))
			length = 0; /* no line of ours is that long */
	}
}

int remote_follow(struct follow *follow, const struct verb *verb, int archive_fd)
{
	struct errinfo error = {0};
	pid_t pid = -1;
	int out = -1, status, r;

	r = start_ssh(verb, follow->options, JSON_MODE_SHORT, archive_fd, &out, &pid);
	if (r < 0)
		return cannot_start(follow->options, r);
	follow->feeds_archive = archive_fd >= 0;
	read_lines(follow, out);
	(void)close(out);
	progress_clear(&follow->progress);
	status = end_ssh(pid);
	if (follow->done)
		return follow->status;
	if (!explain_ssh(follow->options->host, status, &error)) {
		if (status != 0)
			return status; /* told by deployctl over there */
		(void)errinfo_refuse(&error, RESULT_FAILED,
				     "%s gave no result; `deployctl -H %s jobs` may "
				     "show the job",
				     follow->options->host, follow->options->host);
	}
	follow_lost_host(follow, &error);
	return follow->status;
}
