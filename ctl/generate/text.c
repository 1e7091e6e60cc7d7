#include "generate/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define MESSAGE_SIZE 600

bool text_begin(struct text *text, const struct app_config *app, struct diag *diag)
{
	*text = (struct text){.app = app, .diag = diag};
	text->stream = open_memstream(&text->data, &text->size);
	return text->stream != NULL;
}

char *text_end(struct text *text)
{
	bool failed = ferror(text->stream) != 0;

	failed |= fclose(text->stream) != 0;
	text->stream = NULL;
	if (failed) {
		free(text->data);
		text->data = NULL;
	}
	return steal_ptr(&text->data);
}

void text_mark(struct text *text)
{
	char file[512];

	text_put(text, TEXT_MARK "%s.\n",
		 names_escape(text->app->file, file, sizeof(file)));
}

void text_header(struct text *text)
{
	text_mark(text);
	text_put(text,
		 "# Change that file and run `deployctl generate %s` again; changes "
		 "here are lost.\n",
		 text->app->app_name);
}

void text_put(struct text *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(text->stream, fmt, ap);
	va_end(ap);
}

/*
 * Within quotes, C's escapes; % begins a specifier everywhere, $ a variable in
 * commands. The only control byte that a configuration file can have is the tab.
 */
static void put_word(struct text *text, const char *word, bool is_argument)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-$";
	bool quotes = *word == '\0' || word[strspn(word, plain)] != '\0';
	FILE *out = text->stream;

	if (quotes)
		(void)fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)word; *p; p++) {
		if (*p == '"' || *p == '\\')
			(void)fputc('\\', out);
		else if (*p == '%' || (*p == '$' && is_argument))
			(void)fputc(*p, out);
		(void)fputc(*p, out);
	}
	if (quotes)
		(void)fputc('"', out);
}

void text_word(struct text *text, const char *word)
{
	put_word(text, word, false);
}

void text_argument(struct text *text, const char *word)
{
	put_word(text, word, true);
}

/* A '\' at the end joins the line with the next one, unless it is escaped itself. */
static bool goes_on(const char *value)
{
	size_t n = strlen(value), backslashes = 0;

	while (backslashes < n && value[n - 1 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 != 0;
}

void text_setting(struct text *text, const char *key, const char *option,
		  const char *value)
{
	size_t n = strlen(value);

	if (n == 0 || strchr(" \t", value[0]) || strchr(" \t", value[n - 1]) ||
	    value[n - 1] == '\\' || strpbrk(value, "\n\r")) {
		text_error(text, option,
			   "cannot be written in a unit (%s=): it ends with a blank or "
			   "a backslash; name it otherwise",
			   key);
		return;
	}
	text_put(text, "%s=", key);
	for (; *value; value++) {
		if (*value == '%')
			(void)fputc('%', text->stream);
		(void)fputc(*value, text->stream);
	}
	(void)fputc('\n', text->stream);
}

void text_words(struct text *text, const char *key, const char *prefix,
		const char *list)
{
	const char *separator = "";
	char *item;

	if (!list || *list == '\0')
		return;
	text_put(text, "%s=", key);
	while ((item = text_next_item(&list))) {
		cleanup_free char *owned = item;
		cleanup_free char *word = text_format("%s%s", prefix, owned);

		text_put(text, "%s", separator);
		separator = " ";
		if (word)
			text_word(text, word);
	}
	text_put(text, "\n");
}

bool text_is_command(struct text *text, const char *option, const char *command)
{
	if (!goes_on(command))
		return true;
	text_error(text, option,
		   "ends with a backslash, which would join it with the next line of "
		   "the unit; take it away");
	return false;
}

const char *text_option(const struct text *text, const char *option)
{
	const struct app_option *found = app_config_option(text->app, option);

	return found && found->value && *found->value ? found->value : NULL;
}

bool text_option_is(const struct text *text, const char *option, const char *value)
{
	const char *is = text_option(text, option);

	return is && strcmp(is, value) == 0;
}

bool text_option_yes(const struct text *text, const char *option)
{
	static const char *const words[] = {"yes", "true", "on", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (text_option_is(text, option, words[i]))
			return true;
	return false;
}

char *text_next_item(const char **list)
{
	size_t n = *list ? strcspn(*list, "\n") : 0;
	char *item;

	if (n == 0)
		return NULL;
	item = strndup(*list, n);
	*list += n + ((*list)[n] == '\n');
	return item;
}

char *text_format(const char *fmt, ...)
{
	char *made;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&made, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : made;
}

static void put_message(struct text *text, bool is_error, const char *option,
			const char *message)
{
	const struct app_option *found = app_config_option(text->app, option);
	const char *file = found && found->file ? found->file : text->app->file;
	unsigned int line = found && found->file ? found->line : 0;

	if (is_error)
		diag_error(text->diag, file, line, "%s: %s", option, message);
	else
		diag_warning(text->diag, file, line, "%s: %s", option, message);
}

void text_error(struct text *text, const char *option, const char *fmt, ...)
{
	char message[MESSAGE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	put_message(text, true, option, message);
}

void text_warning(struct text *text, const char *option, const char *fmt, ...)
{
	char message[MESSAGE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	put_message(text, false, option, message);
}

void text_variable(struct text *text, const char *name, const char *value)
{
	cleanup_free char *pair = text_format("%s=%s", name, value);

	text_put(text, "Environment=");
	text_word(text, pair ? pair : name);
	text_put(text, "\n");
}
