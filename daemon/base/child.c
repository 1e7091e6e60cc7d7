/*
 * Starts the helper programs and hears them out. The end of a helper is its exit and
 * the end of its report, which come in any order: on_done follows the last closed
 * handle, whatever it was. What a helper says is read as carefully as what a client
 * says.
 */
#include "base/child.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_FD      3
#define READ_BYTES_MIN 4096

static void on_handle_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (--child->open_handles > 0)
		return;
	free(child->request_text);
	child->request_text = NULL;
	child->on_done(child);
}

static void close_once(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_handle_closed);
}

static bool has_exited(const struct child *child)
{
	return uv_is_closing((const uv_handle_t *)&child->process);
}

/* The deadline is over once there is nothing left to wait for. */
static void close_rest(struct child *child)
{
	if (has_exited(child) && uv_is_closing((uv_handle_t *)&child->report))
		close_once((uv_handle_t *)&child->deadline);
}

static void end(struct child *child)
{
	if (!has_exited(child)) {
		(void)uv_process_kill(&child->process, SIGKILL);
		return;
	}
	/* It is gone, but something it started holds the report open. */
	close_once((uv_handle_t *)&child->report);
	close_rest(child);
}

static void on_exit_status(uv_process_t *process, int64_t exit_status, int term_signal)
{
	struct child *child = process->data;

	child->exit_status = exit_status;
	child->term_signal = term_signal;
	close_once((uv_handle_t *)process);
	if (child->request_text)
		close_once((uv_handle_t *)&child->request);
	if (child->killed)
		close_once((uv_handle_t *)&child->report);
	close_rest(child);
}

static void on_deadline(uv_timer_t *timer)
{
	struct child *child = timer->data;

	child->deadline_passed = true;
	child_kill(child);
}

static void fail_protocol(struct child *child)
{
	child->protocol_error = true;
	child_kill(child);
}

/* False: it is not a line that a helper writes. */
static bool take_line(struct child *child, const char *line, size_t length)
{
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(object, "type"));
	bool ok = false;

	/* The result is the last line. */
	if (!type || child->result) {
		ok = false;
	} else if (strcmp(type, "result") == 0) {
		child->result = json_incref(object);
		ok = true;
	} else if (strcmp(type, "progress") == 0) {
		if (child->on_progress)
			child->on_progress(child, object);
		ok = true;
	}
	json_decref(object);
	return ok;
}

static bool take_lines(struct child *child)
{
	size_t start = 0;
	char *newline;

	while ((newline = memchr(child->line + start, '\n',
				 child->line_length - start))) {
		if (!take_line(child, child->line + start,
			       (size_t)(newline - child->line) - start))
			return false;
		start = (size_t)(newline - child->line) + 1;
	}
	child->line_length -= start;
	memmove(child->line, child->line + start, child->line_length);
	return child->line_length < CHILD_LINE_BYTES_MAX;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct child *child = handle->data;
	size_t wanted = child->line_capacity ? child->line_capacity : READ_BYTES_MIN;
	char *line;

	(void)suggested;
	if (child->line_capacity - child->line_length < READ_BYTES_MIN / 2)
		wanted *= 2;
	if (wanted != child->line_capacity) {
		line = realloc(child->line, wanted);
		if (!line) {
			*buf = uv_buf_init(NULL, 0); /* read as UV_ENOBUFS */
			return;
		}
		child->line = line;
		child->line_capacity = wanted;
	}
	*buf = uv_buf_init(child->line + child->line_length,
			   (unsigned int)(child->line_capacity - child->line_length));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct child *child = stream->data;

	(void)buf;
	if (nread > 0) {
		child->line_length += (size_t)nread;
		if (take_lines(child))
			return;
		(void)uv_read_stop(stream);
		close_once((uv_handle_t *)stream);
		fail_protocol(child);
		return;
	}
	if (nread == 0)
		return;
	if (nread != UV_EOF || child->line_length > 0)
		child->protocol_error = true;
	close_once((uv_handle_t *)stream);
	close_rest(child);
}

