#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "look.h"
#include "progress.h"
#include "table.h"
#include "terminal.h"

/* --- JSON ----------------------------------------------------------------------- */

static void check_snake(const char *in, const char *out)
{
	json_t *from = json_loads(in, JSON_DECODE_ANY, NULL);
	json_t *to = json_out_snake(from);
	char *text = json_dumps(to, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_string_equal(text, out);
	free(text);
	json_decref(from);
	json_decref(to);
}

static void keys_become_snake_case(void **state)
{
	(void)state;
	check_snake(
		"{\"restartGapMs\":84,\"mainPid\":1,\"app\":\"aB\",\"sha256\":\"x\"}",
		"{\"restart_gap_ms\":84,\"main_pid\":1,\"app\":\"aB\",\"sha256\":"
		"\"x\"}");
	check_snake(
		"[{\"deployedBy\":{\"userName\":null}},{\"a\":[{\"bC\":true}]}]",
		"[{\"deployed_by\":{\"user_name\":null}},{\"a\":[{\"b_c\":true}]}]");
	check_snake("[]", "[]");
	check_snake("{}", "{}");
	check_snake("\"tookMs\"", "\"tookMs\"");
	assert_null(json_out_snake(NULL));
}

static void schema_is_first_and_once(void **state)
{
	json_t *with = json_out_with_schema(json_pack("{s:s}", "app", "hello"));
	char *text = json_dumps(with, JSON_COMPACT);

	(void)state;
	assert_string_equal(text, "{\"schema\":1,\"app\":\"hello\"}");
	free(text);
	with = json_out_with_schema(with);
	text = json_dumps(with, JSON_COMPACT);
	assert_string_equal(text, "{\"schema\":1,\"app\":\"hello\"}");
	free(text);
	json_decref(with);
	with = json_out_with_schema(json_array());
	assert_true(json_is_array(with));
	json_decref(with);
}

/* --- text ----------------------------------------------------------------------- */

static void text_is_cleaned(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"hello", "hello"},
		{"", ""},
		{NULL, ""},
		{"\033[2J", "\\x1b[2J"},
		{"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
		{"\xc2\x9b", "\\xc2\\x9b"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"\x7f", "\\x7f"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		/* What deployd has escaped stays as it is. */
		{"\\x1b[2J", "\\x1b[2J"},
		{"\\\\", "\\\\"},
		{"\\", "\\"},
		{"a\\\033", "a\\\\x1b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *clean = terminal_clean(cases[i].in);

		assert_string_equal(clean, cases[i].out);
		free(clean);
	}
}

static void long_text_is_cleaned_whole(void **state)
{
	char text[5001], *clean;

	(void)state;
	memset(text, '\033', 5000);
	text[5000] = '\0';
	clean = terminal_clean(text);
	assert_int_equal(strlen(clean), 4 * 5000);
	free(clean);
}

/* --- tables --------------------------------------------------------------------- */

static const struct table_column columns[] = {
	{"APP", false}, {"SIZE", true}, {"MESSAGE", false}};

static char *print_table(bool legend, unsigned int width)
{
	struct table *table = table_new(columns, 3);
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	table_add(table, "hello");
	table_add(table, "7 B");
	table_add(table, "gr\xc3\xbc\xc3\x9f Gott\033");
	table_add(table, "a");
	table_addf(table, "%d MB", 1024);
	table_add(table, NULL);
	table_print(table, stream, legend, width);
	(void)fclose(stream);
	table_free(table);
	return text;
}

static void check_table(bool legend, unsigned int width, const char *wanted)
{
	char *text = print_table(legend, width);

	assert_string_equal(text, wanted);
	free(text);
}

static void table_layout(void **state)
{
	(void)state;
	check_table(true, 0,
		    "APP       SIZE  MESSAGE\n"
		    "hello      7 B  gr\xc3\xbc\xc3\x9f Gott\\x1b\n"
		    "a      1024 MB  -\n");
	check_table(false, 0,
		    "hello      7 B  gr\xc3\xbc\xc3\x9f Gott\\x1b\n"
		    "a      1024 MB  -\n");
	/* On a terminal a line ends at its edge, between characters. */
	check_table(true, 19,
		    "APP       SIZE  MES\n"
		    "hello      7 B  gr\xc3\xbc\n"
		    "a      1024 MB  -\n");
	check_table(true, 4, "APP \nhell\na   \n");
}

/* Two columns wide: half of one does not fit. */
static void wide_characters_are_not_cut(void **state)
{
	static const struct table_column column = {"A", false};
	struct table *table = table_new(&column, 1);
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	table_add(table, "\xe6\x97\xa5\xe6\x9c\xac");
	table_print(table, stream, false, 3);
	(void)fclose(stream);
	table_free(table);
	assert_string_equal(text, "\xe6\x97\xa5\n");
	free(text);
}

/* --- numbers and times ---------------------------------------------------------- */

static void sizes(void **state)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"},
		     {999, "999 B"},
		     {1000, "1.0 kB"},
		     {28100000, "28.1 MB"},
		     {999949, "999.9 kB"},
		     {999950, "1.0 MB"},
		     {2147483648, "2.1 GB"},
		     {-5, "0 B"},
		     {INT64_MAX, "99999.0 TB"}};
	char text[PROGRESS_BYTES_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(progress_bytes(cases[i].bytes, text),
				    cases[i].text);
}

static void times(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-3, "0s ago"},
		     {59, "59s ago"},
		     {60, "1min ago"},
		     {3599, "59min ago"},
		     {7200, "2h ago"},
		     {86400, "1 day ago"},
		     {3 * 86400, "3 days ago"},
		     {15 * 86400, "2 weeks ago"},
		     {800 * 86400, "2 years ago"}};
	char text[LOOK_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(look_ago(cases[i].seconds, text), cases[i].text);
	assert_string_equal(look_time("2026-11-23T10:15:00Z", text),
			    "2026-11-23 10:15:00 UTC");
	assert_string_equal(look_time("soon", text), "soon");
	assert_string_equal(look_time(NULL, text), "");
}

