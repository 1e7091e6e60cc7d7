#pragma once

#include <sys/types.h>
#include <uv.h>

/*
 * Names of uids for history and journal. A look-up may block for long (LDAP), so it
 * runs in the thread pool and what it found is kept; nothing is decided by a name.
 */
#define USER_NAMES_MAX 256
#define USER_NAMES_PENDING                                                             \
	8 /* look-ups under way; more callers get "uid:N" at once                      \
	   */

struct user_names {
	uv_loop_t *loop;
	struct {
		uid_t uid;
		char name[64];
	} entries[USER_NAMES_MAX];
	size_t n_entries;
	size_t next; /* overwritten next once full */
	unsigned int n_pending;
};

void user_names_init(struct user_names *names, uv_loop_t *loop)
	__attribute__((nonnull));

/* Forgets everything, as after a reload. */
void user_names_flush(struct user_names *names) __attribute__((nonnull));

/*
 * Calls done with the name of uid ("uid:N" when it has none), either at once or later
 * from the loop. session_id is handed through: the caller may be gone by then.
 */
void user_names_find(struct user_names *names, uid_t uid,
		     void (*done)(void *userdata, uint64_t session_id,
				  const char *name),
		     void *userdata, uint64_t session_id)
	__attribute__((nonnull(1, 3)));
