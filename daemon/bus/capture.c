/*
 * Reads what a command in a transient unit writes. It is over when both the unit and
 * the output have ended, in any order: done follows the last closed handle.
 */
#include "bus/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "bus/output.h"

#define CHUNK_BYTES 4096

/* Once the unit has ended, none of its processes holds its output any more. */
#define OUTPUT_WAIT_MSEC 1000

struct capture {
	struct transient *transient; /* NULL: has ended */
	struct transient_outcome unit;
	struct output output;
	uv_pipe_t pipe;
	uv_timer_t late;
	unsigned int open_handles;
	bool cancelled;
	char chunk[CHUNK_BYTES];
	char *text;
	size_t length, bytes_max;
	bool tail;
	bool truncated;
	void (*done)(void *userdata, const struct capture_outcome *outcome);
	void *userdata;
};

static void on_handle_closed(uv_handle_t *handle)
{
	struct capture *capture = handle->data;
	struct capture_outcome outcome;

	if (--capture->open_handles > 0)
		return;
	if (!capture->cancelled) {
		capture->text[capture->length] = '\0';
		outcome = (struct capture_outcome){
			.unit = &capture->unit,
			.text = capture->text,
			.length = capture->length,
			.truncated = capture->truncated,
		};
		capture->done(capture->userdata, &outcome);
	}
	output_close(&capture->output);
	free(capture->text);
	free(capture);
}

static void close_once(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_handle_closed);
}

static void output_over(struct capture *capture)
{
	close_once(&capture->pipe);
	if (!capture->transient)
		close_once(&capture->late);
}

static void keep_first(struct capture *capture, size_t n)
{
	size_t left = capture->bytes_max - capture->length;

	if (n > left) {
		capture->truncated = true;
		n = left;
	}
	memcpy(capture->text + capture->length, capture->chunk, n);
	capture->length += n;
}

static void keep_last(struct capture *capture, size_t n)
{
	const char *from = capture->chunk;
	size_t kept = capture->length;

	if (n > capture->bytes_max) {
		from += n - capture->bytes_max;
		n = capture->bytes_max;
		capture->truncated = true;
	}
	if (kept + n > capture->bytes_max) {
		kept = capture->bytes_max - n;
		memmove(capture->text, capture->text + capture->length - kept, kept);
		capture->truncated = true;
	}
	memcpy(capture->text + kept, from, n);
	capture->length = kept + n;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct capture *capture = handle->data;

	(void)suggested;
	*buf = uv_buf_init(capture->chunk, sizeof(capture->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct capture *capture = stream->data;

	(void)buf;
	if (nread < 0)
		output_over(capture);
	else if (capture->tail)
		keep_last(capture, (size_t)nread);
	else
		keep_first(capture, (size_t)nread);
}

static void on_late(uv_timer_t *timer)
{
	output_over(timer->data);
}

static void on_unit_ended(void *userdata, const struct transient_outcome *outcome)
{
	struct capture *capture = userdata;

	capture->transient = NULL;
	capture->unit = *outcome;
	output_end(&capture->output);
	if (uv_is_closing((uv_handle_t *)&capture->pipe)) {
		close_once(&capture->late);
		return;
	}
	uv_update_time(capture->late.loop);
	(void)uv_timer_start(&capture->late, on_late, OUTPUT_WAIT_MSEC, 0);
}

static struct capture *capture_new(uv_loop_t *loop,
				   const struct capture_options *options)
{
	struct capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return NULL;
	capture->text = malloc(options->bytes_max + 1);
	if (!capture->text) {
		free(capture);
		return NULL;
	}
	capture->bytes_max = options->bytes_max;
	capture->tail = options->tail;
	capture->output = OUTPUT_NONE;
	/* These only fill the handles. */
	(void)uv_pipe_init(loop, &capture->pipe, 0);
	capture->pipe.data = capture;
	(void)uv_timer_init(loop, &capture->late);
	capture->late.data = capture;
	capture->open_handles = 2;
	return capture;
}

static int open_output(struct capture *capture)
{
	int r = output_open(&capture->output, OUTPUT_KIND_PIPE);

	if (r == 0)
		r = uv_pipe_open(&capture->pipe, capture->output.fd);
	if (r < 0)
		return r;
	capture->output.fd = -1; /* the handle owns it from here */
	/* Fails only for a pipe that cannot be read from. */
	return uv_read_start((uv_stream_t *)&capture->pipe, on_alloc, on_read);
}

/* It has ended before it began. */
static void fail(struct capture *capture, int error)
{
	(void)errinfo_set(&capture->unit.error, error,
			  "cannot read a command's output");
	close_once(&capture->pipe);
	close_once(&capture->late);
}

struct capture *
capture_start(struct units *units, const struct capture_options *options,
	      void (*done)(void *userdata, const struct capture_outcome *outcome),
	      void *userdata)
{
	struct capture *capture = capture_new(units_loop(units), options);
	struct transient_options unit = options->unit;
	int r;

	if (!capture)
		return NULL;
	capture->done = done;
	capture->userdata = userdata;
	r = open_output(capture);
	if (r < 0) {
		fail(capture, r);
		return capture;
	}
	unit.stdout_path = capture->output.path;
	if (options->with_stderr)
		unit.stderr_path = capture->output.path;
	capture->transient = transient_start(units, &unit, on_unit_ended, capture);
	if (!capture->transient)
		fail(capture, ENOMEM);
	return capture;
}

void capture_cancel(struct capture *capture)
{
	if (!capture)
		return;
	capture->cancelled = true;
	transient_cancel(capture->transient);
	capture->transient = NULL;
	close_once(&capture->pipe);
	close_once(&capture->late);
}
