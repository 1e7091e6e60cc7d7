/* The line reader: what it hands on, and what it says of what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/ini.h"

static char *came;
static struct diag diag;

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	FILE *out = userdata;

	assert_string_equal(entry->file, "f");
	(void)fprintf(out, "%u [%s]%u %s=%s\n", entry->line, entry->section,
		      entry->section_line, entry->key, entry->value);
}

static void read_bytes(const char *text, size_t length)
{
	size_t size;
	FILE *out;

	free(came);
	diag_deinit(&diag);
	out = open_memstream(&came, &size);
	assert_non_null(out);
	ini_read("f", text, length, on_entry, out, &diag);
	assert_int_equal(fclose(out), 0);
}

/* The entries of text are these, and there is no message, or this one alone. */
static void assert_read(const char *text, const char *entries, const char *message)
{
	read_bytes(text, strlen(text));
	assert_string_equal(came, entries);
	if (!message) {
		assert_int_equal(diag.n_messages, 0);
		return;
	}
	assert_int_equal(diag.n_messages, 1);
	assert_string_equal(diag.messages[0], message);
}

static int tear_down(void **state)
{
	(void)state;
	free(came);
	came = NULL;
	diag_deinit(&diag);
	return 0;
}

static void entries_have_lines_and_sections(void **state)
{
	(void)state;
	assert_read("a = 1\n\n[s]\nb=2\n  c  =  3  \n[ t  u\tv ]\r\nd = 4\r\n",
		    "1 []0 a=1\n4 [s]3 b=2\n5 [s]3 c=3\n7 [t u v]6 d=4\n", NULL);
}

static void the_last_line_needs_no_end(void **state)
{
	(void)state;
	assert_read("a = 1", "1 []0 a=1\n", NULL);
	assert_read("", "", NULL);
	assert_read("\n \n\t\n", "", NULL);
	assert_read("\xef\xbb\xbf[s]\na=1", "2 [s]1 a=1\n", NULL);
}

static void comments(void **state)
{
	(void)state;
	assert_read("# a = 1\n; b = 2\n  # c = 3\n[s] ; x\nd = 4 # x\ne = 5 ; x\n"
		    "f = a#b;c\ng = # x\nh =;x\n",
		    "5 [s]4 d=4\n6 [s]4 e=5\n7 [s]4 f=a#b;c\n8 [s]4 g=\n9 [s]4 h=;x\n",
		    NULL);
}

static void quotes_keep_what_is_in_them(void **state)
{
	(void)state;
	assert_read("a = \"x ; y # z\" ; c\nb = \" \\\"q\\\" \\\\ \\n \"\nc = \"\"\n"
		    "d = x \"y\" z\n",
		    "1 []0 a=x ; y # z\n2 []0 b= \"q\" \\ \\n \n3 []0 c=\n"
		    "4 []0 d=x \"y\" z\n",
		    NULL);
	assert_read("a = \"open\nb = 1\n", "2 []0 b=1\n",
		    "f:1: the value has no closing '\"'");
	assert_read(
		"a = \"x\" y\n", "",
		"f:1: there is something after the closing '\"' of the value; quote "
		"the whole value, with \\\" for a quote in it");
}

static void an_indented_line_is_a_line(void **state)
{
	(void)state;
	assert_read("a = 1\n  b = 2\n", "1 []0 a=1\n2 []0 b=2\n", NULL);
	assert_read("a = 1\n  more\n", "1 []0 a=1\n",
		    "f:2: 'more' is neither 'name = value' nor a [section]");
}

static void form_faults_skip_the_line_only(void **state)
{
	(void)state;
	assert_read("=1\na=2\n", "2 []0 a=2\n", "f:1: there is no name before the '='");
	assert_read("a:b=1\na=2\n", "2 []0 a=2\n",
		    "f:1: a ':' before the '='; a name has none");
	assert_read("\n\xef\xbb\xbf=1\na=2\n", "3 []0 a=2\n",
		    "f:2: a byte order mark inside the file; remove it");
	assert_read("a ;b = 1\na=2\n", "2 []0 a=2\n",
		    "f:1: 'a ;b = 1' is neither 'name = value' nor a [section]");
}

