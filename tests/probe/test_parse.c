#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/cgroup.h"
#include "probe/finding.h"
#include "probe/maps.h"
#include "probe/options.h"
#include "probe/process.h"
#include "probe/status.h"
#include "run.h"

#define PREFIX	   "/srv/hello/releases"
#define PREFIX_LEN strlen(PREFIX)

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
	char text[STATUS_TEXT_MAX + 8] = "200";
	struct status_set set;

	(void)state;
	while (strlen(text) + 4 <= STATUS_TEXT_MAX)
		memcpy(text + strlen(text), ",200", 5);
	assert_true(status_parse(text, &set));
	memcpy(text + strlen(text), ",200", 5);
	assert_false(status_parse(text, &set));
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
	(void)snprintf(text, sizeof(text), "%0*d:1", PROBE_HOST_MAX, 0);
	assert_true(address_parse(text, host, &port));
	(void)snprintf(text, sizeof(text), "%0*d:1", PROBE_HOST_MAX + 1, 0);
	assert_false(address_parse(text, host, &port));
}

static void header_conditions(void **state)
{
	struct header_wanted h;
	char name[PROBE_HEADER_NAME_MAX + 3];

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
	name[PROBE_HEADER_NAME_MAX] = ':';
	name[PROBE_HEADER_NAME_MAX + 1] = '\0';
	assert_true(header_parse(name, &h));
	memset(name, 'a', sizeof(name));
	name[PROBE_HEADER_NAME_MAX + 1] = ':';
	name[PROBE_HEADER_NAME_MAX + 2] = '\0';
	assert_false(header_parse(name, &h));
}

static void assert_path(const char *line, const char *wanted)
{
	char copy[512];
	const char *path;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	path = maps_path(copy);
	if (!wanted) {
		assert_null(path);
		return;
	}
	assert_non_null(path);
	assert_string_equal(path, wanted);
}

static void maps_lines(void **state)
{
#define RANGE "7f0a1c000000-7f0a1c021000 r-xp 00001000 fe:01 1234 "
	(void)state;
	assert_path(RANGE "                     /usr/lib/libc.so.6\n",
		    "/usr/lib/libc.so.6");
	assert_path(RANGE " /srv/a b  c\n", "/srv/a b  c");
	assert_path(RANGE "/srv/x.so (deleted)\n", "/srv/x.so");
	assert_path(RANGE "/srv/x.so(deleted)\n", "/srv/x.so(deleted)");
	assert_path(RANGE "/srv/new\\012line\n", "/srv/new\\012line");
	assert_path(RANGE "\n", NULL);
	assert_path(RANGE " [heap]\n", NULL);
	assert_path(RANGE " anon_inode:[io_uring]\n", NULL);
	assert_path("7f0a1c000000-7f0a1c021000 r-xp /srv/x\n", NULL);
	assert_path("", NULL);
	assert_path("\n", NULL);
	assert_path("    /srv/x\n", NULL);
}

static void each_mapped_path_once(void **state)
{
	struct mapped mapped = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mapped_add(&mapped, PREFIX "/1/a", PREFIX_LEN), 0);
		assert_int_equal(mapped_add(&mapped, PREFIX "/1/b", PREFIX_LEN), 0);
	}
	assert_int_equal(mapped.n_paths, 2);
	assert_false(mapped.truncated);
	mapped_deinit(&mapped);
}

