#include "generate/generated.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int add(struct generated *generated, mode_t mode, char *text, const char *fmt,
	       va_list ap) __attribute__((format(printf, 4, 0)));

static int add(struct generated *generated, mode_t mode, char *text, const char *fmt,
	       va_list ap)
{
	struct generated_file *file = &generated->files[generated->n_files];
	char *path;

	assert(generated->n_files < GENERATED_FILES_MAX);
	if (vasprintf(&path, fmt, ap) < 0) {
		free(text);
		return -ENOMEM;
	}
	*file = (struct generated_file){path, text, mode};
	generated->n_files++;
	return 0;
}

int generated_add(struct generated *generated, mode_t mode, char *text, const char *fmt,
		  ...)
{
	va_list ap;
	int r;

	if (!text)
		return -ENOMEM;
	va_start(ap, fmt);
	r = add(generated, mode, text, fmt, ap);
	va_end(ap);
	return r;
}

int generated_add_removal(struct generated *generated, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = add(generated, 0, NULL, fmt, ap);
	va_end(ap);
	return r;
}

void generated_free(struct generated *generated)
{
	for (size_t i = 0; i < generated->n_files; i++) {
		free(generated->files[i].path);
		free(generated->files[i].text);
	}
	*generated = (struct generated){0};
}
