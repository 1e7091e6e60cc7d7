#include "deploy/errinfo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/names.h"

int errinfo_set(struct errinfo *ei, int err, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	int n;

	if (err < 0)
		err = -err;
	ei->err = -err;
	ei->result = err == ENOSPC || err == EDQUOT ? RESULT_NO_SPACE : RESULT_FAILED;
	va_start(ap, fmt);
	n = vsnprintf(ei->what, sizeof(ei->what), fmt, ap);
	va_end(ap);
	if (err != 0 && n >= 0 && (size_t)n < sizeof(ei->what))
		(void)snprintf(ei->what + n, sizeof(ei->what) - (size_t)n, ": %s",
			       strerror_r(err, text, sizeof(text)));
	(void)names_trim_utf8(ei->what);
	return -err;
}

int errinfo_refuse(struct errinfo *ei, enum deploy_result result, const char *fmt, ...)
{
	va_list ap;

	ei->err = 0;
	ei->result = result;
	va_start(ap, fmt);
	(void)vsnprintf(ei->what, sizeof(ei->what), fmt, ap);
	va_end(ap);
	(void)names_trim_utf8(ei->what);
	return -EINVAL;
}
