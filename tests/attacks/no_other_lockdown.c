/* As no_lockdown.c, for helpers that PID 1 starts. */
#include "util/lockdown.h"

int lockdown_begin(const struct privdrop_limit *limits, size_t n_limits,
		   struct errinfo *ei)
{
	(void)limits;
	(void)n_limits;
	(void)ei;
	return 0;
}
