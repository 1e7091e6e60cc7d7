/*
 * What a client sends to its session, in pieces and with fds: calls come out one at a
 * time, numbered, each with the fds of its own, and whatever is sent, no more is held
 * than the limits say. Input: pieces, each a byte of how many fds come with it, a byte
 * of how long it is, and its bytes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "session/client.h"

#define FDS_MAX 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_held(const struct client *client, int fd)
{
	for (size_t i = 0; i < client->n_held; i++)
		if (client->held[i].fd == fd)
			return true;
	return false;
}

static int feed(struct client *client, const char *data, size_t length, size_t n_fds)
{
	static int null_fd = -1;
	int fds[FDS_MAX], r;

	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < n_fds; i++) {
		fds[i] = fcntl(null_fd, F_DUPFD_CLOEXEC, 3);
		assert(fds[i] >= 0);
	}
	r = client_feed(client, data, length, fds, n_fds);
	assert(r == 0 || r == -EMSGSIZE);
	/* The program would end now, and the kernel close the others. */
	for (size_t i = 0; i < n_fds; i++) {
		assert(r < 0 || is_held(client, fds[i]));
		if (!is_held(client, fds[i]))
			(void)close(fds[i]);
	}
	return r;
}

static void check(const struct client *client)
{
	assert(client->n_held <= HELD_FDS_MAX);
	assert(client->input.length - client->input.taken <=
	       2 * VARLINK_MESSAGE_BYTES_MAX);
	assert(outgoing_left(&client->output) <=
	       SESSION_OUTPUT_BYTES_MAX + VARLINK_MESSAGE_BYTES_MAX);
}

/* Answers with what was asked, so that the output fills. False: it was no call. */
static bool answer_all(struct client *client)
{
	json_t *call = NULL, *again = NULL;
	uint64_t before = client->request;
	int r;

	while ((r = client_next(client, &call)) > 0) {
		assert(client->request == ++before && client->busy);
		assert(client_next(client, &again) == 0);
		assert(client_count_fds(client) <= SESSION_FDS_MAX);
		if (client_count_fds(client) > 0)
			(void)close(client_take_fd(client, 0));
		assert(client_take_fd(client, SESSION_FDS_MAX) == -1);
		assert(client_reply(client, NULL, json_object(), true) == 0);
		assert(client_reply(client, NULL, json_pack("{s:O}", "call", call),
				    false) == 0);
		json_decref(call);
		client_close_old_fds(client);
		check(client);
	}
	assert(r == 0 || r == -EBADMSG);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client client;
	bool ok = true;

	/* A socket that is none: nothing here sends. */
	client_init(&client, fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
	while (ok && size > 2) {
		size_t n_fds = data[0] % (FDS_MAX + 1), length = (size_t)data[1] + 1;

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		ok = feed(&client, (const char *)data, length, n_fds) == 0;
		check(&client);
		ok = ok && answer_all(&client);
		data += length;
		size -= length;
	}
	client_deinit(&client);
	return 0;
}
