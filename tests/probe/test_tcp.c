#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"
#include "server.h"

#define TIME "--timeout-ms=20000"

static char address[64];

static const char *address_of(const char *host, int port)
{
	(void)snprintf(address, sizeof(address), "--address=%s:%d", host, port);
	return address;
}

static void connects(void **state)
{
	struct server server = {.answer = "", .then = SERVER_HOLDS};
	struct run run;

	(void)state;
	server_start(&server);
	run = PROBE("tcp", address_of("127.0.0.1", server.port), TIME);
	assert_true(run_number(&run, "took_ms") >= 0);
	assert_int_equal(run_number(&run, "status"), -1);
	run_end_saying(&run, 0, "connected to 127.0.0.1:");
	server_stop(&server);
	assert_int_equal(server.n_connections, 1);
	assert_string_equal(server.request, ""); /* it says nothing, and hangs up */
}

static void connects_by_ipv6(void **state)
{
	struct server server = {.address = "::1", .answer = ""};
	struct run run;

	(void)state;
	server_start(&server);
	run = PROBE("tcp", address_of("[::1]", server.port), TIME);
	run_end_saying(&run, 0, "connected to [::1]:");
	server_stop(&server);
}

static void connects_by_name(void **state)
{
	struct server server = {.answer = ""};
	struct run run;

	(void)state;
	server_start(&server);
	run = PROBE("tcp", address_of("localhost", server.port), TIME);
	run_end_saying(&run, 0, "at 127.0.0.1");
	server_stop(&server);
}

static void refused(void **state)
{
	struct run run;
	int port, fd;

	(void)state;
	fd = refusing_socket(&port);
	run = PROBE("tcp", address_of("127.0.0.1", port), TIME);
	run_end_saying(&run, 1, "within 20000 ms (127.0.0.1: Connection refused)");
	(void)close(fd);
}

static void no_such_host(void **state)
{
	struct run run;

	(void)state;
	run = PROBE("tcp", "--address=no\033such@host:80", TIME);
	run_end_saying(&run, 1, "cannot resolve 'no\\x1bsuch@host': ");
}

/* A full backlog swallows what comes: connections are neither taken nor refused. */
static void swallowed(void **state)
{
	struct sockaddr_in name = {.sin_family = AF_INET};
	socklen_t length = sizeof(name);
	int clients[4];
	struct run run;
	int fd, port;

	(void)state;
	fd = refusing_socket(&port);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	for (size_t i = 0; i < 4; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(clients[i] >= 0);
		(void)!connect(clients[i], (struct sockaddr *)&name, length);
	}
	run = PROBE("tcp", address_of("127.0.0.1", port), "--timeout-ms=300");
	assert_in_range(run_number(&run, "took_ms"), 300, 10000);
	run_end_saying(&run, 1, "within 300 ms (127.0.0.1: timed out)");
	for (size_t i = 0; i < 4; i++)
		(void)close(clients[i]);
	(void)close(fd);
}

/* What confines itself must not die of being confined already. */
static void unit_with_a_filter(void **state)
{
	struct server server = {.answer = "HTTP/1.0 200 OK\r\n\r\n"};
	struct run run;

	(void)state;
	server_start(&server);
	run_filtered(true);
	run = PROBE("tcp", address_of("127.0.0.1", server.port), TIME);
	run_end(&run, 0);
	run = PROBE("http", server.url, TIME);
	run_end(&run, 0);
	run_filtered(false);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects),
		cmocka_unit_test(connects_by_ipv6),
		cmocka_unit_test(connects_by_name),
		cmocka_unit_test(refused),
		cmocka_unit_test(no_such_host),
		cmocka_unit_test(swallowed),
		cmocka_unit_test(unit_with_a_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
