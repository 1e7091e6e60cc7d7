#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/app_config.h"
#include "probe/options.h"
#include "probe/status.h"
#include "run.h"
#include "util/finding.h"

static void status_lists(void **state)
{
	static const char *const wrong[] = {
		"",	   "20",	  "2000",    "200,",	 "200,,300",
		",200",	   "200-",	  "300-200", "99",	 "600",
		"200-600", "099",	  " 200",    "200, 300", "200 ",
		"+200",	   "200-299-300", "2xx",     "-200",	 "0x200",
	};
	struct status_set set, before;

	(void)state;
	assert_true(status_parse("200,300-302,599,100", &set));
	for (long code = -1000; code < 1700; code++)
		assert_int_equal(status_in(&set, code),
				 code == 200 || (code >= 300 && code <= 302) ||
					 code == 599 || code == 100);
	before = set;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(status_parse(wrong[i], &set));
	assert_memory_equal(&set, &before, sizeof(set));
}

static void status_list_is_bounded(void **state)
{
	char text[HEALTH_STATUS_TEXT_MAX + 8] = "200";
	struct status_set set;

	(void)state;
	while (strlen(text) + 4 <= HEALTH_STATUS_TEXT_MAX)
		memcpy(text + strlen(text), ",200", 5);
	assert_true(status_parse(text, &set));
	memcpy(text + strlen(text), ",200", 5);
	assert_false(status_parse(text, &set));
}

/* What --check accepts: any list, also one of overlapping ranges. */
static void every_list_of_a_check_is_taken(void **state)
{
	struct status_range ranges[500];
	struct health_check check = {.statuses = ranges};
	char text[HEALTH_STATUS_TEXT_MAX + 1];
	struct status_set set;

	(void)state;
	for (unsigned int length = 1; length <= 8; length++) {
		check.n_statuses = 0;
		for (unsigned int code = 100; code <= 599; code++)
			if (code % (length + 1) != (100 + length) % (length + 1))
				ranges[check.n_statuses++] =
					(struct status_range){code, code};
		health_check_status_text(&check, text);
		assert_true(status_parse(text, &set));
		for (unsigned int code = 100; code <= 599; code++)
			assert_int_equal(status_in(&set, code),
					 code % (length + 1) !=
						 (100 + length) % (length + 1));
		if (length == 2)
			assert_int_equal(strlen(text), HEALTH_STATUS_TEXT_MAX);
	}
	for (check.n_statuses = 0; check.n_statuses < 500; check.n_statuses++)
		ranges[check.n_statuses] = (struct status_range){200, 299};
	health_check_status_text(&check, text);
	assert_string_equal(text, "200-299");
}

static void addresses(void **state)
{
	static const char *const wrong[] = {
		"",	      ":80",	     "host",	      "host:",	 "host:0",
		"host:65536", "::1:80",	     "[]:80",	      "[::1]",	 "[::1:80",
		"::1]:80",    "[::1]80",     "host:+1",	      "host: 1", "host:1 ",
		"host:http",  "host:000080", "[a:80]:80]:80",
	};
	char host[ADDRESS_HOST_SIZE], text[400];
	uint16_t port;

	(void)state;
	assert_true(address_parse("localhost:4000", host, &port));
	assert_string_equal(host, "localhost");
	assert_int_equal(port, 4000);
	assert_true(address_parse("[fd00::1%eth0]:65535", host, &port));
	assert_string_equal(host, "fd00::1%eth0");
	assert_int_equal(port, 65535);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (address_parse(wrong[i], host, &port))
			fail_msg("accepted: %s", wrong[i]);
	(void)snprintf(text, sizeof(text), "%0*d:1", HEALTH_HOST_MAX, 0);
	assert_true(address_parse(text, host, &port));
	(void)snprintf(text, sizeof(text), "%0*d:1", HEALTH_HOST_MAX + 1, 0);
	assert_false(address_parse(text, host, &port));
}