/* inih puts the lines of a broken section into the one before. */
static void a_broken_section_takes_its_lines_with_it(void **state)
{
	(void)state;
	assert_read("[a]\nx=1\n[b\ny=2\n[c]\nz=3\n", "2 [a]1 x=1\n6 [c]5 z=3\n",
		    "f:3: the section has no ']'; the lines below it are skipped");
	assert_read("[a] b\nx=1\n", "",
		    "f:1: there is something after the section's ']'; the lines below "
		    "it are skipped");
	assert_read("[ ]\nx=1\n", "",
		    "f:1: the section has no name; the lines below it are skipped");
	assert_read("[a]\n[b\x01]\nx=1\n", "", "f:2: control byte 0x01 at column 3");
}

static void a_long_section_is_not_cut(void **state)
{
	char text[400], entries[400];

	(void)state;
	(void)snprintf(text, sizeof(text), "[%0200d]\na=1\n", 7);
	(void)snprintf(entries, sizeof(entries), "2 [%0200d]1 a=1\n", 7);
	assert_read(text, entries, NULL);
}

static void bytes_that_are_no_text(void **state)
{
	(void)state;
	read_bytes("a=1\0x\nb=2\n", 10);
	assert_string_equal(came, "2 []0 b=2\n");
	assert_string_equal(diag.messages[0],
			    "f:1: the line holds a NUL byte; a configuration is text");
	assert_read("a=\xff\n", "", "f:1: byte 0xff at column 3 is not valid UTF-8");
	assert_read("a=\xc0\xaf\n", "",
		    "f:1: byte 0xc0 at column 3 is not valid UTF-8");
	assert_read("a=\xed\xa0\x80\n", "",
		    "f:1: byte 0xed at column 3 is not valid UTF-8");
	assert_read("a=x\033[m\n", "", "f:1: control byte 0x1b at column 4");
	assert_read("a=x\ry\n", "", "f:1: control byte 0x0d at column 4");
	assert_read("a=\xc3\xa4\t\xf0\x9f\x98\x80\n",
		    "1 []0 a=\xc3\xa4\t\xf0\x9f\x98\x80\n", NULL);
}

/* A line of n bytes, "a=" and filling; then "b=2". */
static void read_line_of(size_t n)
{
	char *text = malloc(n + 5);

	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, "a=", 2);
	memcpy(text + n, "\nb=2", 5);
	read_bytes(text, n + 4);
	free(text);
}

static void long_lines(void **state)
{
	(void)state;
	/* inih's own limit in Debian is 200 bytes. */
	for (size_t n = 195; n < 205; n++) {
		read_line_of(n);
		assert_int_equal(diag.n_messages, 0);
		assert_int_equal(strlen(came), strlen("1 []0 a=\n2 []0 b=2\n") + n - 2);
	}
	read_line_of(INI_LINE_BYTES_MAX);
	assert_int_equal(diag.n_messages, 0);
	assert_int_equal(strlen(came),
			 strlen("1 []0 a=\n2 []0 b=2\n") + INI_LINE_BYTES_MAX - 2);
	read_line_of(INI_LINE_BYTES_MAX + 1);
	assert_string_equal(came, "2 []0 b=2\n");
	assert_string_equal(diag.messages[0],
			    "f:1: the line is longer than 65535 bytes");
}

static void a_file_has_a_limit(void **state)
{
	char *text = calloc(1, INI_FILE_BYTES_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', INI_FILE_BYTES_MAX + 1);
	read_bytes(text, INI_FILE_BYTES_MAX);
	assert_int_equal(diag.n_messages, 0);
	read_bytes(text, INI_FILE_BYTES_MAX + 1);
	assert_string_equal(diag.messages[0],
			    "f: the file is larger than 1048576 bytes");
	free(text);
}

static void every_fault_is_told(void **state)
{
	(void)state;
	read_bytes("x\n=1\n[y\na\n[z]\nq\n", 16);
	assert_int_equal(diag.n_messages, 4);
	assert_true(diag.has_errors);
}

#define T(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(entries_have_lines_and_sections),
		T(the_last_line_needs_no_end),
		T(comments),
		T(quotes_keep_what_is_in_them),
		T(an_indented_line_is_a_line),
		T(form_faults_skip_the_line_only),
		T(a_broken_section_takes_its_lines_with_it),
		T(a_long_section_is_not_cut),
		T(bytes_that_are_no_text),
		T(long_lines),
		T(a_file_has_a_limit),
		T(every_fault_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
