#include "base/journal_socket.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct journal_socket_entry {
	struct journal_socket_entry *next;
	journal_taken_fn on_taken;
	void *userdata;
	size_t length;
	char bytes[];
};

static void flush(struct journal_socket *socket);

/* --- the format ------------------------------------------------------------------- */

/* Bytes on the wire beyond "NAME=value": a newline, and the length if binary. */
#define PLAIN_EXTRA  1u
#define BINARY_EXTRA (1u + sizeof(uint64_t))

static size_t encode_field(char *to, size_t room, const struct iovec *field)
{
	const char *text = field->iov_base;
	const char *equals = memchr(text, '=', field->iov_len);
	size_t name_length, value_length, extra, length = 0;
	uint64_t wire_length;
	bool binary;

	assert(equals);
	name_length = (size_t)(equals - text);
	value_length = field->iov_len - name_length - 1;
	binary = memchr(equals + 1, '\n', value_length) != NULL;
	extra = binary ? BINARY_EXTRA : PLAIN_EXTRA;
	if (room <= name_length + 1 + extra)
		return 0;
	if (value_length > room - name_length - 1 - extra)
		value_length = room - name_length - 1 - extra;
	(void)memcpy(to, text, name_length);
	length = name_length;
	to[length++] = binary ? '\n' : '=';
	if (binary) {
		wire_length = htole64((uint64_t)value_length);
		(void)memcpy(to + length, &wire_length, sizeof(wire_length));
		length += sizeof(wire_length);
	}
	(void)memcpy(to + length, equals + 1, value_length);
	length += value_length;
	to[length++] = '\n';
	return length;
}

static struct journal_socket_entry *encode(const struct iovec *fields, int n_fields)
{
	size_t room = 0;
	struct journal_socket_entry *entry;

	for (int i = 0; i < n_fields; i++)
		room += fields[i].iov_len + BINARY_EXTRA;
	if (room > JOURNAL_SOCKET_ENTRY_BYTES_MAX)
		room = JOURNAL_SOCKET_ENTRY_BYTES_MAX;
	entry = malloc(sizeof(*entry) + room);
	if (!entry)
		return NULL;
	*entry = (struct journal_socket_entry){.length = 0};
	for (int i = 0; i < n_fields; i++)
		entry->length += encode_field(entry->bytes + entry->length,
					      room - entry->length, &fields[i]);
	return entry;
}

/* --- the socket ------------------------------------------------------------------- */

static bool connect_again(struct journal_socket *socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket->path);
	socket->connected =
		connect(socket->fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	return socket->connected;
}

enum outcome {
	OUTCOME_TAKEN,
	OUTCOME_FULL,
	OUTCOME_NOBODY,
	OUTCOME_REFUSED, /* the kernel will never take this entry */
};

