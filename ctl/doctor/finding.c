#include "doctor/finding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void finding_add(struct findings *findings, const char *id, const char *why)
{
	if (findings->n == findings->capacity) {
		size_t capacity = findings->capacity ? 2 * findings->capacity : 8;
		struct finding *list =
			realloc(findings->list, capacity * sizeof(*list));

		if (!list)
			abort();
		findings->list = list;
		findings->capacity = capacity;
	}
	findings->list[findings->n++] = (struct finding){.id = id, .why = why};
}

void finding_what(struct findings *findings, const char *fmt, ...)
{
	va_list ap;

	assert(findings->n > 0);
	va_start(ap, fmt);
	(void)vsnprintf(findings->list[findings->n - 1].what, FINDING_TEXT_MAX, fmt,
			ap);
	va_end(ap);
}

void finding_fix(struct findings *findings, const char *fmt, ...)
{
	va_list ap;

	assert(findings->n > 0);
	va_start(ap, fmt);
	(void)vsnprintf(findings->list[findings->n - 1].fix, FINDING_TEXT_MAX, fmt, ap);
	va_end(ap);
}

const struct finding *finding_find(const struct findings *findings, const char *id)
{
	for (size_t i = 0; i < findings->n; i++)
		if (strcmp(findings->list[i].id, id) == 0)
			return &findings->list[i];
	return NULL;
}

void findings_deinit(struct findings *findings)
{
	free(findings->list);
	*findings = (struct findings){0};
}
