/* What the service manager is told, on a socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/notify.h"

static char path[80];
static int manager = -1;

static int setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/deployd-notify-%d", (int)getpid());
	(void)unlink(path);
	(void)strcpy(address.sun_path, path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(manager);
	(void)unlink(path);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	return 0;
}

static void expect(const char *wanted)
{
	char text[256];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_non_null(strstr(text, wanted));
}

static void each_state_is_told(void **state)
{
	(void)state;
	notify_ready("ready");
	expect("READY=1\nSTATUS=ready");
	notify_status("2 apps");
	expect("STATUS=2 apps");
	notify_reloading();
	expect("RELOADING=1\nMONOTONIC_USEC=");
	notify_stopping();
	expect("STOPPING=1\nSTATUS=stopping");
	notify_extend_timeout(30000000);
	expect("EXTEND_TIMEOUT_USEC=30000000");
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void the_watchdog_is_fed_from_the_loop(void **state)
{
	struct notify notify = {0};
	uv_timer_t alive = {0};
	uv_loop_t loop;

	(void)state;
	assert_int_equal(setenv("WATCHDOG_USEC", "2000", 1), 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(notify_start(&notify, &loop), 0);
	/* It keeps no loop alive by itself. */
	assert_false(uv_loop_alive(&loop));
	assert_int_equal(uv_timer_init(&loop, &alive), 0);
	assert_int_equal(uv_timer_start(&alive, on_alive, 5, 0), 0);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	expect("WATCHDOG=1");
	expect("WATCHDOG=1");
	uv_close((uv_handle_t *)&alive, NULL);
	notify_close(&notify);
	notify_close(&notify);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(notify.open_handles, 0);
	notify_close(&notify);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void without_a_watchdog_nothing_is_fed(void **state)
{
	struct notify notify = {0};
	uv_loop_t loop;
	char text[8];

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(notify_start(&notify, &loop), 0);
	assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0);
	assert_true(recv(manager, text, sizeof(text), MSG_DONTWAIT) < 0);
	notify_close(&notify);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_state_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_watchdog_is_fed_from_the_loop,
						setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_watchdog_nothing_is_fed,
						setup, teardown),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