static enum outcome send_once(struct journal_socket *socket,
			      const struct journal_socket_entry *entry)
{
	ssize_t n;

	do {
		n = send(socket->fd, entry->bytes, entry->length,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return OUTCOME_TAKEN;
	switch (errno) {
	case EAGAIN:
		return OUTCOME_FULL;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOTCONN:
	case EDESTADDRREQ:
	case ENOENT:
	case EPIPE:
	case ENOBUFS: /* retried by the timer as well */
	case ENOMEM:
		return OUTCOME_NOBODY;
	default:
		return OUTCOME_REFUSED;
	}
}

/* A restarted journald may listen on a new socket of the same path. */
static enum outcome send_entry(struct journal_socket *socket,
			       const struct journal_socket_entry *entry)
{
	enum outcome outcome =
		socket->connected ? send_once(socket, entry) : OUTCOME_NOBODY;

	if (outcome != OUTCOME_NOBODY)
		return outcome;
	return connect_again(socket) ? send_once(socket, entry) : OUTCOME_NOBODY;
}

/* --- the queue -------------------------------------------------------------------- */

static void tell(struct journal_socket_entry *entry, bool taken)
{
	journal_taken_fn on_taken = entry->on_taken;

	entry->on_taken = NULL;
	if (on_taken)
		on_taken(entry->userdata, taken);
}

static void remove_first(struct journal_socket *socket, bool taken)
{
	struct journal_socket_entry *entry = socket->first;

	socket->first = entry->next;
	if (!socket->first)
		socket->last = &socket->first;
	socket->n_removed++;
	socket->waiting_bytes -= entry->length;
	tell(entry, taken);
	free(entry);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	flush(poll->data);
}

static void on_retry(uv_timer_t *timer)
{
	flush(timer->data);
}

static void wait_for_room(struct journal_socket *socket)
{
	if (socket->closed)
		return;
	(void)uv_timer_stop(&socket->retry);
	(void)uv_poll_start(&socket->writable, UV_WRITABLE, on_writable);
}

static void wait_for_journald(struct journal_socket *socket)
{
	for (struct journal_socket_entry *e = socket->first; e; e = e->next)
		tell(e, false);
	if (socket->closed)
		return;
	/* Without a peer the socket is always writable. */
	(void)uv_poll_stop(&socket->writable);
	(void)uv_timer_start(&socket->retry, on_retry, JOURNAL_SOCKET_RETRY_MSEC, 0);
}

static void say_dropped(struct journal_socket *socket)
{
	uint64_t n = socket->dropped;

	socket->dropped = 0;
	if (n > 0 && socket->on_dropped)
		socket->on_dropped(socket->userdata, n);
}

/* Entries sent by on_dropped are queued and then sent by the loop below. */
static void flush(struct journal_socket *socket)
{
	if (socket->flushing)
		return;
	socket->flushing = true;
	while (socket->first) {
		enum outcome outcome = send_entry(socket, socket->first);

		if (outcome == OUTCOME_FULL) {
			wait_for_room(socket);
			break;
		}
		if (outcome == OUTCOME_NOBODY) {
			wait_for_journald(socket);
			break;
		}
		if (outcome == OUTCOME_REFUSED) {
			socket->dropped++;
			socket->refused_number = socket->n_removed + 1;
		}
		remove_first(socket, outcome == OUTCOME_TAKEN);
		if (!socket->first && outcome == OUTCOME_TAKEN)
			say_dropped(socket);
	}
	if (!socket->first && !socket->closed) {
		(void)uv_poll_stop(&socket->writable);
		(void)uv_timer_stop(&socket->retry);
	}
	socket->flushing = false;
}

static bool has_room(const struct journal_socket *socket, size_t length)
{
	return socket->n_added - socket->n_removed < JOURNAL_SOCKET_WAITING_MAX &&
	       socket->waiting_bytes + length <= JOURNAL_SOCKET_WAITING_BYTES_MAX;
}

static void append(struct journal_socket *socket, struct journal_socket_entry *entry)
{
	*socket->last = entry;
	socket->last = &entry->next;
	socket->n_added++;
	socket->waiting_bytes += entry->length;
}

enum journal_sent journal_socket_send(struct journal_socket *socket,
				      const struct iovec *fields, int n_fields,
				      journal_taken_fn on_taken, void *userdata)
{
	struct journal_socket_entry *entry = encode(fields, n_fields);
	uint64_t number;

	/* journald may have read in the meantime. */
	if (socket->first)
		flush(socket);
	if (!entry || !has_room(socket, entry->length)) {
		socket->dropped++;
		free(entry);
		return JOURNAL_SENT_LOST;
	}
	append(socket, entry);
	number = socket->n_added;
	flush(socket);
	if (number == socket->refused_number)
		return JOURNAL_SENT_LOST;
	if (number <= socket->n_removed)
		return JOURNAL_SENT_TAKEN;
	if (!socket->connected)
		return JOURNAL_SENT_LOST;
	entry->on_taken = on_taken;
	entry->userdata = userdata;
	return JOURNAL_SENT_WAITS;
}

void journal_socket_forget(struct journal_socket *socket, const void *userdata)
{
	for (struct journal_socket_entry *e = socket->first; e; e = e->next)
		if (e->userdata == userdata)
			e->on_taken = NULL;
}

/* --- the object ------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct journal_socket *socket = handle->data;

	socket->open_handles--;
}

int journal_socket_init(struct journal_socket *journal, uv_loop_t *loop,
			const char *path)
{
	int r;

	*journal = (struct journal_socket){.path = path};
	journal->last = &journal->first;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (journal->fd < 0)
		return -errno;
	r = uv_poll_init(loop, &journal->writable, journal->fd);
	if (r < 0) {
		(void)close(journal->fd);
		return r;
	}
	(void)uv_timer_init(loop, &journal->retry);
	journal->writable.data = journal;
	journal->retry.data = journal;
	journal->open_handles = 2;
	(void)connect_again(journal);
	return 0;
}

void journal_socket_close(struct journal_socket *socket)
{
	if (socket->closed)
		return;
	flush(socket);
	socket->closed = true;
	uv_close((uv_handle_t *)&socket->writable, on_handle_closed);
	uv_close((uv_handle_t *)&socket->retry, on_handle_closed);
}

void journal_socket_deinit(struct journal_socket *socket)
{
	assert(socket->closed && socket->open_handles == 0);
	while (socket->first)
		remove_first(socket, false);
	(void)close(socket->fd);
	socket->fd = -1;
}
