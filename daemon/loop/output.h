#pragma once

/*
 * Where a command in a transient unit writes to: a FIFO or a file in a directory that
 * only root can enter, which the service manager opens by its name. Its fd is not
 * passed over the bus, and so deployd's connection takes no fds (units.c): a
 * stranger's, which anybody may send to it in a signal, would be deployd's to close.
 */

#define OUTPUT_DIR	 "/run/deployd-output" /* when there is no RUNTIME_DIRECTORY= */
#define OUTPUT_PATH_SIZE 128

enum output_kind {
	OUTPUT_KIND_PIPE, /* fd is its read end, non-blocking */
	OUTPUT_KIND_FILE, /* fd reads and writes it */
};

struct output {
	int fd;
	int held_fd; /* of a pipe: without it the reader would see its end too soon */
	char path[OUTPUT_PATH_SIZE];
};

/* Nothing is open: what output_close() accepts. */
#define OUTPUT_NONE ((struct output){.fd = -1, .held_fd = -1})

/* Makes it, with a name of its own. 0 or negative errno. */
int output_open(struct output *output, enum output_kind kind)
	__attribute__((warn_unused_result, nonnull));

/*
 * The command has ended: the name goes, and who reads the pipe sees its end as soon as
 * no process has it open any more. fd stays open. Idempotent.
 */
void output_end(struct output *output) __attribute__((nonnull));

/* Ends it, and closes fd. Idempotent. */
void output_close(struct output *output) __attribute__((nonnull));
