/* Entries on their way to journald, whose place a datagram socket of the test's takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/journal_socket.h"

#define DROPPED_TEXT "dropped"

struct world {
	char directory[64];
	char path[96];
	int journald; /* -1: is not there */
	uv_loop_t loop;
	struct journal_socket socket;
	char datagram[65536];
	ssize_t length;
	uint64_t dropped;
	unsigned int n_taken, n_not_taken;
};

static void start_journald(struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	world->journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(world->journald >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	assert_int_equal(
		bind(world->journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void stop_journald(struct world *world)
{
	if (world->journald < 0)
		return;
	(void)close(world->journald);
	(void)unlink(world->path);
	world->journald = -1;
}

static enum journal_sent send_text(struct world *world, const char *text,
				   journal_taken_fn on_taken)
{
	const struct iovec field = {(void *)text, strlen(text)};

	return journal_socket_send(&world->socket, &field, 1, on_taken, world);
}

static void on_dropped(void *userdata, uint64_t n)
{
	struct world *world = userdata;

	world->dropped += n;
	(void)send_text(world, "M=" DROPPED_TEXT, NULL);
}

static void on_taken(void *userdata, bool taken)
{
	struct world *world = userdata;

	if (taken)
		world->n_taken++;
	else
		world->n_not_taken++;
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	(void)strcpy(world->directory, "/tmp/deployd-test-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	(void)snprintf(world->path, sizeof(world->path), "%s/socket", world->directory);
	world->journald = -1;
	assert_int_equal(uv_loop_init(&world->loop), 0);
	*state = world;
	return 0;
}

static void begin(struct world *world)
{
	assert_int_equal(journal_socket_init(&world->socket, &world->loop, world->path),
			 0);
	world->socket.userdata = world;
	world->socket.on_dropped = on_dropped;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	journal_socket_close(&world->socket);
	journal_socket_close(&world->socket);
	assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	journal_socket_deinit(&world->socket);
	stop_journald(world);
	(void)rmdir(world->directory);
	free(world);
	return 0;
}

/* False: there is nothing to read. */
static bool receive(struct world *world)
{
	world->length = recv(world->journald, world->datagram,
			     sizeof(world->datagram) - 1, MSG_DONTWAIT);
	if (world->length < 0)
		return false;
	world->datagram[world->length] = '\0';
	return true;
}

static void received(struct world *world, const void *bytes, size_t length)
{
	assert_true(receive(world));
	assert_int_equal(world->length, length);
	assert_memory_equal(world->datagram, bytes, length);
}

/* Until the kernel takes no more; how many it took. */
static unsigned int fill(struct world *world)
{
	unsigned int n = 0;

	while (send_text(world, "M=filling", NULL) == JOURNAL_SENT_TAKEN)
		n++;
	return n;
}

/* Reads all that comes until what waits is sent; how many. */
static unsigned int drain(struct world *world)
{
	unsigned int n = 0;

	while (world->socket.first) {
		while (receive(world))
			n++;
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	}
	while (receive(world))
		n++;
	return n;
}

static void an_entry_is_a_datagram(void **state)
{
	struct world *world = *state;
	char one[] = "MESSAGE=a=b", two[] = "PRIORITY=3";
	const struct iovec fields[] = {{one, strlen(one)}, {two, strlen(two)}};
	static const char wanted[] = "MESSAGE=a=b\nPRIORITY=3\n";

	start_journald(world);
	begin(world);
	assert_int_equal(journal_socket_send(&world->socket, fields, 2, NULL, NULL),
			 JOURNAL_SENT_TAKEN);
	received(world, wanted, sizeof(wanted) - 1);
	assert_false(receive(world));
}

static void a_newline_makes_no_field(void **state)
{
	struct world *world = *state;
	char one[] = "DEPLOY_APP=a\nDEPLOY_UID=0", two[] = "M=x";
	const struct iovec fields[] = {{one, strlen(one)}, {two, strlen(two)}};
	static const char wanted[] =
		"DEPLOY_APP\n\x0e\0\0\0\0\0\0\0a\nDEPLOY_UID=0\nM=x\n";

	start_journald(world);
	begin(world);
	(void)journal_socket_send(&world->socket, fields, 2, NULL, NULL);
	received(world, wanted, sizeof(wanted) - 1);
}

static void a_long_entry_is_cut(void **state)
{
	struct world *world = *state;
	static char text[100000], lines[100000];
	const struct iovec fields[] = {{text, sizeof(text)}, {lines, sizeof(lines)}};

	start_journald(world);
	begin(world);
	memset(text, 'x', sizeof(text));
	memcpy(text, "M=", 2);
	memset(lines, '\n', sizeof(lines));
	memcpy(lines, "N=", 2);
	assert_int_equal(journal_socket_send(&world->socket, fields, 2, NULL, NULL),
			 JOURNAL_SENT_TAKEN);
	assert_true(receive(world));
	assert_int_equal(world->length, JOURNAL_SOCKET_ENTRY_BYTES_MAX);
	assert_int_equal(world->datagram[world->length - 1], '\n');
	assert_ptr_equal(strchr(world->datagram, '\n'),
			 world->datagram + world->length - 1);
	/* In the binary form the length is that of what is there. */
	assert_int_equal(journal_socket_send(&world->socket, fields + 1, 1, NULL, NULL),
			 JOURNAL_SENT_TAKEN);
	assert_true(receive(world));
	assert_int_equal(world->length, JOURNAL_SOCKET_ENTRY_BYTES_MAX);
	assert_int_equal((unsigned char)world->datagram[2] |
				 (unsigned char)world->datagram[3] << 8,
			 world->length - 11);
}

/* A journald that does not read: what it does not take waits, in order. */
static void what_is_not_taken_waits(void **state)
{
	struct world *world = *state;
	unsigned int n;

	start_journald(world);
	begin(world);
	n = fill(world);
	assert_true(n > 0);
	assert_int_equal(send_text(world, "M=decision", on_taken), JOURNAL_SENT_WAITS);
	assert_int_equal(send_text(world, "M=last", NULL), JOURNAL_SENT_WAITS);
	(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(world->n_taken + world->n_not_taken, 0);
	assert_int_equal(drain(world), n + 3);
	assert_int_equal(world->n_taken, 1);
	assert_int_equal(world->n_not_taken, 0);
	assert_int_equal(world->dropped, 0);
	assert_int_equal(send_text(world, "M=next", on_taken), JOURNAL_SENT_TAKEN);
	assert_int_equal(world->n_taken, 1);
	received(world, "M=next\n", 7);
}

static void what_is_forgotten_is_not_told(void **state)
{
	struct world *world = *state;

	start_journald(world);
	begin(world);
	(void)fill(world);
	assert_int_equal(send_text(world, "M=decision", on_taken), JOURNAL_SENT_WAITS);
	journal_socket_forget(&world->socket, world);
	(void)drain(world);
	assert_int_equal(world->n_taken + world->n_not_taken, 0);
}

/* Without end, but for the bound; what is lost is counted, and said afterwards. */
static void what_waits_is_bounded(void **state)
{
	struct world *world = *state;
	unsigned int n_taken, n_waiting = 1; /* the one that fill() could not send */
	enum journal_sent sent;

	start_journald(world);
	begin(world);
	n_taken = fill(world);
	while ((sent = send_text(world, "M=waiting", NULL)) == JOURNAL_SENT_WAITS)
		n_waiting++;
	assert_int_equal(sent, JOURNAL_SENT_LOST);
	assert_int_equal(n_waiting, JOURNAL_SOCKET_WAITING_MAX);
	assert_int_equal(send_text(world, "M=x", on_taken), JOURNAL_SENT_LOST);
	assert_int_equal(world->dropped, 0);
	assert_int_equal(drain(world), n_taken + n_waiting + 1);
	assert_int_equal(world->dropped, 2);
	assert_int_equal(world->n_taken + world->n_not_taken, 0);
}

static void bytes_are_bounded_too(void **state)
{
	struct world *world = *state;
	static char text[30000];
	size_t bytes = 0;

	start_journald(world);
	begin(world);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "M=", 2);
	while (send_text(world, text, NULL) != JOURNAL_SENT_LOST)
		bytes += sizeof(text);
	assert_true(bytes > JOURNAL_SOCKET_WAITING_BYTES_MAX / 2);
	assert_true(world->socket.waiting_bytes <= JOURNAL_SOCKET_WAITING_BYTES_MAX);
	(void)drain(world);
	assert_int_equal(world->dropped, 1);
	assert_int_equal(world->socket.waiting_bytes, 0);
}

static void journald_comes_late(void **state)
{
	struct world *world = *state;

	begin(world);
	assert_int_equal(send_text(world, "M=early", on_taken), JOURNAL_SENT_LOST);
	start_journald(world);
	/* By itself, after a while. */
	(void)uv_run(&world->loop, UV_RUN_ONCE);
	received(world, "M=early\n", 8);
	assert_int_equal(world->n_taken + world->n_not_taken, 0);
	assert_int_equal(send_text(world, "M=next", on_taken), JOURNAL_SENT_TAKEN);
}

static void journald_is_restarted(void **state)
{
	struct world *world = *state;

	start_journald(world);
	begin(world);
	assert_int_equal(send_text(world, "M=one", NULL), JOURNAL_SENT_TAKEN);
	stop_journald(world);
	assert_int_equal(send_text(world, "M=two", NULL), JOURNAL_SENT_LOST);
	start_journald(world);
	assert_int_equal(send_text(world, "M=three", NULL), JOURNAL_SENT_TAKEN);
	received(world, "M=two\n", 6);
	received(world, "M=three\n", 8);
	stop_journald(world);
	start_journald(world);
	assert_int_equal(send_text(world, "M=four", NULL), JOURNAL_SENT_TAKEN);
	received(world, "M=four\n", 7);
}

/* An entry whose sender waits for it does not wait for a journald that is gone. */
static void journald_dies_while_entries_wait(void **state)
{
	struct world *world = *state;

	start_journald(world);
	begin(world);
	(void)fill(world);
	assert_int_equal(send_text(world, "M=decision", on_taken), JOURNAL_SENT_WAITS);
	stop_journald(world);
	while (world->n_not_taken == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->n_taken, 0);
	start_journald(world);
	(void)drain(world);
	assert_int_equal(world->n_taken, 0);
	assert_int_equal(world->n_not_taken, 1);
}

static void after_the_end_it_is_tried_once(void **state)
{
	struct world *world = *state;

	start_journald(world);
	begin(world);
	journal_socket_close(&world->socket);
	assert_int_equal(send_text(world, "M=late", NULL), JOURNAL_SENT_TAKEN);
	received(world, "M=late\n", 7);
	(void)fill(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_is_a_datagram),
		TEST(a_newline_makes_no_field),
		TEST(a_long_entry_is_cut),
		TEST(what_is_not_taken_waits),
		TEST(what_is_forgotten_is_not_told),
		TEST(what_waits_is_bounded),
		TEST(bytes_are_bounded_too),
		TEST(journald_comes_late),
		TEST(journald_is_restarted),
		TEST(journald_dies_while_entries_wait),
		TEST(after_the_end_it_is_tried_once),
	};

	return cmocka_run_group_tests_name("journal_socket", tests, NULL, NULL);
}
