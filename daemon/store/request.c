#include <stdarg.h>
#include <string.h>

#include "store/store.h"

int request_unpack(json_t *request, struct errinfo *ei, const char *fmt, ...)
{
	json_error_t error;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = json_vunpack_ex(request, &error, JSON_STRICT, fmt, ap);
	va_end(ap);
	if (r < 0)
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: %s", error.text);
	return 0;
}

json_t *text_json(const char *text)
{
	size_t length = strlen(text);
	json_t *json;

	do {
		json = json_stringn(text, length);
	} while (!json && length-- > 0);
	return json;
}
