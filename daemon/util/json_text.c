#include "util/json_text.h"

#include <string.h>

json_t *json_text(const char *text)
{
	size_t length = strlen(text);
	json_t *json;

	do {
		json = json_stringn(text, length);
	} while (!json && length-- > 0);
	return json;
}
