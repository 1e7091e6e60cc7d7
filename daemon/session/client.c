#include "session/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"

/*
 * deployd reads a call as part of a word, with the same limit on levels of nesting:
 * what a client may send has one level less.
 */
#define CALL_DEPTH_MAX (VARLINK_DEPTH_MAX - 1)

void client_init(struct client *client, int fd)
{
	*client = (struct client){.fd = fd};
}

bool client_wants_input(const struct client *client)
{
	return client->fd >= 0 && !client->busy && !client->ending &&
	       !client->input_ended && !client->more_input;
}

static size_t count_nuls(const char *data, size_t length)
{
	const char *end = data + length, *nul;
	size_t n = 0;

	while ((nul = memchr(data, '\0', (size_t)(end - data)))) {
		data = nul + 1;
		n++;
	}
	return n;
}

static size_t count_held(const struct client *client, uint64_t request)
{
	size_t n = 0;

	for (size_t i = 0; i < client->n_held; i++)
		if (client->held[i].request == request)
			n++;
	return n;
}

/* An fd that is not kept is kept all the same until its close can hold up nothing. */
static int hold(struct client *client, int fd, uint64_t request)
{
	if (client->n_held == HELD_FDS_MAX)
		return -EMSGSIZE;
	client->held[client->n_held++] = (struct held_fd){fd, request};
	return count_held(client, request) > SESSION_FDS_MAX ? -EMSGSIZE : 0;
}

int client_feed(struct client *client, const char *data, size_t length, const int *fds,
		size_t n_fds)
{
	uint64_t of_last_byte = client->n_messages + count_nuls(data, length - 1) + 1;
	int r = 0;

	/* One that is not held is open until the process ends: very soon, after this.
	 */
	for (size_t i = 0; i < n_fds && r == 0; i++)
		r = hold(client, fds[i], of_last_byte);
	if (r < 0)
		return r;
	client->n_messages += count_nuls(data, length);
	client->more_input = true;
	return varlink_buffer_add(&client->input, data, length);
}

int client_receive(struct client *client)
{
	static char data[CLIENT_READ_BYTES_MAX];
	int fds[FDIO_FDS_MAX]; /* more than are accepted: one too many is not cut off */
	size_t n_fds;
	ssize_t n =
		fd_receive(client->fd, data, sizeof(data), fds, FDIO_FDS_MAX, &n_fds);

	if (n == 0)
		client->input_ended = true;
	if (n == 0 || n == -EAGAIN)
		return 0;
	/* What arrived stays open until the process ends: very soon, after this. */
	if (n == -EBADMSG)
		return -EMSGSIZE;
	if (n < 0)
		return -ECONNRESET;
	return client_feed(client, data, (size_t)n, fds, n_fds);
}

static bool too_deep(const json_t *value, unsigned int depth)
{
	const json_t *member;
	const char *key;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return false;
	if (depth == 0)
		return true;
	json_object_foreach ((json_t *)value, key, member) {
		if (too_deep(member, depth - 1))
			return true;
	}
	json_array_foreach (value, i, member) {
		if (too_deep(member, depth - 1))
			return true;
	}
	return false;
}

int client_next(struct client *client, json_t **ret_call)
{
	struct varlink_call call;
	json_t *message = NULL;
	int r;

	if (client->busy || client->ending || !client->more_input)
		return 0;
	/* The client reads its replies before it asks more: that bounds the output. */
	if (outgoing_left(&client->output) > SESSION_OUTPUT_BYTES_MAX)
		return 0;
	r = varlink_buffer_take(&client->input, &message);
	if (r <= 0) {
		client->more_input = false;
		return r;
	}
	if (too_deep(message, CALL_DEPTH_MAX)) {
		json_decref(message);
		return -EBADMSG;
	}
	r = varlink_call_init(&call, message);
	if (r < 0)
		return r;
	client->request++;
	client->busy = true;
	client->more = call.more;
	client->oneway = call.oneway;
	*ret_call = json_incref(call.message);
	varlink_call_deinit(&call);
	return 1;
}

size_t client_count_fds(const struct client *client)
{
	return client->busy ? count_held(client, client->request) : 0;
}

int client_take_fd(struct client *client, uint64_t index)
{
	for (size_t i = 0; i < client->n_held; i++) {
		if (client->held[i].request != client->request || index-- > 0)
			continue;
		return steal_fd(&client->held[i].fd);
	}
	return -1;
}

int client_reply(struct client *client, const char *error, json_t *parameters,
		 bool continues)
{
	cleanup_free char *message = NULL;
	size_t length = 0;

	assert(client->busy);
	client->busy = continues;
	if (client->oneway || client->fd < 0 || (continues && !client->more)) {
		json_decref(parameters);
		return 0;
	}
	if (error)
		message = varlink_encode_error(error, parameters, &length);
	else
		message = varlink_encode_reply(parameters, continues, &length);
	if (!message)
		return -ENOMEM;
	if (continues &&
	    outgoing_left(&client->output) + length > SESSION_OUTPUT_BYTES_MAX)
		return 0;
	return outgoing_add(&client->output, message, length);
}

int client_reply_lines(struct client *client, json_t *lines)
{
	cleanup_free char *message = NULL;
	size_t length = 0;

	assert(client->busy);
	if (!client->more || client->fd < 0) {
		json_decref(lines);
		return 0;
	}
	message =
		varlink_encode_reply(json_pack("{s:o}", "lines", lines), true, &length);
	return message ? outgoing_add(&client->output, message, length) : -ENOMEM;
}

int client_flush(struct client *client)
{
	while (outgoing_left(&client->output) > 0) {
		ssize_t n = send(client->fd, outgoing_data(&client->output),
				 outgoing_left(&client->output),
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			outgoing_advance(&client->output, (size_t)n);
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return -ECONNRESET;
	}
	return 0;
}

static bool is_old(const struct client *client, uint64_t request)
{
	return request < client->request ||
	       (request == client->request && !client->busy);
}

void client_close_old_fds(struct client *client)
{
	size_t kept = 0;

	for (size_t i = 0; i < client->n_held; i++) {
		struct held_fd held = client->held[i];

		if (!is_old(client, held.request))
			client->held[kept++] = held;
		else if (held.fd >= 0)
			(void)close(held.fd);
	}
	client->n_held = kept;
}

void client_hang_up(struct client *client)
{
	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
	varlink_buffer_deinit(&client->input);
	client->more_input = false;
	outgoing_deinit(&client->output);
}

void client_deinit(struct client *client)
{
	client_hang_up(client);
	for (size_t i = 0; i < client->n_held; i++)
		if (client->held[i].fd >= 0)
			(void)close(client->held[i].fd);
	client->n_held = 0;
}