/* --- progress ------------------------------------------------------------------- */

static void check_progress(const char *item_text, unsigned int width,
			   const char *wanted)
{
	struct progress progress = {.phase = "unpacking", .phase_ms = 1000};
	json_t *item = json_loads(item_text, 0, NULL);
	char text[256];

	assert_non_null(item);
	progress_format(&progress, item, 3000, width, text, sizeof(text));
	assert_string_equal(text, wanted);
	json_decref(item);
}

static void progress_lines(void **state)
{
	static const char measured[] =
		"{\"app\":\"hello\",\"percent\":43,\"bytes\":12300000,"
		"\"total_bytes\":28100000}";

	(void)state;
	check_progress(measured, 0,
		       "hello: unpacking   43%  12.3 MB of 28.1 MB  6.2 MB/s");
	check_progress(measured, 79,
		       "hello: unpacking  [#########--------------]   43%  12.3 MB of "
		       "28.1 MB  "
		       "6.2 MB/s");
	check_progress(measured, 30, "hello: unpacking   43%  12.3 M");
	check_progress("{\"app\":\"hello\",\"percent\":null,\"bytes\":640}", 79,
		       "hello: unpacking  640 B  320 B/s");
	check_progress("{\"app\":\"hello\",\"percent\":100}", 79,
		       "hello: unpacking  [##############################]  100%");
	check_progress("{\"app\":\"hello\",\"percent\":0}", 79,
		       "hello: unpacking  [------------------------------]    0%");
	check_progress("{\"app\":\"hello\",\"percent\":9000}", 79, "hello: unpacking");
	check_progress("{\"app\":\"hello\",\"message\":\"waits\"}", 0,
		       "hello: unpacking: waits");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_become_snake_case),
		cmocka_unit_test(schema_is_first_and_once),
		cmocka_unit_test(text_is_cleaned),
		cmocka_unit_test(long_text_is_cleaned_whole),
		cmocka_unit_test(table_layout),
		cmocka_unit_test(wide_characters_are_not_cut),
		cmocka_unit_test(sizes),
		cmocka_unit_test(times),
		cmocka_unit_test(progress_lines),
	};

	(void)setenv("TZ", "UTC", 1);
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	terminal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
