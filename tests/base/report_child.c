/* A helper program that does what its first argument says, right or wrong. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define REPORT_FD  3
#define TOO_LONG   (5u << 20) /* more than CHILD_LINE_BYTES_MAX */
#define CHUNK_SIZE 65536

static void report(const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = write(REPORT_FD, text, length);

		if (n < 0)
			_exit(9);
		text += n;
		length -= (size_t)n;
	}
}

static void report_too_long(void)
{
	static char chunk[CHUNK_SIZE];

	memset(chunk, 'x', sizeof(chunk) - 1);
	for (size_t n = 0; n < TOO_LONG; n += sizeof(chunk) - 1)
		report(chunk);
}

static void die_with_parent_gone(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)pause();
}

/* What the runtime of a coverage build sets for itself does not count. */
static bool has_environment(void)
{
	static const char own[] = "__LLVM_PROFILE_";

	for (char **variable = environ; *variable; variable++)
		if (strncmp(*variable, own, sizeof(own) - 1) != 0)
			return true;
	return false;
}

/* Tells on its report what it got on stdin. */
static void echo_request(void)
{
	char text[4096], line[8192];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	(void)snprintf(line, sizeof(line),
		       "{\"type\":\"result\",\"result\":\"ok\",\"got\":\"%s\","
		       "\"environment\":%s}\n",
		       text, has_environment() ? "true" : "false");
	report(line);
}

static void leave_a_heir(void)
{
	int fds[2];
	char byte;

	if (pipe(fds) < 0)
		_exit(9);
	if (fork() == 0) {
		/* Holds the report open, for as long as stdin is. */
		(void)close(fds[0]);
		(void)close(fds[1]);
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		_exit(0);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "ok") == 0) {
		report("{\"type\":\"progress\",\"bytes\":1}\n{\"type\":\"pro");
		report("gress\",\"bytes\":2}\n");
		report("{\"type\":\"result\",\"result\":\"ok\",\"sum\":3}\n");
	} else if (strcmp(what, "refuse") == 0) {
		report("{\"type\":\"result\",\"result\":\"rejected\","
		       "\"message\":\"no \\u001b[31mgood\\u009b\"}\n");
	} else if (strcmp(what, "ok-then-exit-2") == 0) {
		report("{\"type\":\"result\",\"result\":\"ok\"}\n");
		return 2;
	} else if (strcmp(what, "exit-2") == 0) {
		return 2;
	} else if (strcmp(what, "kill") == 0) {
		(void)raise(SIGKILL);
	} else if (strcmp(what, "hang") == 0) {
		report("{\"type\":\"progress\"}\n");
		die_with_parent_gone();
	} else if (strcmp(what, "garbage") == 0) {
		report("\001\377 this is no report\n");
		die_with_parent_gone();
	} else if (strcmp(what, "array") == 0) {
		report("[]\n");
	} else if (strcmp(what, "unended") == 0) {
		report("{\"type\":\"result\",\"result\":\"ok\"}");
	} else if (strcmp(what, "twice") == 0) {
		report("{\"type\":\"result\",\"result\":\"failed\"}\n");
		report("{\"type\":\"result\",\"result\":\"ok\"}\n");
	} else if (strcmp(what, "unknown-result") == 0) {
		report("{\"type\":\"result\",\"result\":\"splendid\"}\n");
	} else if (strcmp(what, "too-long") == 0) {
		report_too_long();
		die_with_parent_gone();
	} else if (strcmp(what, "echo") == 0) {
		echo_request();
	} else if (strcmp(what, "heir") == 0) {
		leave_a_heir();
	} else {
		return 64;
	}
	return 0;
}
