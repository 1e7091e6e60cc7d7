#include "server/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"

static void on_retry(uv_timer_t *timer);

static void on_handle_closed(uv_handle_t *handle)
{
	struct spawner *spawner = handle->data;

	spawner->open_handles--;
	if (handle != (uv_handle_t *)&spawner->report)
		return;
	spawner->report_open = false;
	/* The handle is free for the next connection only now. */
	if (!spawner->closing)
		(void)uv_timer_start(&spawner->retry, on_retry, spawner->retry_msec, 0);
}

/* The connection is of no use; another is made after a while. */
static void lose(struct spawner *spawner, int error)
{
	if (spawner->fd >= 0)
		(void)close(spawner->fd);
	spawner->fd = -1;
	spawner->line_length = 0;
	spawner->retry_msec *= 2;
	if (spawner->retry_msec > SPAWNER_RETRY_MSEC_MAX)
		spawner->retry_msec = SPAWNER_RETRY_MSEC_MAX;
	if (!spawner->report_open)
		(void)uv_timer_start(&spawner->retry, on_retry, spawner->retry_msec, 0);
	else if (!uv_is_closing((uv_handle_t *)&spawner->report))
		uv_close((uv_handle_t *)&spawner->report, on_handle_closed);
	spawner->events->on_down(spawner->userdata, error);
}

/* Decimal digits, nothing else; sscanf() takes signs, and wraps what is too large. */
static bool take_number(const char **at, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *digit = *at;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		unsigned int value = (unsigned int)(*digit - '0');

		if (number > (max - value) / 10)
			return false;
		number = number * 10 + value;
	}
	if (digit == *at)
		return false;
	*at = digit;
	*ret_number = number;
	return true;
}

static bool take_text(const char **at, const char *text)
{
	size_t length = strlen(text);

	if (strncmp(*at, text, length) != 0)
		return false;
	*at += length;
	return true;
}

static bool is_started(const char *line, uint64_t *ret_number, uint64_t *ret_pid)
{
	return take_text(&line, "started ") &&
	       take_number(&line, UINT64_MAX, ret_number) && take_text(&line, " ") &&
	       take_number(&line, INT32_MAX, ret_pid) && *line == '\0' && *ret_pid > 1;
}

static bool is_ended(const char *line, uint64_t *ret_number)
{
	return take_text(&line, "ended ") &&
	       take_number(&line, UINT64_MAX, ret_number) && *line == '\0';
}

static void take_line(struct spawner *spawner, const char *line)
{
	uint64_t number, pid;

	if (is_started(line, &number, &pid))
		spawner->events->on_started(spawner->userdata, number, (pid_t)pid);
	else if (is_ended(line, &number))
		spawner->events->on_ended(spawner->userdata, number);
	else
		lose(spawner, -EBADMSG);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct spawner *spawner = handle->data;

	(void)suggested;
	*buf = uv_buf_init(spawner->chunk, sizeof(spawner->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct spawner *spawner = stream->data;

	if (nread < 0) {
		lose(spawner, nread == UV_EOF ? -ECONNRESET : (int)nread);
		return;
	}
	for (ssize_t i = 0; i < nread && spawner->fd >= 0; i++) {
		if (buf->base[i] == '\n') {
			spawner->line[spawner->line_length] = '\0';
			spawner->line_length = 0;
			take_line(spawner, spawner->line);
		} else if (spawner->line_length + 1 < sizeof(spawner->line)) {
			spawner->line[spawner->line_length++] = buf->base[i];
		} else {
			lose(spawner, -EMSGSIZE);
		}
	}
}

static int open_socket(const char *path, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Before anybody is at the other end: nothing can come through it. */
	r = fd_refuse_fds(fd);
	if (r < 0)
		return r;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (shutdown(fd, SHUT_RD) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* The pipe for the spawner's words goes with the first byte. */
static int connect_to(struct spawner *spawner)
{
	cleanup_close int fd = -1, ours = -1, theirs = -1;
	int fds[2];
	int r;

	r = open_socket(spawner->path, &fd);
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	ours = fds[0];
	theirs = fds[1];
	r = fd_send(fd, "p", 1, &theirs, 1);
	if (r < 0)
		return r;
	r = uv_pipe_init(spawner->loop, &spawner->report, 0);
	if (r < 0)
		return r;
	spawner->report.data = spawner;
	spawner->open_handles++;
	spawner->report_open = true;
	r = uv_pipe_open(&spawner->report, ours);
	if (r == 0) {
		(void)steal_fd(&ours); /* the handle owns it from here */
		r = uv_read_start((uv_stream_t *)&spawner->report, on_alloc, on_read);
	}
	if (r < 0) {
		uv_close((uv_handle_t *)&spawner->report, on_handle_closed);
		return r;
	}
	spawner->fd = steal_fd(&fd);
	return 0;
}

static void on_retry(uv_timer_t *timer)
{
	struct spawner *spawner = timer->data;
	int r = connect_to(spawner);

	if (r < 0) {
		lose(spawner, r);
		return;
	}
	spawner->events->on_up(spawner->userdata);
}

int spawner_start(struct spawner *spawner, uv_loop_t *loop, const char *path,
		  const struct spawner_events *events, void *userdata)
{
	int r;

	*spawner = (struct spawner){.loop = loop,
				    .path = path,
				    .events = events,
				    .userdata = userdata,
				    .fd = -1,
				    .retry_msec = SPAWNER_RETRY_MSEC_MIN};
	r = uv_timer_init(loop, &spawner->retry);
	if (r < 0)
		return r;
	spawner->retry.data = spawner;
	spawner->open_handles = 1;
	return uv_timer_start(&spawner->retry, on_retry, 0, 0);
}

int spawner_request(struct spawner *spawner, uint64_t number,
		    const struct channel_ends *ends)
{
	const int fds[] = {ends->words, ends->report, ends->fds};
	char text[32];
	int r;

	if (spawner->fd < 0)
		return -ENOTCONN;
	(void)snprintf(text, sizeof(text), "%" PRIu64 "\n", number);
	r = fd_send(spawner->fd, text, strlen(text), fds, sizeof(fds) / sizeof(*fds));
	if (r == 0)
		spawner->retry_msec = SPAWNER_RETRY_MSEC_MIN;
	return r;
}

void spawner_stop(struct spawner *spawner)
{
	if (spawner->closing || spawner->open_handles == 0)
		return;
	spawner->closing = true;
	if (spawner->fd >= 0)
		(void)close(spawner->fd);
	spawner->fd = -1;
	uv_close((uv_handle_t *)&spawner->retry, on_handle_closed);
	if (spawner->report_open && !uv_is_closing((uv_handle_t *)&spawner->report))
		uv_close((uv_handle_t *)&spawner->report, on_handle_closed);
}
