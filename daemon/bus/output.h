#pragma once

/*
 * Where a command in a transient unit writes: a FIFO or a file in a directory that only
 * root can enter. The service manager opens it by its name, so no fd is passed over the
 * bus, and deployd's connection can do without fds (units.c). If it accepted any,
 * deployd would have to close those that strangers may send it in a signal.
 */

#define OUTPUT_DIR	 "/run/deployd-output" /* when there is no RUNTIME_DIRECTORY= */
#define OUTPUT_PATH_SIZE 128

enum output_kind {
	OUTPUT_KIND_PIPE, /* fd is its read end, non-blocking */
	OUTPUT_KIND_FILE, /* fd reads and writes it */
};

struct output {
	int fd;
	int held_fd; /* of a pipe: keeps the reader from seeing its end too soon */
	char path[OUTPUT_PATH_SIZE];
};

/* Nothing is open; output_close() accepts this. */
#define OUTPUT_NONE ((struct output){.fd = -1, .held_fd = -1})

/* Creates it under a unique name. 0 or negative errno. */
int output_open(struct output *output, enum output_kind kind)
	__attribute__((warn_unused_result, nonnull));

/*
 * The command has ended: removes the name. The reader of a pipe sees its end as soon as
 * no process has it open any more. fd stays open. Idempotent.
 */
void output_end(struct output *output) __attribute__((nonnull));

/* Ends it, and closes fd. Idempotent. */
void output_close(struct output *output) __attribute__((nonnull));
