#include "deploy/duration.h"

#include <stddef.h>
#include <stdio.h>

/* Two units say enough: of what took hours, nobody asks for the seconds. */
const char *duration_text(int64_t ms, char ret_text[DURATION_TEXT_SIZE])
{
	static const struct {
		int64_t sec;
		const char *name;
	} big[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t sec = ms / 1000;
	int n;

	if (ms < 1000) {
		(void)snprintf(ret_text, DURATION_TEXT_SIZE, "%lld ms",
			       (long long)(ms < 0 ? 0 : ms));
		return ret_text;
	}
	if (sec < 60) {
		int64_t tenths = sec < 10 ? ms % 1000 / 100 : 0;

		(void)snprintf(ret_text, DURATION_TEXT_SIZE,
			       tenths > 0 ? "%lld.%lld s" : "%lld s", (long long)sec,
			       (long long)tenths);
		return ret_text;
	}
	for (size_t i = 0; i < sizeof(big) / sizeof(*big); i++) {
		int64_t rest = sec % big[i].sec;

		if (sec < big[i].sec)
			continue;
		n = snprintf(ret_text, DURATION_TEXT_SIZE, "%lld%s",
			     (long long)(sec / big[i].sec), big[i].name);
		if (i + 1 < sizeof(big) / sizeof(*big) && rest >= big[i + 1].sec)
			(void)snprintf(ret_text + n, DURATION_TEXT_SIZE - (size_t)n,
				       " %lld%s", (long long)(rest / big[i + 1].sec),
				       big[i + 1].name);
		break;
	}
	return ret_text;
}
