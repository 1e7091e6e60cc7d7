#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "deploy/errinfo.h"

/*
 * A helper program (deployd-intake, -unpack, -store): fork+exec with explicit fds and
 * an empty environment, its report lines on fd 3, a deadline. Its end is exit *and* end
 * of report, in any order. Embedded in its owner, all zero before the first use; never
 * on the stack. SIGPIPE must be ignored in this process.
 */

#define CHILD_LINE_BYTES_MAX (4u << 20)

struct child {
	uv_process_t process;
	uv_pipe_t report;
	uv_pipe_t request; /* feeds fd 0 when request_text was given */
	uv_timer_t deadline;
	uv_write_t write;
	unsigned int open_handles;
	char *request_text; /* owned */
	char *line;	    /* report bytes not yet ended by a newline; owned */
	size_t line_length;
	size_t line_capacity;
	const char *program; /* basename, for messages */
	int64_t exit_status;
	int term_signal;
	uint64_t timeout_ms;
	int spawn_error;
	bool deadline_passed;
	bool protocol_error;
	bool killed;
	json_t *result; /* the last line of type "result"; owned */
	void *userdata;
	/* A progress line; the object is borrowed. May be NULL. */
	void (*on_progress)(struct child *child, const json_t *progress);
	/*
	 * Called once, after the last handle closed; the child may be reused or freed
	 * in it. ret of child_outcome() tells how it went.
	 */
	void (*on_done)(struct child *child);
};

struct child_options {
	const char *const *argv; /* argv[0] = absolute path of the program */
	int fd0, fd1;		 /* inherited as stdin, stdout; -1 = /dev/null */
	char *request; /* written to fd 0 instead of fd0; taken over; may be NULL */
	uint64_t timeout_ms; /* SIGKILL after that; 0 is not allowed */
};

/*
 * Starts the program. userdata, on_progress and on_done are set by the caller before. A
 * failed spawn becomes an ordinary on_done. on_done is never called before this
 * returns. fd0 and fd1 stay the caller's (he closes
 * them right after). Returns 0 or negative errno when nothing was started (on_done is
 * not called then).
 */
int child_start(struct child *child, uv_loop_t *loop,
		const struct child_options *options)
	__attribute__((warn_unused_result, nonnull));

/* SIGKILL; on_done follows. Harmless when it already ended. */
void child_kill(struct child *child) __attribute__((nonnull));

/*
 * After on_done: RESULT_OK and *ret_result (borrowed) when the helper said ok; else
 * what it said, or in words how it died, in ei.
 */
enum deploy_result child_outcome(const struct child *child, const json_t **ret_result,
				 struct errinfo *ei) __attribute__((nonnull));

/* Frees result and buffers; only when no handle is open. */
void child_deinit(struct child *child) __attribute__((nonnull));
