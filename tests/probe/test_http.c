#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "build_config.h"
#include "run.h"
#include "server.h"

#define MIB (1u << 20)

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_TEXT OK_HEAD "Content-Length: 8\r\n\r\nI'm fine"
#define TIME	"--timeout-ms=20000" /* an answer comes at once */
#define SOON	"--timeout-ms=300"   /* none comes */

static struct server server;

static void serve(const char *answer, enum server_then then)
{
	server = (struct server){.answer = answer, .then = then};
	server_start(&server);
}

static int tear_down(void **state)
{
	(void)state;
	if (server.answer)
		server_stop(&server);
	server.answer = NULL;
	return 0;
}

static void asks_once_and_plainly(void **state)
{
	char url[160], wanted[512];
	struct run run;

	(void)state;
	serve(OK_TEXT, SERVER_CLOSES);
	(void)snprintf(url, sizeof(url), "%s?full=1#part", server.url);
	run = PROBE("http", url, TIME);
	assert_int_equal(run_number(&run, "status"), 200);
	assert_string_equal(run_text(&run, "excerpt"), "I'm fine");
	assert_true(run_number(&run, "took_ms") >= 0);
	assert_null(json_object_get(run.line, "processes"));
	run_end_saying(&run, 0, "/health?full=1#part: 200 OK");

	server_stop(&server);
	server.answer = NULL;
	(void)snprintf(wanted, sizeof(wanted),
		       "GET /health?full=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		       "User-Agent: deployd-probe/" DEPLOYD_VERSION
		       "\r\nAccept: */*\r\n"
		       "Connection: close\r\n\r\n",
		       server.port);
	assert_string_equal(server.request, wanted);
	assert_int_equal(server.n_connections, 1);
}

static void other_status_fails(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 11\r\n\r\nno "
	      "db\r\nat\r\n",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME, "--status=200");
	assert_int_equal(run_number(&run, "status"), 500);
	assert_string_equal(run_text(&run, "excerpt"), "no db\\x0d\\x0aat");
	run_end_saying(&run, 1, "/health: 500 Internal Server Error, wanted 200");

	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 1, "wanted 200-299");
	run = PROBE("http", server.url, TIME, "--status=200,400-499,501-599");
	run_end(&run, 1);
	run = PROBE("http", server.url, TIME, "--status=200,400-500");
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--status=500");
	run_end(&run, 0);
}

static void status_without_words(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", SERVER_CLOSES);
	run = PROBE("http", server.url, TIME);
	assert_int_equal(run_number(&run, "status"), 404);
	run_end_saying(&run, 1, ": 404, wanted");
}

static void earlier_hints_are_not_the_answer(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 103 Early Hints\r\nX-State: hint\r\n\r\n"
	      "HTTP/1.1 503 Draining\r\nX-State: last\r\nContent-Length: 0\r\n\r\n",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 1, ": 503 Draining, wanted");
	run = PROBE("http", server.url, TIME, "--status=503", "--header=X-State: hint");
	run_end_saying(&run, 1, "'last'");
}

static void body_holds_text(void **state)
{
	struct run run;

	(void)state;
	serve(OK_TEXT, SERVER_CLOSES);
	run = PROBE("http", server.url, TIME, "--body=m fine");
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--body=");
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--body=i'm fine");
	run_end_saying(&run, 1,
		       "200 OK, but the 8 bytes of the body do not contain "
		       "'i'm fine'");
	run = PROBE("http", server.url, TIME, "--body=I'm fine, too");
	run_end(&run, 1);
}

