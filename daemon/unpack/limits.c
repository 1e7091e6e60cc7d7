#include "unpack/limits.h"

#include <stddef.h>

/* Small archives may hold anything: a few MiB of zeros are no attack. */
#define RATIO_FREE_BYTES (64u << 20)

int limits_check_ratio(const struct unpack_limits *limits, uint64_t in, uint64_t out,
		       struct errinfo *ei)
{
	if (out <= RATIO_FREE_BYTES || out / limits->max_ratio <= in)
		return 0;
	return errinfo_refuse(ei, RESULT_REJECTED,
			      "the archive unpacks to more than %llu times its size "
			      "(max_ratio)",
			      (unsigned long long)limits->max_ratio);
}

int limits_check_cpu(const struct unpack_limits *limits, struct errinfo *ei)
{
	if (!limits->cpu_used_up || !*limits->cpu_used_up)
		return 0;
	return errinfo_refuse(ei, RESULT_REJECTED,
			      "unpacking takes more than %llu s of CPU time",
			      (unsigned long long)limits->cpu_sec);
}
