#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A client of deployd's socket that pushes an fd with its request. A process of its own
 * does what the options say, and prints a line for each event: "sent", "reply JSON",
 * "closed".
 *
 * Commands, one a line, on the fd of handover_run(): "finish" sends what --part kept
 * back, "connect" opens as many connections again and sends the same, "leave" ends the
 * process, "shut" ends the writing.
 */
struct handover {
	const char *socket_path;
	const char *request; /* JSON */
	unsigned int connections;
	unsigned int times; /* the request is sent at once, pipelined */
	unsigned int fds;   /* of the same file, with each request */
	size_t pad;	    /* bytes of white space after the request */
	bool part;	    /* the first half of it, with the fds */
	bool leave;	    /* once all is sent; else it stays */
	bool unread;	    /* replies are not read */
	bool last;	    /* theirs is the last reference of the file; no option */
};

extern const char handover_help[];

/*
 * Reads the options of its own that are at the front of argv, and SOCKET REQUEST at its
 * end. Each other option is given to take(name, value), which says whether it is known.
 * Ends the process with 2 and the usage text when there is something wrong.
 */
void handover_parse(struct handover *handover, int argc, char **argv, const char *usage,
		    bool (*take)(const char *name, const char *value))
	__attribute__((nonnull(1, 3, 4)));

/*
 * Sends, and obeys the commands. fd is what is pushed; with "last" it is closed while
 * the last byte of each request is not sent yet, so that deployd's is the last
 * reference, else it stays open. Returns, with every connection closed, when told to
 * leave.
 */
void handover_run(const struct handover *handover, int fd, int commands_fd)
	__attribute__((nonnull));

/* Prints one line at once, whole. */
void handover_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ends the process with 1 and the error of the last call. */
void handover_die(const char *what) __attribute__((noreturn));
