#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

#define WORDS_MAX 16

static pid_t pager;

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
static _Noreturn void copy_to_stdout(void)
{
	char data[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		for (ssize_t done = 0, m; done < n; done += m) {
			m = write(STDOUT_FILENO, data + done, (size_t)(n - done));
			if (m < 0)
				_exit(1);
		}
	_exit(0);
}

static _Noreturn void become_pager(const char *command, int in)
{
	char *words[WORDS_MAX + 1] = {0}, *copy = strdup(command), *save = NULL;
	size_t n = 0;

	if (dup2(in, STDIN_FILENO) < 0)
		_exit(1);
	for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL;
	     word && n < WORDS_MAX; word = strtok_r(NULL, " \t", &save))
		words[n++] = word;
	/* Quit on one screen and on ^C, colours, no cut lines lost, keep the screen. */
	(void)setenv("LESS", "FRSXMK", 0);
	(void)setenv("LESSCHARSET", terminal_utf8() ? "utf-8" : "iso8859", 0);
	/* No shell and no files from a pager of root's, sudo's included. */
	if (geteuid() == 0 || getenv("SUDO_UID"))
		(void)setenv("LESSSECURE", "1", 1);
	if (n > 0)
		(void)execvp(words[0], words);
	copy_to_stdout();
}

void pager_start(const struct options *options)
{
	const char *command = pager_command();
	int fds[2];

	if (options->no_pager || !terminal_stdout() || !command || pager > 0)
		return;
	/* Anything but less could start a shell for a caller who is root. */
	if (geteuid() == 0 && strncmp(command, "less", 4) != 0)
		command = "less";
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	(void)fflush(NULL);
	pager = fork();
	if (pager == 0) {
		(void)close(fds[1]); /* else the end never comes */
		become_pager(command, fds[0]);
	}
	(void)close(fds[0]);
	if (pager > 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)signal(SIGPIPE, SIG_IGN); /* the user may leave it early */
	}
	(void)close(fds[1]);
}

void pager_finish(void)
{
	int null;

	if (pager <= 0)
		return;
	(void)fflush(stdout);
	clearerr(stdout);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDOUT_FILENO);
		(void)close(null);
	}
	while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
		;
	pager = 0;
}
