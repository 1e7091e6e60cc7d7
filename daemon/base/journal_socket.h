#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

/*
 * Sends entries to journald in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)
 * over a non-blocking datagram socket. sd_journal_sendv(3) is no option on a loop: it
 * blocks for as long as journald does not read. Entries that the kernel does not accept
 * are queued up to a limit; beyond that they are dropped and counted. Embedded in its
 * owner.
 */

#define JOURNAL_SOCKET_PATH		 "/run/systemd/journal/socket"
#define JOURNAL_SOCKET_ENTRY_BYTES_MAX	 32768u
#define JOURNAL_SOCKET_WAITING_MAX	 1000u	    /* entries */
#define JOURNAL_SOCKET_WAITING_BYTES_MAX (4u << 20) /* the sum of their lengths */
#define JOURNAL_SOCKET_RETRY_MSEC	 1000u	    /* while there is no journald */

enum journal_sent {
	JOURNAL_SENT_TAKEN, /* in the kernel's queue: journald will read it */
	JOURNAL_SENT_WAITS, /* queued here until journald reads again */
	JOURNAL_SENT_LOST,  /* no journald, or the queue is full: may never arrive */
};

struct journal_socket_entry;

struct journal_socket {
	int fd;
	const char *path;
	bool connected;
	bool flushing;
	bool closed; /* without handles: entries are tried once */
	uv_poll_t writable;
	uv_timer_t retry;
	unsigned int open_handles;
	struct journal_socket_entry *first, **last;
	uint64_t n_added, n_removed; /* entries so far: their numbers */
	uint64_t refused_number; /* the last entry that the kernel rejected for good */
	size_t waiting_bytes;
	uint64_t dropped;
	void *userdata;
	/*
	 * Set by the owner; may be NULL. Called once entries are accepted again, if n
	 * were dropped before. May call journal_socket_send().
	 */
	void (*on_dropped)(void *userdata, uint64_t n);
};

/*
 * Called once for a queued entry: the kernel has taken it, or there is no journald (it
 * stays queued). Runs inside other calls of journal_socket_send(): only make a note.
 */
typedef void (*journal_taken_fn)(void *userdata, bool taken);

/* path stays the caller's. A missing journald is not an error. */
int journal_socket_init(struct journal_socket *socket, uv_loop_t *loop,
			const char *path) __attribute__((warn_unused_result, nonnull));

/*
 * Sends an entry; each field is "NAME=value". A value with a newline goes in the binary
 * form, which keeps it from becoming a field of its own; an entry that is too long is
 * cut. on_taken (may be NULL) is called only if this returns JOURNAL_SENT_WAITS.
 */
enum journal_sent journal_socket_send(struct journal_socket *socket,
				      const struct iovec *fields, int n_fields,
				      journal_taken_fn on_taken, void *userdata)
	__attribute__((nonnull(1, 2)));

/* on_taken will not be called with this userdata; the entries stay queued. */
void journal_socket_forget(struct journal_socket *socket, const void *userdata)
	__attribute__((nonnull));

/* Closes the handles; later entries are tried once, not queued. Idempotent. */
void journal_socket_close(struct journal_socket *socket) __attribute__((nonnull));

/* Call after the loop has closed the handles. */
void journal_socket_deinit(struct journal_socket *socket) __attribute__((nonnull));
