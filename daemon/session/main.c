/*
 * deployd-session: speaks Varlink with one client, and is the only process that has the
 * client's fds. It has no privileges and no files; deployd trusts its words no more
 * than a stranger's.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/errinfo.h"
#include "session/lockdown.h"
#include "session/session.h"
#include "util/privdrop.h"
#include "util/session_protocol.h"

static bool has_channel(void)
{
	return fcntl(SESSION_WORDS_FD, F_GETFD) >= 0 &&
	       fcntl(SESSION_REPORT_FD, F_GETFD) >= 0 &&
	       fcntl(SESSION_FDS_FD, F_GETFD) >= 0;
}

static int start(struct session *session, struct errinfo *ei)
{
	int r;

	r = privdrop_begin(SESSION_FDS_FD + 1, ei);
	if (r < 0)
		return r;
	/* From /dev/urandom, which is out of reach later; else from the clock. */
	json_object_seed(0);
	r = session_init(session);
	if (r < 0)
		return errinfo_set(ei, r, "cannot prepare the channel");
	return lockdown_enter(ei);
}

int main(void)
{
	static struct session session;
	struct errinfo ei = {0};

	if (!has_channel()) {
		(void)fprintf(stderr,
			      "deployd-session is started by deployd-sessions only\n");
		return 2;
	}
	if (start(&session, &ei) < 0) {
		(void)fprintf(stderr, "deployd-session: %s\n", ei.what);
		return 1;
	}
	/* Not exit(): handlers of libraries would need more system calls. */
	_exit(session_run(&session) ? 0 : 1);
}
