#include "deploy/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_told(const struct diag *diag, const char *message)
{
	for (size_t i = 0; i < diag->n_messages; i++)
		if (strcmp(diag->messages[i], message) == 0)
			return true;
	return false;
}

static void add(struct diag *diag, const char *file, unsigned int line,
		const char *kind, const char *fmt, va_list ap)
	__attribute__((format(printf, 5, 0)));

static void add(struct diag *diag, const char *file, unsigned int line,
		const char *kind, const char *fmt, va_list ap)
{
	char text[1024], *message;
	char **messages;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	if (line > 0) {
		if (asprintf(&message, "%s:%u: %s%s", file, line, kind, text) < 0)
			return;
	} else if (asprintf(&message, "%s: %s%s", file, kind, text) < 0) {
		return;
	}
	if (is_told(diag, message)) {
		free(message);
		return;
	}
	if (diag->n_messages == DIAG_MESSAGES_MAX) {
		free(message);
		diag->n_dropped++;
		/* The last one gives way too, hence + 1. */
		if (asprintf(&message, "... and %zu more", diag->n_dropped + 1) < 0)
			return;
		free(diag->messages[DIAG_MESSAGES_MAX - 1]);
		diag->messages[DIAG_MESSAGES_MAX - 1] = message;
		return;
	}
	messages = realloc(diag->messages, (diag->n_messages + 1) * sizeof(*messages));
	if (!messages) {
		free(message);
		return;
	}
	diag->messages = messages;
	diag->messages[diag->n_messages++] = message;
}

void diag_error(struct diag *diag, const char *file, unsigned int line, const char *fmt,
		...)
{
	va_list ap;

	diag->has_errors = true;
	va_start(ap, fmt);
	add(diag, file, line, "", fmt, ap);
	va_end(ap);
}

void diag_warning(struct diag *diag, const char *file, unsigned int line,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(diag, file, line, "warning: ", fmt, ap);
	va_end(ap);
}

void diag_deinit(struct diag *diag)
{
	for (size_t i = 0; i < diag->n_messages; i++)
		free(diag->messages[i]);
	free(diag->messages);
	*diag = (struct diag){0};
}
