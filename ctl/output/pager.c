#include "output/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "output/terminal.h"
#include "process/program.h"

#define WORDS_MAX    16
#define ROWS_DEFAULT 24

/*
 * What was written goes here until it is more than a screen: only then a pager is
 * started, and gets it and all that follows.
 */
static struct {
	FILE *terminal; /* stdout before; NULL: not started */
	const char *command;
	char *text;
	size_t length, capacity;
	pid_t pid; /* 0: no pager yet */
	int fd;	   /* its input */
} pager = {.fd = -1};

/* NULL: none is wanted. */
static const char *pager_command(void)
{
	static const char *const names[] = {"SYSTEMD_PAGER", "PAGER"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *command = getenv(names[i]);

		if (command)
			return *command && strcmp(command, "cat") != 0 ? command : NULL;
	}
	return "less";
}

/* When the pager does not run, what it should have shown still comes out. */
static int copy_to_stdout(const struct program *program)
{
	char data[4096];
	ssize_t n;

	(void)program;
	(void)close(pager.fd); /* else the end never comes */
	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = write(STDOUT_FILENO, data + done, (size_t)(n - done));
			if (m < 0)
				return 1;
		}
	return 0;
}

static void set_environment(void)
{
	/* Quit on one screen and on ^C, colours, no cut lines lost, keep the screen. */
	(void)setenv("LESS", "FRSXMK", 0);
	(void)setenv("LESSCHARSET", terminal_utf8() ? "utf-8" : "iso8859", 0);
	/* No shell and no files from a pager of root's, sudo's included. */
	if (geteuid() == 0 || getenv("SUDO_UID"))
		(void)setenv("LESSSECURE", "1", 1);
}

static size_t screen_rows(void)
{
	const char *lines = getenv("LINES");
	struct winsize size;
	unsigned long number = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		return size.ws_row;
	if (lines)
		number = strtoul(lines, NULL, 10);
	return number > 0 && number < 10000 ? (size_t)number : ROWS_DEFAULT;
}

size_t pager_rows(const char *text, size_t columns)
{
	size_t rows = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");
		cleanup_free char *line = strndup(text, length);
		size_t width = line ? terminal_text_width(line) : 0;

		rows += width > columns ? (width + columns - 1) / columns : 1;
		text += length;
		text += *text == '\n';
	}
	return rows;
}

/* The prompt that follows needs a row, too. */
static bool fits_screen(void)
{
	return pager_rows(pager.text, terminal_width(STDOUT_FILENO)) < screen_rows();
}

/* False: there is none, and the text goes to the terminal. */
static bool start_pager(void)
{
	cleanup_free char *copy = strdup(pager.command);
	const char *words[WORDS_MAX + 1] = {""}; /* of a blank command */
	char *save = NULL;
	size_t n = 0;
	int fds[2];

	for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL;
	     word && n < WORDS_MAX; word = strtok_r(NULL, " \t", &save))
		words[n++] = word;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	set_environment();
	(void)fflush(pager.terminal);
	(void)fflush(stderr);
	pager.fd = fds[1];
	pager.pid = program_start(&(struct program){.argv = words,
						    .in = fds[0],
						    .out = PROGRAM_OURS,
						    .err = PROGRAM_OURS,
						    .report = -1,
						    .on_not_run = copy_to_stdout});
	(void)close(fds[0]);
	if (pager.pid < 0) {
		(void)close(fds[1]);
		pager.fd = -1;
		pager.pid = 0;
		return false;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* the user may leave it early */
	return true;
}

static bool write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			length -= (size_t)n;
		}
	}
	return true;
}

/* False without memory. */
static bool keep(const char *data, size_t length)
{
	if (pager.length + length + 1 > pager.capacity) {
		size_t capacity = 2 * (pager.length + length + 1);
		char *grown = realloc(pager.text, capacity);

		if (!grown)
			return false;
		pager.text = grown;
		pager.capacity = capacity;
	}
	memcpy(pager.text + pager.length, data, length);
	pager.length += length;
	pager.text[pager.length] = '\0';
	return true;
}

/* A cookie_write_function_t: the bytes written, 0 on an error. */
static ssize_t take_output(void *cookie, const char *data, size_t length)
{
	(void)cookie;
	if (pager.fd < 0) {
		if (!keep(data, length))
			return 0;
		if (fits_screen())
			return (ssize_t)length;
		if (!start_pager())
			pager.fd = dup(STDOUT_FILENO);
		data = pager.text;
		return write_all(pager.fd, data, pager.length) ? (ssize_t)length : 0;
	}
	return write_all(pager.fd, data, length) ? (ssize_t)length : 0;
}

void pager_start(const struct options *options)
{
	static const cookie_io_functions_t functions = {.write = take_output};
	const char *command = pager_command();
	FILE *stream;

	if (options->no_pager || !terminal_can_page() || !command || pager.terminal)
		return;
	/* Anything but less could start a shell for a caller who is root. */
	if (geteuid() == 0 && strncmp(command, "less", 4) != 0)
		command = "less";
	stream = fopencookie(NULL, "w", functions);
	if (!stream)
		return;
	pager.command = command;
	pager.terminal = stdout;
	stdout = stream; /* a variable in glibc, stdout(3) */
}

void pager_finish(void)
{
	if (!pager.terminal)
		return;
	(void)fclose(stdout); /* what it still held goes to take_output() */
	stdout = pager.terminal;
	pager.terminal = NULL;
	if (pager.fd < 0)
		(void)fwrite(pager.text, 1, pager.length, stdout);
	else
		(void)close(pager.fd);
	free(pager.text);
	pager.text = NULL;
	if (pager.pid > 0)
		(void)program_end(pager.pid, false);
}
