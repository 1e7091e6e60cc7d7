#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/duration.h"
#include "output/json_out.h"
#include "output/pager.h"
#include "output/progress.h"
#include "output/show.h"
#include "output/table.h"
#include "output/terminal.h"

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
	{"APP", 0}, {"SIZE", TABLE_RIGHT}, {"MESSAGE", 0}};

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
	static const struct table_column column = {"A", 0};
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

static void optional_columns_go_and_notes_stay(void **state)
{
	static const struct table_column narrow[] = {
		{"A", 0}, {"B", TABLE_OPTIONAL}, {"C", TABLE_RIGHT | TABLE_OPTIONAL}};
	static const struct {
		unsigned int width;
		const char *text;
	} cases[] = {{0, "A    B    C\none  two  3\n    why it failed\nx    -    -\n"},
		     {11, "A    B    C\none  two  3\n    why it failed\nx    -    -\n"},
		     {10, "A    B\none  two\n    why it failed\nx    -\n"},
		     {7, "A\none\n    why it failed\nx\n"},
		     {2, "A\non\n    why it failed\nx\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct table *table = table_new(narrow, 3);
		char *text = NULL;
		size_t size;
		FILE *stream = open_memstream(&text, &size);

		table_add(table, "one");
		table_add(table, "two");
		table_add(table, "3");
		table_note(table, "why it failed");
		table_add(table, "x");
		table_add(table, NULL);
		table_add(table, NULL);
		table_note(table, NULL);
		table_print(table, stream, true, cases[i].width);
		(void)fclose(stream);
		table_free(table);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
}

static void cut_text_ends_in_an_ellipsis(void **state)
{
	static const struct {
		size_t columns, left;
		const char *text;
	} cases[] = {{20, 13, "gr\xc3\xbc\xc3\x9f Go"},
		     {7, 0, "gr\xc3\xbc\xc3\x9f Go"},
		     {6, 0, "gr\xc3\xbc\xc3\x9f …"},
		     {1, 0, "…"},
		     {0, 0, ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = NULL;
		size_t size;
		FILE *stream = open_memstream(&text, &size);

		assert_int_equal(terminal_put_cut(stream, "gr\xc3\xbc\xc3\x9f Go",
						  cases[i].columns),
				 cases[i].left);
		(void)fclose(stream);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
}

static void rows_of_a_screen(void **state)
{
	(void)state;
	assert_int_equal(pager_rows("", 80), 0);
	assert_int_equal(pager_rows("a\n", 80), 1);
	assert_int_equal(pager_rows("a\n\nb", 80), 3);
	assert_int_equal(pager_rows("12345\n", 5), 1);
	assert_int_equal(pager_rows("123456\n", 5), 2);
	assert_int_equal(pager_rows("12345678901\n", 5), 3);
	assert_int_equal(pager_rows("\033[1;32mlive\033[0m\n", 5), 1);
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

static void spans(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{-1, "0 ms"},
		     {84, "84 ms"},
		     {999, "999 ms"},
		     {1000, "1 s"},
		     {2480, "2.4 s"},
		     {9999, "9.9 s"},
		     {10000, "10 s"},
		     {59999, "59 s"},
		     {60000, "1min"},
		     {173000, "2min 53s"},
		     {3600000, "1h"},
		     {3659000, "1h"},
		     {11100000, "3h 5min"},
		     {INT64_C(187200000), "2d 4h"},
		     {INT64_MAX, "106751991167d 7h"}};
	char text[DURATION_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(duration_text(cases[i].ms, text), cases[i].text);
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
	char text[SHOW_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(show_ago(cases[i].seconds, text), cases[i].text);
	assert_string_equal(show_time("2026-11-23T10:15:00Z", text),
			    "2026-11-23 10:15:00 UTC");
	assert_string_equal(show_time("soon", text), "soon");
	assert_string_equal(show_time(NULL, text), "");
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
		cmocka_unit_test(optional_columns_go_and_notes_stay),
		cmocka_unit_test(cut_text_ends_in_an_ellipsis),
		cmocka_unit_test(rows_of_a_screen),
		cmocka_unit_test(sizes),
		cmocka_unit_test(spans),
		cmocka_unit_test(times),
		cmocka_unit_test(progress_lines),
	};

	(void)setenv("TZ", "UTC", 1);
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	terminal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