static void body_of_bytes(void **state)
{
	static const char answer[] =
		OK_HEAD "Content-Length: 12\r\n\r\na\0b\033[31m\xff\xc3\xa9z";
	struct run run;

	(void)state;
	server = (struct server){.answer = answer, .length = sizeof(answer) - 1};
	server_start(&server);
	run = PROBE("http", server.url, TIME, "--body=\xc3\xa9z");
	assert_string_equal(run_text(&run, "excerpt"),
			    "a\\x00b\\x1b[31m\\xff\xc3\xa9z");
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--body=\033[32m");
	run_end_saying(&run, 1, "do not contain '\\x1b[32m'");
}

static void chunked_body(void **state)
{
	struct run run;

	(void)state;
	serve(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
		      "3\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n",
	      SERVER_HOLDS);
	run = PROBE("http", server.url, TIME, "--body=healthy");
	run_end(&run, 0);
}

static void headers_are_compared(void **state)
{
	struct run run;

	(void)state;
	serve(OK_HEAD "X-Release: 42\r\nx-tag: a\r\nX-Tag:  b c \r\nX-Empty:\r\n"
		      "Content-Length: 0\r\n\r\n",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME, "--header=x-rELEASE: 42",
		    "--header=X-TAG:b c", "--header=x-tag:\ta ", "--header=X-Empty:");
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--header=X-Release: 4");
	run_end_saying(&run, 1,
		       "but header 'X-Release' is '42', wanted 'X-Release: 4'");
	run = PROBE("http", server.url, TIME, "--header=X-Release: 42",
		    "--header=X-Tag: B C");
	run_end_saying(&run, 1, "is 'b c'");
	run = PROBE("http", server.url, TIME, "--header=X-Tag: b");
	run_end(&run, 1);
	run = PROBE("http", server.url, TIME, "--header=X-Rel: 42");
	run_end_saying(&run, 1, "there is no header 'X-Rel: 42'");
}

static void status_counts_before_the_rest(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 503 Busy\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME, "--header=X-A: b", "--body=ok");
	run_end_saying(&run, 1, ": 503 Busy, wanted");
}

static void no_answer_in_time(void **state)
{
	struct run run;

	(void)state;
	serve("", SERVER_HOLDS);
	run = PROBE("http", server.url, SOON);
	assert_int_equal(run_number(&run, "status"), -1);
	assert_null(json_object_get(run.line, "excerpt"));
	assert_in_range(run_number(&run, "took_ms"), 300, 10000);
	run_end_saying(&run, 1, "timed out after 300 ms waiting for an answer");
}

static void slow_headers(void **state)
{
	struct run run;

	(void)state;
	serve(OK_HEAD "X-A: b\r\n", SERVER_HOLDS);
	run = PROBE("http", server.url, SOON);
	run_end_saying(&run, 1, "timed out after 300 ms in the middle of the answer");
}

static void slow_body(void **state)
{
	struct run run;

	(void)state;
	serve(OK_HEAD "Content-Length: 100\r\n\r\nI'm fine", SERVER_HOLDS);
	run = PROBE("http", server.url, SOON, "--body=fine");
	assert_int_equal(run_number(&run, "status"), 200);
	assert_string_equal(run_text(&run, "excerpt"), "I'm fine");
	run_end_saying(&run, 1,
		       "in the middle of the answer, 8 bytes of the body came");
}

static void huge_body(void **state)
{
	struct run run;

	(void)state;
	serve(OK_HEAD "\r\n", SERVER_FLOODS);
	run = PROBE("http", server.url, TIME, "--body=xxxx");
	assert_int_equal(strlen(run_text(&run, "excerpt")), 512);
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME, "--body=needle");
	run_end_saying(&run, 1, "but the first 1048576 bytes of the body do not");
}

/* The last byte of "needle" is byte number at of the body. */
static void serve_needle(size_t at)
{
	static char answer[3 * MIB];
	const size_t head = strlen(OK_HEAD "\r\n");

	memcpy(answer, OK_HEAD "\r\n", head);
	memset(answer + head, '.', sizeof(answer) - head);
	memcpy(answer + head + at - strlen("needle"), "needle", strlen("needle"));
	server = (struct server){.answer = answer, .length = sizeof(answer)};
	server_start(&server);
}

static void body_is_searched_up_to_the_limit(void **state)
{
	struct run run;

	(void)state;
	serve_needle(MIB);
	run = PROBE("http", server.url, TIME, "--body=needle");
	run_end(&run, 0);
	server_stop(&server);

	serve_needle(MIB + 1);
	run = PROBE("http", server.url, TIME, "--body=needle");
	run_end(&run, 1);
	run = PROBE("http", server.url, TIME, "--body=needl");
	run_end(&run, 0);
}

