/* Two peers on one loop, each driven by a busloop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <uv.h>

#include "bus/busloop.h"

#define BIG_BYTES (32u << 20) /* sd-bus gives its sockets a buffer of 8 MiB */
#define SLOW_MSEC 100	      /* the time limit of a call that nobody answers */

struct peer {
	sd_bus *bus;
	struct busloop busloop;
	unsigned int lost, closed;
	int error;
};

struct world {
	uv_loop_t loop;
	struct peer client, server;
	sd_bus_message *unanswered;
	unsigned int replies, errors;
	bool answer, answer_big, close_on_reply;
	char error[128];
	uint64_t replied_at;
};

static void on_lost(struct busloop *busloop, int error)
{
	struct peer *peer = busloop->userdata;

	peer->lost++;
	peer->error = error;
	uv_stop(busloop->prepare.loop); /* the test may be waiting for this */
}

static void on_closed(struct busloop *busloop)
{
	struct peer *peer = busloop->userdata;

	peer->closed++;
	peer->bus = sd_bus_close_unref(peer->bus);
}

static int answer_big(sd_bus_message *call)
{
	sd_bus_message *reply;
	void *bytes;

	assert_true(sd_bus_message_new_method_return(call, &reply) >= 0);
	assert_true(sd_bus_message_append_array_space(reply, 'y', BIG_BYTES, &bytes) >=
		    0);
	memset(bytes, 'x', BIG_BYTES);
	assert_true(sd_bus_send(NULL, reply, NULL) >= 0);
	sd_bus_message_unref(reply);
	return 1;
}

static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct world *world = userdata;

	(void)error;
	if (!sd_bus_message_is_method_call(message, "test.Peer", "Ask"))
		return 0;
	if (world->answer_big)
		return answer_big(message);
	if (world->answer)
		return sd_bus_reply_method_return(message, "s", "here") < 0 ? -EIO : 1;
	sd_bus_message_unref(world->unanswered);
	world->unanswered = sd_bus_message_ref(message);
	uv_stop(&world->loop);
	return 1;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *ret)
{
	struct world *world = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(message);

	(void)ret;
	uv_stop(&world->loop);
	world->replied_at = uv_hrtime();
	world->replies++;
	if (error) {
		world->errors++;
		(void)snprintf(world->error, sizeof(world->error), "%s", error->name);
	}
	if (world->close_on_reply)
		busloop_close(&world->client.busloop);
	return 0;
}

static void open_peer(struct world *world, struct peer *peer, int fd, bool server)
{
	sd_id128_t id = SD_ID128_MAKE(5e, 21, 09, 8f, 11, 2c, 4d, 17, a1, 07, 3b, 6c,
				      44, 9d, e0, 52);

	assert_int_equal(sd_bus_new(&peer->bus), 0);
	assert_true(sd_bus_set_fd(peer->bus, fd, fd) >= 0);
	if (server) {
		assert_true(sd_bus_set_server(peer->bus, 1, id) >= 0);
		assert_true(sd_bus_set_anonymous(peer->bus, 1) >= 0);
	}
	assert_true(sd_bus_start(peer->bus) >= 0);
	peer->busloop.userdata = peer;
	peer->busloop.on_lost = on_lost;
	peer->busloop.on_closed = on_closed;
	assert_int_equal(busloop_start(&peer->busloop, &world->loop, peer->bus), 0);
}

static int setup(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));
	int fds[2];

	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
		0);
	open_peer(world, &world->client, fds[0], false);
	open_peer(world, &world->server, fds[1], true);
	assert_true(sd_bus_add_filter(world->server.bus, NULL, on_call, world) >= 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	sd_bus_message_unref(world->unanswered);
	busloop_close(&world->client.busloop);
	busloop_close(&world->server.busloop);
	while (uv_run(&world->loop, UV_RUN_DEFAULT) != 0)
		; /* stopped; a leaked handle ends in the test's time limit */
	assert_int_equal(world->client.closed, 1);
	assert_int_equal(world->server.closed, 1);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	test_free(world);
	return 0;
}

static void ask(struct world *world, uint64_t timeout_usec)
{
	sd_bus_message *message;

	assert_true(sd_bus_message_new_method_call(world->client.bus, &message, NULL,
						   "/test", "test.Peer", "Ask") >= 0);
	assert_true(sd_bus_call_async(world->client.bus, NULL, message, on_reply, world,
				      timeout_usec) >= 0);
	sd_bus_message_unref(message);
}

static void call_is_answered(void **state)
{
	struct world *world = *state;

	world->answer = true;
	ask(world, UINT64_MAX);
	while (world->replies == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->errors, 0);
	assert_int_equal(world->client.lost, 0);
}

/* The peer that writes has nothing to read: only POLLOUT wakes it. */
static void big_answer_arrives(void **state)
{
	struct world *world = *state;

	world->answer_big = true;
	ask(world, UINT64_MAX);
	while (world->replies == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->errors, 0);
}

/* More than one budget of messages. */
static void many_calls_are_answered(void **state)
{
	struct world *world = *state;

	world->answer = true;
	for (int i = 0; i < 1000; i++)
		ask(world, UINT64_MAX);
	while (world->replies < 1000)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->errors, 0);
}

static void unanswered_call_times_out(void **state)
{
	struct world *world = *state;
	uint64_t begun = uv_hrtime();

	ask(world, SLOW_MSEC * 1000);
	while (world->replies == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->errors, 1);
	assert_string_equal(world->error, SD_BUS_ERROR_NO_REPLY);
	assert_true(world->replied_at - begun >= SLOW_MSEC * UINT64_C(1000000));
	assert_non_null(world->unanswered);
	assert_int_equal(world->client.lost, 0);
}

static void lost_peer_is_told_once(void **state)
{
	struct world *world = *state;

	ask(world, UINT64_MAX);
	while (!world->unanswered)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	busloop_close(&world->server.busloop); /* closes the bus, too */
	while (world->client.lost == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	/* The call has its end, the loss is told, and nothing more of either. */
	assert_int_equal(world->replies, 1);
	assert_int_equal(world->errors, 1);
	assert_true(world->client.error < 0);
	(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->client.lost, 1);
	assert_int_equal(world->replies, 1);
}

static void nothing_is_handled_after_close(void **state)
{
	struct world *world = *state;

	world->answer = true;
	world->close_on_reply = true;
	for (int i = 0; i < 10; i++)
		ask(world, UINT64_MAX);
	while (world->client.closed == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->replies, 1);
	assert_int_equal(world->client.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(call_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(big_answer_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(many_calls_are_answered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(unanswered_call_times_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lost_peer_is_told_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_handled_after_close, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("busloop", tests, NULL, NULL);
}
