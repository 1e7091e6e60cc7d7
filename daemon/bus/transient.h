#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/units.h"
#include "deploy/errinfo.h"

/*
 * A command in a transient unit: PID 1 starts it, not deployd, in a copy of a unit or
 * in deployd-run.slice with a user of its own. The command runs as it is: no shell, no
 * $NAME, no %-specifier.
 */

#define TRANSIENT_ARGS_MAX 1100 /* words of a command */

struct transient_options {
	const char *name; /* of the unit: a number of its own and the suffix follow */
	const char *description;
	const char *const *argv; /* NULL-terminated; argv[0] = absolute path */
	/* Another one, to be run before it; its failure does not count. NULL = none. */
	const char *const *argv_before;
	/*
	 * Run in a copy of this unit: user, environment, sandbox and limits as
	 * clone_table.h has them, in its slice. NULL = none.
	 */
	const char *clone_of;
	/*
	 * With clone_of: what the unit and argv have at or below current_dir is taken
	 * from this directory of a release instead. NULL = as they are.
	 */
	const char *current_dir, *release_dir;
	/* Without clone_of, or where that unit has no User=. One of them is needed. */
	const char *user, *group;
	const char *extra_group; /* beside the user's own; NULL = none; no clone_of */
	const char *const *extra_groups; /* in place of one; NULL-terminated */
	const char
		*network_of; /* the unit whose network it shares; NULL = the host's */
	/*
	 * For programs of ours: no capabilities, a read-only system, little memory, few
	 * system calls; without network_of no network either.
	 */
	bool harden;
	bool sees_homes; /* harden: it may read what is below /home, /root, /run/user */
	uint64_t ambient; /* capabilities it keeps all the same, as a mask */
	/* Files that it writes to (bus/output.h). NULL: stdout null, stderr journal.
	 */
	const char *stdout_path, *stderr_path;
	uint64_t file_bytes_max; /* of each file that it writes; 0 = any */
	uint64_t timeout_ms;	 /* then it is ended */
	bool endless;		 /* timeout_ms is for its start alone */
};

struct transient_outcome {
	/*
	 * RESULT_OK: it was run and has ended; how, say code and status. Otherwise err
	 * is -ETIMEDOUT when it was ended, -ENOTCONN when there was no bus to start it,
	 * -ESHUTDOWN when the connection was closed.
	 */
	struct errinfo error;
	/* Also where it could not start: then of systemd's own set-up. */
	int32_t code;	 /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 = not run */
	int32_t status;	 /* exit status or signal */
	char result[32]; /* systemd's Result; "timeout" when it was ended */
};

struct transient;

/*
 * done is called once, never from within; it ends at the latest some seconds after
 * timeout_ms, or never when it is endless. Waits for the bus for as long. After a break
 * of the bus it finds its unit again; a command is never started twice. NULL only
 * without memory.
 */
struct transient *
transient_start(struct units *units, const struct transient_options *options,
		void (*done)(void *userdata, const struct transient_outcome *outcome),
		void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* Stops the unit; done is not called. Accepts NULL. */
void transient_cancel(struct transient *transient);

/* It ran, and exited with 0. */
bool transient_succeeded(const struct transient_outcome *outcome)
	__attribute__((nonnull));