static void refused(void **state)
{
	char url[64];
	struct run run;
	int port, fd;

	(void)state;
	fd = refusing_socket(&port);
	(void)snprintf(url, sizeof(url), "--url=http://127.0.0.1:%d/", port);
	run = PROBE("http", url, TIME, "--status=200,404");
	run_end_saying(&run, 1, "cannot connect: Connection refused, wanted 200,404");
	(void)close(fd);
}

static void closed_without_an_answer(void **state)
{
	struct run run;

	(void)state;
	serve("", SERVER_CLOSES);
	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 1, "closed without an answer");
}

static void not_http(void **state)
{
	static const char *const answers[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/9.1 200 OK\r\n\r\n",
		"<html>fine</html>",
		"\r\n\r\n",
	};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		serve(answers[i], SERVER_CLOSES);
		run = PROBE("http", server.url, TIME, "--status=100-599");
		run_end_saying(&run, 1, ": the answer is not HTTP: ");
		server_stop(&server);
		server.answer = NULL;
	}
}

static void answer_breaks_off(void **state)
{
	static const char *const answers[] = {
		OK_HEAD "Content-Length: 9\r\n\r\nI'm fine",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nI'm fine",
	};
	struct run run;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		serve(answers[i], SERVER_CLOSES);
		run = PROBE("http", server.url, TIME, "--body=fine");
		run_end_saying(&run, 1, "broke off after 8 bytes");
		server_stop(&server);
		server.answer = NULL;
	}
}

static void redirect_is_an_answer(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\n"
	      "Content-Length: 0\r\n\r\n",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 1, "302 Found to '/elsewhere', wanted 200-299; redirects");
	run = PROBE("http", server.url, TIME, "--status=300-399");
	assert_int_equal(run_number(&run, "status"), 302);
	run_end(&run, 0);
	server_stop(&server);
	server.answer = NULL;
	assert_int_equal(server.n_connections, 2);
	assert_null(strstr(server.request, "Cookie"));
}

static void ipv6(void **state)
{
	struct run run;

	(void)state;
	server = (struct server){.address = "::1", .answer = OK_TEXT};
	server_start(&server);
	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 0, "GET http://[::1]:");
}

static void environment_is_not_asked(void **state)
{
	struct run run;

	(void)state;
	serve(OK_TEXT, SERVER_CLOSES);
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(setenv("ALL_PROXY", "socks5://127.0.0.1:1", 1), 0);
	run = PROBE("http", server.url, TIME);
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
	run_end(&run, 0);
}

static void hostile_words_are_escaped(void **state)
{
	struct run run;

	(void)state;
	serve("HTTP/1.1 500 \033]0;owned\007\xff\r\nLocation: x\r\n\r\n",
	      SERVER_CLOSES);
	run = PROBE("http", server.url, TIME);
	run_end_saying(&run, 1, ": 500 \\x1b]0;owned\\x07\\xff, wanted");
}

static void long_words_are_cut(void **state)
{
	static char answer[8192], url[4096];
	struct run run;

	(void)state;
	(void)snprintf(answer, sizeof(answer), "HTTP/1.1 500 %04000d\r\n\r\n", 0);
	serve(answer, SERVER_CLOSES);
	(void)snprintf(url, sizeof(url), "%s/%03000d", server.url, 0);
	run = PROBE("http", url, TIME);
	assert_true(strlen(run_text(&run, "message")) < 1024);
	run_end_saying(&run, 1, "..., wanted 200-299");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(asks_once_and_plainly),
		TEST(other_status_fails),
		TEST(status_without_words),
		TEST(earlier_hints_are_not_the_answer),
		TEST(body_holds_text),
		TEST(body_of_bytes),
		TEST(chunked_body),
		TEST(headers_are_compared),
		TEST(status_counts_before_the_rest),
		TEST(no_answer_in_time),
		TEST(slow_headers),
		TEST(slow_body),
		TEST(huge_body),
		TEST(body_is_searched_up_to_the_limit),
		TEST(refused),
		TEST(closed_without_an_answer),
		TEST(not_http),
		TEST(answer_breaks_off),
		TEST(redirect_is_an_answer),
		TEST(ipv6),
		TEST(environment_is_not_asked),
		TEST(hostile_words_are_escaped),
		TEST(long_words_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
