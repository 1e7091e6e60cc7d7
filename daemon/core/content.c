#include "core/content.h"

#include <string.h>

bool content_is_same(const struct content *a, const struct content *b)
{
	return a->sha256 && b->sha256 && strcmp(a->sha256, b->sha256) == 0 &&
	       strcmp(a->layout ? a->layout : "", b->layout ? b->layout : "") == 0;
}
