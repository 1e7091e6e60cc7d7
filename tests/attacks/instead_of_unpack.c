/* deployd-unpack's own main() and lock-down; where the archive is parsed it turns on
 * us. */
#include "attempt.h"
#include "unpack/unpack.h"

int unpack_archive(int fd, int root_fd, const struct unpack_limits *limits,
		   void (*on_progress)(const struct unpack_totals *totals,
				       void *userdata),
		   void *userdata, struct unpack_totals *ret_totals, struct errinfo *ei)
{
	(void)fd;
	(void)limits;
	(void)on_progress;
	(void)userdata;
	(void)ret_totals;
	(void)ei;
	attempt_now(root_fd);
}
