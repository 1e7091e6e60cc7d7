#include "util/lockdown.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int lockdown_begin(const struct privdrop_limit *limits, size_t n_limits,
		   struct errinfo *ei)
{
#ifdef BREAK_LOCKDOWN_SKIPPED
	(void)limits;
	(void)n_limits;
	(void)ei;
	return 0;
#endif
	/* First, since until then a process of the same user could take over this one.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errinfo_set(ei, errno, "cannot give up privileges");
	if (clearenv() != 0)
		return errinfo_set(ei, ENOMEM, "cannot clear the environment");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return errinfo_set(ei, errno, "cannot ignore SIGPIPE");
	if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		return errinfo_set(ei, errno, "cannot close inherited files");
	return privdrop_limits(limits, n_limits, ei);
}