static void on_written(uv_write_t *write, int status)
{
	struct child *child = write->handle->data;

	/* A helper that does not read its request says itself what is wrong, or dies.
	 */
	(void)status;
	close_once((uv_handle_t *)&child->request);
}

/*
 * Pipes, not libuv's socket pairs: a helper that was taken over must not be able to
 * send back an fd, which deployd would have to close (SECURITY.md). The helper does not
 * inherit our ends.
 */
struct pipes {
	uv_file report[2], request[2];
};

static void set_stdio(const struct child *child, const struct child_options *options,
		      const struct pipes *pipes,
		      uv_stdio_container_t stdio[static REPORT_FD + 1])
{
	const int fds[] = {options->fd0, options->fd1, STDERR_FILENO};

	for (int i = 0; i < REPORT_FD; i++) {
		stdio[i].flags = fds[i] >= 0 ? UV_INHERIT_FD : UV_IGNORE;
		stdio[i].data.fd = fds[i];
	}
	if (child->request_text) {
		stdio[0].flags = UV_INHERIT_FD;
		stdio[0].data.fd = pipes->request[0];
	}
	stdio[REPORT_FD].flags = UV_INHERIT_FD;
	stdio[REPORT_FD].data.fd = pipes->report[1];
}

static void close_fd(uv_file *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int open_pipes(struct pipes *pipes, bool with_request)
{
	int r;

	*pipes = (struct pipes){.report = {-1, -1}, .request = {-1, -1}};
	r = uv_pipe(pipes->report, UV_NONBLOCK_PIPE, 0);
	if (r == 0 && with_request)
		r = uv_pipe(pipes->request, 0, UV_NONBLOCK_PIPE);
	return r;
}

static void close_pipes(struct pipes *pipes)
{
	for (size_t i = 0; i < 2; i++) {
		close_fd(&pipes->report[i]);
		close_fd(&pipes->request[i]);
	}
}

/* The handles own our ends from here. It fails only for fds that are not pipes. */
static void open_handles(struct child *child, struct pipes *pipes)
{
	int r = uv_pipe_open(&child->report, pipes->report[0]);

	assert(r == 0);
	pipes->report[0] = -1;
	if (!child->request_text)
		return;
	r = uv_pipe_open(&child->request, pipes->request[1]);
	assert(r == 0);
	pipes->request[1] = -1;
}

static void init_handles(struct child *child, uv_loop_t *loop)
{
	/* None of these can fail: they only fill the handle. */
	(void)uv_pipe_init(loop, &child->report, 0);
	child->report.data = child;
	(void)uv_timer_init(loop, &child->deadline);
	child->deadline.data = child;
	child->process.data = child;
	child->open_handles = 3;
	if (child->request_text) {
		(void)uv_pipe_init(loop, &child->request, 0);
		child->request.data = child;
		child->open_handles++;
	}
}

static void start_io(struct child *child)
{
	uv_buf_t buf;

	if (uv_read_start((uv_stream_t *)&child->report, on_alloc, on_read) < 0)
		fail_protocol(child);
	if (!child->request_text)
		return;
	buf = uv_buf_init(child->request_text,
			  (unsigned int)strlen(child->request_text));
	if (uv_write(&child->write, (uv_stream_t *)&child->request, &buf, 1,
		     on_written) < 0)
		close_once((uv_handle_t *)&child->request);
}

int child_start(struct child *child, uv_loop_t *loop,
		const struct child_options *options)
{
	uv_stdio_container_t stdio[REPORT_FD + 1];
	char *environment[] = {NULL};
	uv_process_options_t spawn = {
		.file = options->argv[0],
		.args = (char **)options->argv,
		.env = environment,
		.exit_cb = on_exit_status,
		.stdio = stdio,
		.stdio_count = REPORT_FD + 1,
	};
	const char *slash = strrchr(options->argv[0], '/');
	struct pipes pipes;
	int r;

	assert(options->timeout_ms > 0 && child->open_handles == 0);
	child_deinit(child);
	child->request_text = options->request;
	child->program = slash ? slash + 1 : options->argv[0];
	child->timeout_ms = options->timeout_ms;
	child->exit_status = 0;
	child->term_signal = 0;
	child->spawn_error = 0;
	child->deadline_passed = false;
	child->protocol_error = false;
	child->killed = false;

	r = open_pipes(&pipes, child->request_text != NULL);
	if (r < 0) {
		close_pipes(&pipes);
		child_deinit(child);
		return r;
	}
	init_handles(child, loop);
	set_stdio(child, options, &pipes, stdio);
	open_handles(child, &pipes);
	r = uv_spawn(loop, &child->process, &spawn);
	close_pipes(&pipes);
	if (r < 0) {
		/* The handle of a process that was not spawned must be closed too. */
		child->spawn_error = r;
		close_once((uv_handle_t *)&child->process);
		close_once((uv_handle_t *)&child->report);
		close_once((uv_handle_t *)&child->deadline);
		if (child->request_text)
			close_once((uv_handle_t *)&child->request);
		return 0;
	}
	uv_update_time(loop);
	(void)uv_timer_start(&child->deadline, on_deadline, options->timeout_ms, 0);
	start_io(child);
	return 0;
}

void child_kill(struct child *child)
{
	if (child->open_handles == 0)
		return;
	child->killed = true;
	end(child);
}

/*
 * jansson has seen to valid UTF-8. The helper has escaped what it quotes: a second time
 * would double its backslashes, so control characters only lose their effect.
 */
static void scrub(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		/* U+0080 to U+009F: both bytes, or what is left is no UTF-8. */
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

static enum deploy_result say(struct errinfo *ei, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static enum deploy_result say(struct errinfo *ei, const char *fmt, ...)
{
	char text[sizeof(ei->what)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)errinfo_refuse(ei, RESULT_FAILED, "%s", text);
	return RESULT_FAILED;
}

static enum deploy_result without_result(const struct child *child, struct errinfo *ei)
{
	const char *signal_text;

	if (child->deadline_passed)
		return say(ei, "%s was ended: it took longer than %llu s",
			   child->program,
			   (unsigned long long)(child->timeout_ms + 999) / 1000);
	if (child->protocol_error)
		return say(ei, "%s wrote something that is not a report",
			   child->program);
	if (child->term_signal) {
		signal_text = sigdescr_np(child->term_signal);
		return say(ei, "%s died: signal %d (%s)", child->program,
			   child->term_signal, signal_text ? signal_text : "unknown");
	}
	return say(ei, "%s ended without a result (exit status %lld)", child->program,
		   (long long)child->exit_status);
}

enum deploy_result child_outcome(const struct child *child, const json_t **ret_result,
				 struct errinfo *ei)
{
	const char *name, *message;
	enum deploy_result result;

	if (!child->program)
		return say(ei, "a helper was not started");
	if (child->spawn_error < 0)
		return say(ei, "cannot start %s: %s", child->program,
			   uv_strerror(child->spawn_error));
	if (!child->result || child->protocol_error)
		return without_result(child, ei);

	name = json_string_value(json_object_get(child->result, "result"));
	message = json_string_value(json_object_get(child->result, "message"));
	result = name ? result_from_name(name) : RESULT_COUNT;
	if (result == RESULT_COUNT)
		return say(ei, "%s wrote a result that is none", child->program);
	if (child->exit_status != 0 || child->term_signal != 0)
		return say(ei, "%s said %s, but then ended with %s %lld",
			   child->program, name,
			   child->term_signal ? "signal" : "exit status",
			   child->term_signal ? child->term_signal
					      : (long long)child->exit_status);
	if (result == RESULT_OK) {
		*ret_result = child->result;
		return RESULT_OK;
	}
	(void)errinfo_refuse(ei, result, "%s", message ? message : "");
	scrub(ei->what);
	return result;
}

void child_deinit(struct child *child)
{
	assert(child->open_handles == 0);
	free(child->line);
	child->line = NULL;
	child->line_length = 0;
	child->line_capacity = 0;
	json_decref(child->result);
	child->result = NULL;
}
