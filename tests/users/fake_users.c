/*
 * In place of deployd-users. Of a uid it says what its number means below; the ranges
 * are the line in the file that it is asked to read. Every run is a line of ./calls.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fake_users.h"

#define REPORT_FD 3

static void say(const char *text)
{
	if (write(REPORT_FD, text, strlen(text)) < 0)
		_exit(9);
}

static void hang(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)pause();
}

static void note(const char *what)
{
	int fd = open("calls", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%s\n", what) < 0)
		_exit(9);
	(void)close(fd);
}

static void say_ranges(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		say("{\"type\":\"result\",\"result\":\"failed\",\"message\":\"no "
		    "ranges today\"}\n");
	else if (strncmp(text, "hang", 4) == 0)
		hang();
	else
		say(text);
}

static void say_user(unsigned int uid)
{
	char text[200];

	if (uid == FAKE_FAILS)
		say("{\"type\":\"result\",\"result\":\"failed\",\"message\":\"LDAP is "
		    "down\"}\n");
	else if (uid == FAKE_DIES)
		(void)raise(SIGKILL);
	else if (uid == FAKE_GARBAGE)
		say("{\"type\":\"result\",\"result\":\"ok\",\"known\":1}\n");
	else if (uid >= FAKE_HANGS)
		hang();
	else if (uid >= FAKE_UNKNOWN)
		say("{\"type\":\"result\",\"result\":\"ok\",\"known\":false}\n");
	else if (snprintf(text, sizeof(text),
			  "{\"type\":\"result\",\"result\":\"ok\",\"known\":true,"
			  "\"name\":\"user%u\",\"uid\":%u,\"gids\":[7,%u]}\n",
			  uid, uid, uid) > 0)
		say(text);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--ranges=", 9) == 0) {
			note("ranges");
			say_ranges(argv[i] + 9);
		} else if (strncmp(argv[i], "--of=", 5) == 0) {
			note(argv[i] + 2);
			say_user((unsigned int)strtoul(argv[i] + 5, NULL, 10));
		} else if (strcmp(argv[i], "--name=nobody-knows") == 0) {
			say_user(FAKE_UNKNOWN);
		} else if (strncmp(argv[i], "--name=", 7) == 0) {
			say_user(1001);
		}
	}
	return 0;
}
