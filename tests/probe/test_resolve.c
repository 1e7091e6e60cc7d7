/* Names, in a network of our own: a name server that never answers, a name with two
 * addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"
#include "server.h"

static void look_up_ends_in_time(void **state)
{
	struct run run;

	(void)state;
	run = PROBE("tcp", "--address=app.example:80", "--timeout-ms=300");
	assert_in_range(run_number(&run, "took_ms"), 300, 3000);
	run_end_saying(&run, 1, "cannot resolve 'app.example' within 300 ms");

	run = PROBE("http", "--url=http://app.example/", "--timeout-ms=300");
	assert_in_range(run_number(&run, "took_ms"), 300, 3000);
	run_end_saying(&run, 1, "timed out after 300 ms resolving the host's name");
}

static void each_address_is_tried(void **state)
{
	struct server server = {.address = "127.0.0.3",
				.answer = "HTTP/1.0 200 OK\r\n\r\n"};
	char argument[128];
	struct run run;

	(void)state;
	server_start(&server);
	(void)snprintf(argument, sizeof(argument), "--address=two.example:%d",
		       server.port);
	run = PROBE("tcp", argument, "--timeout-ms=20000");
	run_end_saying(&run, 0, "at 127.0.0.3");
	(void)snprintf(argument, sizeof(argument), "--url=http://two.example:%d/",
		       server.port);
	run = PROBE("http", argument, "--timeout-ms=20000");
	run_end(&run, 0);
	server_stop(&server);

	(void)snprintf(argument, sizeof(argument), "--address=two.example:%d",
		       server.port);
	run = PROBE("tcp", argument, "--timeout-ms=20000");
	assert_non_null(strstr(run_text(&run, "message"), "127.0.0.2: Connection ref"));
	run_end_saying(&run, 1, "127.0.0.3: Connection refused");
}

/* The first address swallows what comes, for its backlog is full; the other must still
 * get its turn. */
static void one_that_swallows_hides_no_other(void **state)
{
	struct server server = {.address = "127.0.0.3", .answer = ""};
	struct sockaddr_in name = {.sin_family = AF_INET};
	const int hole = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char argument[128];
	int clients[4];
	struct run run;

	(void)state;
	server_start(&server);
	name.sin_port = htons((uint16_t)server.port);
	(void)inet_pton(AF_INET, "127.0.0.2", &name.sin_addr);
	assert_int_equal(bind(hole, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(hole, 0), 0);
	for (size_t i = 0; i < 4; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(clients[i] >= 0);
		(void)!connect(clients[i], (struct sockaddr *)&name, sizeof(name));
	}
	(void)snprintf(argument, sizeof(argument), "--address=two.example:%d",
		       server.port);
	run = PROBE("tcp", argument, "--timeout-ms=4000");
	assert_in_range(run_number(&run, "took_ms"), 2000, 3999);
	run_end_saying(&run, 0, "at 127.0.0.3");
	for (size_t i = 0; i < 4; i++)
		(void)close(clients[i]);
	(void)close(hole);
	server_stop(&server);
}

static void put(const char *target, const char *text)
{
	char path[] = "/tmp/deployd-test-XXXXXX";
	const int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, 0644) < 0 ||
	    mount(path, target, NULL, MS_BIND, NULL) < 0) {
		perror(target);
		exit(77);
	}
	(void)close(fd);
	(void)unlink(path);
}

static void bring_up(const char *device)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0) {
		perror(device);
		exit(77);
	}
	(void)close(fd);
}

static void enter_network(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(53)};
	int fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)printf("needs root and namespaces: %s\n", strerror(errno));
		exit(77);
	}
	bring_up("lo");
	put("/etc/resolv.conf", "nameserver 127.0.0.1\n");
	put("/etc/nsswitch.conf", "hosts: files dns\n");
	put("/etc/hosts", "127.0.0.1 localhost\n127.0.0.2 two.example\n"
			  "127.0.0.3 two.example\n");
	(void)inet_pton(AF_INET, "127.0.0.1", &name.sin_addr);
	fd = socket(AF_INET, SOCK_DGRAM, 0); /* never read, never closed */
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
		perror("port 53");
		exit(77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_up_ends_in_time),
		cmocka_unit_test(each_address_is_tried),
		cmocka_unit_test(one_that_swallows_hides_no_other),
	};

	enter_network();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