static void no_release_hides_behind_many_files(void **state)
{
	struct mapped mapped = {0};
	char path[64];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), PREFIX "/11/%d", i);
		assert_int_equal(mapped_add(&mapped, path, PREFIX_LEN), 0);
	}
	assert_int_equal(mapped.n_paths, MAPPED_PATHS_MAX);
	assert_false(mapped.truncated);
	/* "1" is not "11". */
	assert_int_equal(mapped_add(&mapped, PREFIX "/1/old.so", PREFIX_LEN), 0);
	assert_int_equal(mapped.n_paths, MAPPED_PATHS_MAX);
	assert_string_equal(mapped.paths[MAPPED_PATHS_MAX - 1], PREFIX "/1/old.so");
	assert_false(mapped.truncated);

	for (int i = 0; i < MAPPED_PATHS_MAX - 2; i++) {
		(void)snprintf(path, sizeof(path), PREFIX "/2%d/x", i);
		assert_int_equal(mapped_add(&mapped, path, PREFIX_LEN), 0);
	}
	assert_string_equal(mapped.paths[0], PREFIX "/11/0");
	assert_false(mapped.truncated);
	assert_int_equal(mapped_add(&mapped, PREFIX "/3/x", PREFIX_LEN), 0);
	assert_true(mapped.truncated);
	mapped_deinit(&mapped);
}

static void cgroup_paths(void **state)
{
	static const char *const wrong[] = {
		"",	 "/",	"a",  "a/b",	 "/a/",	 "//a",
		"/a//b", "/..", "/.", "/a/../b", "/a/.",
	};
	char name[400] = "/";

	(void)state;
	assert_true(cgroup_valid("/system.slice/hello@1.service"));
	assert_true(cgroup_valid("/a"));
	assert_true(cgroup_valid("/..a/b.."));
	assert_true(cgroup_valid("/x/system.slice/a\\x2db.service"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (cgroup_valid(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
	memset(name + 1, 'a', 255);
	assert_true(cgroup_valid(name));
	name[256] = 'a';
	assert_false(cgroup_valid(name));
}

static void renamed(const struct releases *releases, const char *from, const char *to)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", from);
	releases_rename(releases, path);
	assert_string_equal(path, to);
}

static void releases_behind_a_link(void **state)
{
	struct releases r = {.given = "/srv/hello/releases", .real = "/data/r"};

	(void)state;
	r.given_length = strlen(r.given);
	r.real_length = strlen(r.real);
	renamed(&r, "/data/r/1/bin/x", "/srv/hello/releases/1/bin/x");
	renamed(&r, "/data/r2/1", "/data/r2/1");
	renamed(&r, "/data/r", "/data/r");
	renamed(&r, "/", "/");
	assert_true(releases_init(&r, "/tmp///"));
	assert_string_equal(r.given, "/tmp");
	assert_true(releases_init(&r, "/proc/self/cwd"));
	assert_string_not_equal(r.real, r.given);
	assert_true(releases_init(&r, "/no/such/place"));
	assert_string_equal(r.real, "/no/such/place");
	assert_false(releases_init(&r, "tmp"));
	assert_false(releases_init(&r, ""));
	assert_false(releases_init(&r, "//"));
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
		{"proof", "--cgroup=/", "--releases=/srv"},
		{"proof", "--cgroup=/../x", "--releases=/srv"},
		{"proof", "--cgroup=/x", "--releases=srv"},
		{"proof", "--cgroup=/x"},
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
	const char *arguments[PROBE_HEADERS_MAX + 4] = {
		"http", "--url=http://127.0.0.1:1/", "--timeout-ms=1000"};
	struct run run;

	(void)state;
	for (size_t i = 0; i <= PROBE_HEADERS_MAX; i++)
		arguments[3 + i] = "--header=X-A: b";
	run = run_probe(0, arguments, 3 + PROBE_HEADERS_MAX);
	run_end(&run, 1);
	run = run_probe(0, arguments, 4 + PROBE_HEADERS_MAX);
	run_end_saying(&run, 2, "too many headers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_lists),
		cmocka_unit_test(status_list_is_bounded),
		cmocka_unit_test(addresses),
		cmocka_unit_test(header_conditions),
		cmocka_unit_test(maps_lines),
		cmocka_unit_test(each_mapped_path_once),
		cmocka_unit_test(no_release_hides_behind_many_files),
		cmocka_unit_test(cgroup_paths),
		cmocka_unit_test(releases_behind_a_link),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(usage),
		cmocka_unit_test(headers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
