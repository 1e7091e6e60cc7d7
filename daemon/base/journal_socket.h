#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

/*
 * Entries for journald in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL),
 * over a datagram socket of our own that never blocks: sd_journal_sendv(3) waits for as
 * long as journald does not read. What the kernel does not take waits here, within a
 * bound; what is beyond it is dropped and counted. Embedded in its owner.
 */

#define JOURNAL_SOCKET_PATH		 "/run/systemd/journal/socket"
#define JOURNAL_SOCKET_ENTRY_BYTES_MAX	 32768u
#define JOURNAL_SOCKET_WAITING_MAX	 1000u	    /* entries */
#define JOURNAL_SOCKET_WAITING_BYTES_MAX (4u << 20) /* the sum of their lengths */
#define JOURNAL_SOCKET_RETRY_MSEC	 1000u	    /* while there is no journald */

enum journal_sent {
	JOURNAL_SENT_TAKEN, /* the kernel has it: journald reads it, sooner or later */
	JOURNAL_SENT_WAITS, /* behind others, until journald reads on */
	JOURNAL_SENT_LOST,  /* there is no journald, or no room: it may never be read */
};

struct journal_socket_entry;

struct journal_socket {
	int fd;
	const char *path;
	bool connected;
	bool flushing;
	bool closed; /* no handle is there any more: what is sent is tried once */
	uv_poll_t writable;
	uv_timer_t retry;
	unsigned int open_handles;
	struct journal_socket_entry *first, **last;
	uint64_t n_added, n_removed; /* entries, since the start: they are numbered */
	uint64_t refused_number;     /* the last that the kernel will never take */
	size_t waiting_bytes;
	uint64_t dropped;
	void *userdata;
	/*
	 * Set by the owner; may be NULL. It works again, and n entries were dropped
	 * meanwhile. journal_socket_send() may be called in it.
	 */
	void (*on_dropped)(void *userdata, uint64_t n);
};

/*
 * What becomes of an entry that waits, once: taken, or not for as long as there is no
 * journald. Called while another entry is sent or from the loop: only make a note.
 */
typedef void (*journal_taken_fn)(void *userdata, bool taken);

/* path stays the caller's. A journald that is not there is no error. */
int journal_socket_init(struct journal_socket *socket, uv_loop_t *loop,
			const char *path) __attribute__((warn_unused_result, nonnull));

/*
 * Sends an entry: each field is "NAME=value". A value with a newline is sent in the
 * binary form, so that it cannot become a field; an entry that is too long is cut.
 * on_taken (may be NULL) is called only after JOURNAL_SENT_WAITS was returned.
 */
enum journal_sent journal_socket_send(struct journal_socket *socket,
				      const struct iovec *fields, int n_fields,
				      journal_taken_fn on_taken, void *userdata)
	__attribute__((nonnull(1, 2)));

/* on_taken of this userdata will not be called; the entries stay. */
void journal_socket_forget(struct journal_socket *socket, const void *userdata)
	__attribute__((nonnull));

/* Closes the handles; entries can still be sent, but none waits. Idempotent. */
void journal_socket_close(struct journal_socket *socket) __attribute__((nonnull));

/* After the loop has closed the handles. */
void journal_socket_deinit(struct journal_socket *socket) __attribute__((nonnull));
