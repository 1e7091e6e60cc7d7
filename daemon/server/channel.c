#include "server/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/varlink.h"
#include "util/fdio.h"
#include "util/session_protocol.h"

struct channel {
	uv_pipe_t words;
	uv_pipe_t report;
	uv_timer_t flush;
	unsigned int open_handles;
	int fds;     /* our end of the socket; it cannot receive */
	int kept_fd; /* our copy of the session's end, until it has its client */
	struct varlink_buffer input;
	const struct channel_events *events;
	void *userdata;
	bool over;    /* on_closed was called, or channel_close() */
	bool closing; /* the owner has let go */
	bool reading_words;
	char chunk[16384];
};

/* A write under way; libuv keeps a pointer to it and to the text. */
struct write {
	uv_write_t request;
	struct channel *channel;
	char *text;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void channel_ends_close(struct channel_ends *ends)
{
	close_fd(&ends->words);
	close_fd(&ends->report);
	close_fd(&ends->fds);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	if (--channel->open_handles > 0)
		return;
	varlink_buffer_deinit(&channel->input);
	close_fd(&channel->fds);
	close_fd(&channel->kept_fd);
	free(channel);
}

static void close_handles(struct channel *channel)
{
	if (uv_is_closing((uv_handle_t *)&channel->words))
		return;
	uv_close((uv_handle_t *)&channel->words, on_handle_closed);
	uv_close((uv_handle_t *)&channel->report, on_handle_closed);
	uv_close((uv_handle_t *)&channel->flush, on_handle_closed);
}

static bool is_flushed(const struct channel *channel)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&channel->words) ==
	       0;
}

/* The owner hears of it once, and closes. */
static void break_off(struct channel *channel, const char *why)
{
	if (channel->over)
		return;
	channel->over = true;
	(void)uv_read_stop((uv_stream_t *)&channel->report);
	channel->events->on_closed(channel->userdata, why);
}

