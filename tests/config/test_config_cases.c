/*
 * Runs the tables of cases/: configuration files, and what comes of them. A case is
 *   == title
 *   -- app NAME        the app of the files that follow; hello unless said
 *   -- daemon          they are deployd.conf and its drop-ins
 *   -- all             show the defaults too
 *   the file's text; "-- file NAME" begins another, a drop-in. In a line that begins
 *   with '%', which is dropped, \xNN stands for a byte.
 *   --
 *   the messages, then every value with its origin, exactly as shown
 * With --write the expectations are replaced by what comes; read the difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

#define FILES_MAX 8

struct input {
	char *name, *text;
	size_t length, size;
	FILE *stream;
};

struct test_case {
	char *title;
	char *app;
	bool daemon, all;
	struct input files[FILES_MAX];
	size_t n_files;
	char *expected;
};

static void die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "%s: %s\n", what, detail);
	exit(2);
}

static char *copy(const char *text)
{
	char *copied = strdup(text);

	if (!copied)
		die("out of memory", text);
	return copied;
}

static void begin_file(struct test_case *test, const char *name)
{
	struct input *input = &test->files[test->n_files];

	if (test->n_files++ == FILES_MAX)
		die("too many files", test->title);
	input->name = copy(name);
	input->stream = open_memstream(&input->text, &input->length);
	if (!input->stream)
		die("out of memory", name);
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void add_escaped(FILE *stream, const char *line)
{
	while (*line) {
		if (line[0] == '\\' && line[1] == 'x' && hex(line[2]) >= 0 &&
		    hex(line[3]) >= 0) {
			(void)fputc(hex(line[2]) * 16 + hex(line[3]), stream);
			line += 4;
		} else {
			(void)fputc(*line++, stream);
		}
	}
}

static void add_line(struct test_case *test, const char *line)
{
	if (test->n_files == 0)
		begin_file(test, test->daemon ? "deployd.conf" : "a.conf");
	if (line[0] == '%')
		add_escaped(test->files[test->n_files - 1].stream, line + 1);
	else
		(void)fputs(line, test->files[test->n_files - 1].stream);
}

/* A line "-- word argument" before the bare "--". */
static void take_directive(struct test_case *test, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "-- file ", 8) == 0) {
		begin_file(test, line + 8);
	} else if (strncmp(line, "-- app ", 7) == 0) {
		free(test->app);
		test->app = copy(line + 7);
	} else if (strcmp(line, "-- daemon") == 0) {
		test->daemon = true;
	} else if (strcmp(line, "-- all") == 0) {
		test->all = true;
	} else {
		die("no such directive", line);
	}
}

static char *run(const struct test_case *test)
{
	struct config_text texts[FILES_MAX];

	for (size_t i = 0; i < test->n_files; i++)
		texts[i] =
			(struct config_text){test->files[i].name, test->files[i].text,
					     test->files[i].length};
	return test->daemon ? dump_daemon(texts, test->n_files)
			    : dump_app(test->app ? test->app : "hello", texts,
				       test->n_files, test->all);
}

static void end(struct test_case *test)
{
	for (size_t i = 0; i < test->n_files; i++) {
		free(test->files[i].name);
		free(test->files[i].text);
	}
	free(test->title);
	free(test->app);
	*test = (struct test_case){0};
}

/* False when it failed. What came goes to out, where it is given. */
static bool finish(struct test_case *test, const char *file, const char *expected,
		   FILE *out)
{
	char *came;
	bool good;

	for (size_t i = 0; i < test->n_files; i++)
		if (fclose(test->files[i].stream) != 0)
			die("out of memory", file);
	came = run(test);
	good = strcmp(came, expected) == 0;
	if (out)
		(void)fprintf(out, "%s\n", came);
	else if (!good)
		(void)printf("%s: %s\n--- expected\n%s--- came\n%s", file, test->title,
			     expected, came);
	free(came);
	end(test);
	return good;
}

static size_t n_cases, n_failed;

struct reader {
	const char *path;
	struct test_case test;
	FILE *expected; /* not NULL: behind the bare "--" */
	char *expected_text;
	size_t expected_length;
	FILE *out; /* NULL: compare only */
};

static void end_case(struct reader *reader)
{
	char *text;

	if (!reader->test.title)
		return;
	if (!reader->expected)
		die("no expectations", reader->test.title);
	(void)fclose(reader->expected);
	reader->expected = NULL;
	/* Blank lines part the cases. */
	text = reader->expected_text;
	while (reader->expected_length > 0 &&
	       (reader->expected_length == 1 ||
		text[reader->expected_length - 2] == '\n') &&
	       text[reader->expected_length - 1] == '\n')
		text[--reader->expected_length] = '\0';
	n_cases++;
	if (!finish(&reader->test, reader->path, text, reader->out))
		n_failed++;
	free(text);
}

static void take_line(struct reader *reader, char *line)
{
	struct test_case *test = &reader->test;
	bool title = strncmp(line, "== ", 3) == 0;

	if (title)
		end_case(reader);
	if (reader->out && !reader->expected)
		(void)fputs(line, reader->out);
	if (title) {
		line[strcspn(line, "\n")] = '\0';
		test->title = copy(line + 3);
	} else if (reader->expected) {
		(void)fputs(line, reader->expected);
	} else if (!test->title) {
		return; /* a comment above the first case */
	} else if (strcmp(line, "--\n") == 0) {
		reader->expected = open_memstream(&reader->expected_text,
						  &reader->expected_length);
		if (!reader->expected)
			die("out of memory", reader->path);
	} else if (strncmp(line, "-- ", 3) == 0) {
		take_directive(test, line);
	} else {
		add_line(test, line);
	}
}

static void run_file(const char *path, bool rewrite)
{
	struct reader reader = {.path = path};
	FILE *in = fopen(path, "r");
	char *line = NULL, *written = NULL;
	size_t size = 0, length = 0;

	if (!in)
		die("cannot open", path);
	if (rewrite)
		reader.out = open_memstream(&written, &length);
	while (getline(&line, &size, in) >= 0)
		take_line(&reader, line);
	end_case(&reader);
	(void)fclose(in);
	free(line);
	if (!rewrite)
		return;
	(void)fclose(reader.out);
	in = fopen(path, "w");
	if (!in || fwrite(written, 1, length - 1, in) != length - 1 || fclose(in) != 0)
		die("cannot write", path);
	free(written);
}

int main(int argc, char **argv)
{
	bool rewrite = argc > 1 && strcmp(argv[1], "--write") == 0;

	for (int i = rewrite ? 2 : 1; i < argc; i++)
		run_file(argv[i], rewrite);
	(void)printf("%zu cases, %zu failed\n", n_cases, rewrite ? 0 : n_failed);
	return n_cases == 0 || (n_failed > 0 && !rewrite);
}
