/*
 * deployd-sessions: starts deployd-session processes in a unit of its own, so that a
 * session that cannot be killed does not delay a stop of deployd. systemd starts it
 * with its listening socket. It reads nothing from clients and holds none of their fds.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "build_config.h"
#include "sessions/spawner.h"
#include "util/args.h"

#define LISTEN_FD 3 /* sd_listen_fds(3) */

/* By hand: two variables are no reason to link libsystemd. */
static bool was_passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	char own[32];

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	return pid && fds && strcmp(pid, own) == 0 && strcmp(fds, "1") == 0;
}

static int run(struct spawner *spawner, int argc, char **argv, struct errinfo *ei)
{
	const char *program = DEPLOYD_LIBEXECDIR "/deployd-session";
	struct args_option options[] = {
		{"session", .text = &program, .optional = true},
	};
	int r;

	r = args_parse(argc, argv, options, 1, ei);
	if (r < 0)
		return r;
	if (!was_passed_socket())
		return errinfo_refuse(ei, RESULT_FAILED,
				      "it is started by deployd-sessions.socket only");
	/* Sessions are of the same user: none may look into this process. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errinfo_set(ei, errno, "cannot give up privileges");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)close_range(LISTEN_FD + 1, ~0U, 0);
	r = spawner_init(spawner, LISTEN_FD, program);
	if (r < 0)
		return errinfo_set(ei, r, "cannot prepare the socket");
	return errinfo_set(ei, spawner_run(spawner), "cannot wait for deployd");
}

int main(int argc, char **argv)
{
	static struct spawner spawner;
	struct errinfo ei = {0};

	(void)run(&spawner, argc, argv, &ei);
	(void)fprintf(stderr, "deployd-sessions: %s\n", ei.what);
	return 1;
}