static void take_words(struct channel *channel)
{
	assert(!channel->reading_words);
	channel->reading_words = true;
	while (!channel->over) {
		cleanup_json json_t *word = NULL;
		int r = varlink_buffer_take(&channel->input, &word);

		if (r == 0)
			break;
		if (r < 0)
			break_off(channel,
				  "it sent something that is not a JSON object");
		else
			channel->events->on_word(channel->userdata, word);
	}
	channel->reading_words = false;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct channel *channel = handle->data;

	(void)suggested;
	*buf = uv_buf_init(channel->chunk, sizeof(channel->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct channel *channel = stream->data;
	int r;

	if (nread == 0)
		return;
	if (nread < 0) {
		break_off(channel, NULL);
		return;
	}
	r = varlink_buffer_add(&channel->input, buf->base, (size_t)nread);
	if (r < 0) {
		break_off(channel, r == -EMSGSIZE ? "it sent a message that is too long"
						  : "out of memory");
		return;
	}
	take_words(channel);
}

/* fds: a socket pair whose first end cannot receive, so that no fd comes back. */
static int make_pipes(struct channel *channel, struct channel_ends *ends,
		      int *ret_words, int *ret_report)
{
	cleanup_close int words = -1, report = -1;
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	ends->words = fds[0];
	words = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	report = fds[0];
	ends->report = fds[1];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	channel->fds = fds[0];
	ends->fds = fds[1];
	r = fd_refuse_fds(channel->fds);
	if (r < 0)
		return r;
	if (shutdown(channel->fds, SHUT_RD) < 0)
		return -errno;
	channel->kept_fd = fcntl(ends->fds, F_DUPFD_CLOEXEC, 3);
	if (channel->kept_fd < 0)
		return -errno;
	*ret_words = steal_fd(&words);
	*ret_report = steal_fd(&report);
	return 0;
}

static void init_handle(struct channel *channel, uv_handle_t *handle)
{
	handle->data = channel;
	channel->open_handles++;
}

int channel_new(uv_loop_t *loop, const struct channel_events *events, void *userdata,
		struct channel **ret_channel, struct channel_ends *ret_ends)
{
	struct channel_ends ends = {-1, -1, -1};
	struct channel *channel = calloc(1, sizeof(*channel));
	cleanup_close int words = -1, report = -1;
	int r;

	if (!channel)
		return -ENOMEM;
	channel->fds = channel->kept_fd = -1;
	channel->events = events;
	channel->userdata = userdata;
	channel->input.message_bytes_max = SESSION_WORD_BYTES_MAX;
	r = make_pipes(channel, &ends, &words, &report);
	if (r < 0) {
		channel_ends_close(&ends);
		close_fd(&channel->fds);
		close_fd(&channel->kept_fd);
		free(channel);
		return r;
	}
	(void)uv_pipe_init(loop, &channel->words, 0);
	init_handle(channel, (uv_handle_t *)&channel->words);
	(void)uv_pipe_init(loop, &channel->report, 0);
	init_handle(channel, (uv_handle_t *)&channel->report);
	(void)uv_timer_init(loop, &channel->flush);
	init_handle(channel, (uv_handle_t *)&channel->flush);
	r = uv_pipe_open(&channel->words, words);
	if (r == 0) {
		(void)steal_fd(&words); /* the handle owns it from here */
		r = uv_pipe_open(&channel->report, report);
	}
	if (r == 0) {
		(void)steal_fd(&report);
		r = uv_read_start((uv_stream_t *)&channel->report, on_alloc, on_read);
	}
	if (r < 0) {
		channel->over = channel->closing = true;
		close_handles(channel);
		channel_ends_close(&ends);
		return r;
	}
	*ret_channel = channel;
	*ret_ends = ends;
	return 0;
}

static void on_written(uv_write_t *request, int status)
{
	struct write *write = request->data;
	struct channel *channel = write->channel;

	free(write->text);
	free(write);
	if (channel->closing) {
		if (status < 0 || is_flushed(channel))
			close_handles(channel);
		return;
	}
	/* The reading side tells of the end, too, and may have words left. */
	(void)status;
}

int channel_send_text(struct channel *channel, char *text, size_t length)
{
	uv_stream_t *stream = (uv_stream_t *)&channel->words;
	struct write *write;
	uv_buf_t buf;
	int r;

	if (channel->over || channel->closing) {
		free(text);
		return -EPIPE;
	}
	write = calloc(1, sizeof(*write));
	if (!write || uv_stream_get_write_queue_size(stream) + length >
			      CHANNEL_UNSENT_BYTES_MAX) {
		r = write ? -ENOBUFS : -ENOMEM;
		free(write);
		free(text);
		return r;
	}
	write->channel = channel;
	write->text = text;
	write->request.data = write;
	buf = uv_buf_init(text, (unsigned int)length);
	r = uv_write(&write->request, stream, &buf, 1, on_written);
	if (r < 0) {
		free(write->text);
		free(write);
	}
	return r;
}

int channel_send(struct channel *channel, json_t *word)
{
	char *text = json_dumps(word, JSON_COMPACT);

	json_decref(word);
	if (!text)
		return -ENOMEM;
	return channel_send_text(channel, text, strlen(text) + 1);
}

int channel_send_fd(struct channel *channel, int fd, json_t *word)
{
	int r = channel->over ? -EPIPE : fd_send(channel->fds, "", 1, &fd, 1);

	if (r < 0) {
		json_decref(word);
		return r;
	}
	/*
	 * Without its word the fd stays in the queue, and the next word would take it
	 * for its own: such a channel is of no use any more.
	 */
	r = channel_send(channel, word);
	if (r < 0) {
		int unsent = channel_take_back(channel);

		if (unsent >= 0)
			(void)close(unsent);
		channel->over = true;
	}
	return r;
}

int channel_hand_over(struct channel *channel, int *fd, json_t *word)
{
	int r = channel->over ? -EPIPE : fd_send(channel->fds, "", 1, fd, 1);

	if (r < 0) {
		json_decref(word);
		return r;
	}
	/* Once it has the word the session may take it, close it and end at any time.
	 */
	close_fd(fd);
	r = channel_send(channel, word);
	if (r < 0) {
		*fd = channel_take_back(channel);
		channel->over = true;
	}
	return r;
}

void channel_taken(struct channel *channel)
{
	close_fd(&channel->kept_fd);
}

int channel_take_back(struct channel *channel)
{
	char byte;
	size_t n_fds = 0;
	int fd = -1;

	if (channel->kept_fd < 0)
		return -1;
	/* Only deployd writes to this socket: what is in it is deployd's own. */
	if (fd_receive(channel->kept_fd, &byte, 1, &fd, 1, &n_fds) != 1 || n_fds != 1)
		fd = -1;
	close_fd(&channel->kept_fd);
	return fd;
}

static void on_flush_timeout(uv_timer_t *timer)
{
	close_handles(timer->data);
}

void channel_close(struct channel *channel)
{
	if (channel->closing)
		return;
	channel->over = channel->closing = true;
	(void)uv_read_stop((uv_stream_t *)&channel->report);
	if (is_flushed(channel) || uv_timer_start(&channel->flush, on_flush_timeout,
						  CHANNEL_FLUSH_MSEC, 0) < 0)
		close_handles(channel);
}

void channel_abort(struct channel *channel)
{
	channel->over = channel->closing = true;
	close_handles(channel);
}
