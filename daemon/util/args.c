#include "util/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtoull() alone takes blanks, signs and octal-looking hex: digits only here. */
static bool parse_number(const char *text, uint64_t *ret_number)
{
	char *end;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno == 0;
}

static int take(const char *arg, struct args_option *option, const char *value,
		struct errinfo *ei)
{
	uint64_t number = 0;

	if (option->seen)
		return errinfo_refuse(ei, RESULT_FAILED, "option --%s given twice",
				      option->name);
	option->seen = true;
	if (option->text) {
		*option->text = value;
		return 0;
	}
	if (!parse_number(value, &number) || number < option->min ||
	    number > option->max)
		return errinfo_refuse(ei, RESULT_FAILED, "bad value in %s", arg);
	*option->number = number;
	return 0;
}

int args_parse(int argc, char **argv, struct args_option *options, size_t n_options,
	       struct errinfo *ei)
{
	for (int i = 1; i < argc; i++) {
		struct args_option *found = NULL;
		const char *value = strchr(argv[i], '=');
		int r;

		for (size_t k = 0; k < n_options && value; k++) {
			size_t length = strlen(options[k].name);

			if (strncmp(argv[i], "--", 2) == 0 &&
			    value == argv[i] + 2 + length &&
			    strncmp(argv[i] + 2, options[k].name, length) == 0)
				found = &options[k];
		}
		if (!found)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "unknown argument '%s'", argv[i]);
		r = take(argv[i], found, value + 1, ei);
		if (r < 0)
			return r;
	}
	for (size_t k = 0; k < n_options; k++) {
		if (!options[k].optional && !options[k].seen)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "option --%s is missing",
					      options[k].name);
	}
	return 0;
}

char *args_words(const char *name, char *const *words)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	(void)fprintf(out, "--%s=", name);
	for (char *const *word = words; word && *word; word++)
		(void)fprintf(out, "%s%s", word == words ? "" : " ", *word);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

char **args_split(const char *value)
{
	size_t n_max = strlen(value) / 2 + 2, n = 0;
	/* The text lies behind the pointers to its words. */
	char **words = malloc(n_max * sizeof(*words) + strlen(value) + 1);
	char *save = NULL;

	if (!words)
		return NULL;
	for (char *word = strtok_r(strcpy((char *)(words + n_max), value), " ", &save);
	     word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	words[n] = NULL;
	return words;
}