static void header_conditions(void **state)
{
	struct header_wanted h;
	char name[HEALTH_HEADER_NAME_MAX + 3];

	(void)state;
	assert_true(header_parse("X-A: \t b: c \t", &h));
	assert_int_equal(h.name_length, 3);
	assert_int_equal(h.value_length, 4);
	assert_memory_equal(h.value, "b: c", 4);
	assert_true(header_parse("A:", &h));
	assert_int_equal(h.value_length, 0);
	assert_false(header_parse("", &h));
	assert_false(header_parse(": b", &h));
	assert_false(header_parse("X-A", &h));
	assert_false(header_parse("X A: b", &h));
	assert_false(header_parse("X-A : b", &h));
	memset(name, 'a', sizeof(name));
	name[HEALTH_HEADER_NAME_MAX] = ':';
	name[HEALTH_HEADER_NAME_MAX + 1] = '\0';
	assert_true(header_parse(name, &h));
	memset(name, 'a', sizeof(name));
	name[HEALTH_HEADER_NAME_MAX + 1] = ':';
	name[HEALTH_HEADER_NAME_MAX + 2] = '\0';
	assert_false(header_parse(name, &h));
}

static void output_is_bounded(void **state)
{
	struct finding finding = {.took_ms = -1, .processes = json_array()};
	char path[2048];
	size_t length;
	json_t *line;
	char *text;

	(void)state;
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		assert_int_equal(json_array_append_new(finding.processes,
						       json_pack("{s:i, s:s}", "pid",
								 i + 1, "cwd", path)),
				 0);
	finding_pass(&finding, "looked");
	text = finding_line(&finding, &length);
	assert_non_null(text);
	assert_in_range(length, FINDING_OUTPUT_MAX * 9 / 10, FINDING_OUTPUT_MAX);
	assert_int_equal(text[length - 1], '\n');
	line = json_loadb(text, length, 0, NULL);
	assert_non_null(line);
	assert_true(json_is_true(json_object_get(line, "truncated")));
	assert_in_range(json_array_size(json_object_get(line, "processes")), 400, 600);
	json_decref(line);
	free(text);
}

static void usage(void **state)
{
	static const char *const wrong[][6] = {
		{NULL},
		{"https"},
		{"http", "--url=http://127.0.0.1/"},
		{"http", "--timeout-ms=1"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=0"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=3600001"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=1", "--status=ok"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=1", "--header=a"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=1", "--what=1"},
		{"http", "--url=http://127.0.0.1/", "--timeout-ms=1", "stray"},
		{"http", "--url=127.0.0.1/", "--timeout-ms=1"},
		{"http", "--url=file:///etc/passwd", "--timeout-ms=1"},
		{"http", "--url=gopher://127.0.0.1/", "--timeout-ms=1"},
		{"http", "--url=http://u:p@127.0.0.1/", "--timeout-ms=1"},
		{"http", "--url=http://u@127.0.0.1/", "--timeout-ms=1"},
		{"http", "--url=http://127.0.0.1:99999/", "--timeout-ms=1"},
		{"http", "--url=http:///", "--timeout-ms=1"},
		{"tcp", "--address=localhost", "--timeout-ms=1"},
		{"tcp", "--address=localhost:1"},
		{"verification"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		size_t n = 0;
		struct run run;

		while (n < 6 && wrong[i][n])
			n++;
		run = run_probe(0, wrong[i], n);
		assert_true(strlen(run_text(&run, "message")) > 10);
		assert_null(strstr(run_text(&run, "message"), "u:p"));
		run_end(&run, 2);
	}
}

static void headers_are_bounded(void **state)
{
	const char *arguments[HEALTH_HEADERS_MAX + 4] = {
		"http", "--url=http://127.0.0.1:1/", "--timeout-ms=1000"};
	struct run run;

	(void)state;
	for (size_t i = 0; i <= HEALTH_HEADERS_MAX; i++)
		arguments[3 + i] = "--header=X-A: b";
	run = run_probe(0, arguments, 3 + HEALTH_HEADERS_MAX);
	run_end(&run, 1);
	run = run_probe(0, arguments, 4 + HEALTH_HEADERS_MAX);
	run_end_saying(&run, 2, "too many headers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_lists),
		cmocka_unit_test(status_list_is_bounded),
		cmocka_unit_test(every_list_of_a_check_is_taken),
		cmocka_unit_test(addresses),
		cmocka_unit_test(header_conditions),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(usage),
		cmocka_unit_test(headers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
