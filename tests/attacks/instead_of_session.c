/* deployd-session's own main() and lock-down; before it hears of a client it turns on
 * us. */
#include <fcntl.h>

#include "attempt.h"
#include "session/session.h"
#include "util/session_protocol.h"

int session_init(struct session *session)
{
	(void)session;
	return 0;
}

bool session_run(struct session *session)
{
	(void)session;
	attempt_first_free_fd = SESSION_FDS_FD + 1;
	attempt_now(AT_FDCWD);
}
