/* deployd-probe's own main() and lock-down; in a check by TCP it turns on us. */
#include <fcntl.h>
#include <unistd.h>

#include "attempt.h"
#include "probe/lockdown.h"
#include "probe/tcp.h"

int tcp_check(const struct probe_options *options, struct finding *ret_finding,
	      struct errinfo *ei)
{
	(void)options;
	(void)ret_finding;
	if (probe_lockdown_tcp(ei) < 0)
		return -1;
	attempt_first_free_fd = STDERR_FILENO + 1;
	attempt_now(AT_FDCWD);
}
