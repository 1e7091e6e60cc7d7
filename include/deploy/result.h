#pragma once

/*
 * How a request ended. The names go over the wire and into --json; the exit status is
 * deployctl's. People script against both: never renumber, never rename.
 */
enum deploy_result {
	RESULT_OK,
	RESULT_FAILED,
	RESULT_USAGE,
	RESULT_DENIED,
	RESULT_NOT_FOUND, /* no such app or release, nothing to roll back to */
	RESULT_BAD_CONFIG,
	RESULT_NO_DAEMON,
	RESULT_REJECTED, /* archive refused */
	RESULT_BUSY,	 /* queue full or held */
	RESULT_HOOK_FAILED,
	RESULT_ROLLED_BACK,
	RESULT_ROLLBACK_FAILED,
	RESULT_CANCELLED,
	RESULT_TIMED_OUT, /* the client stopped waiting, the job goes on */
	RESULT_IF_CURRENT,
	RESULT_NO_SPACE,
	RESULT_MACHINE, /* neither the release nor the request is at fault */
	RESULT_COUNT
};

/* "ok", "failed", "denied", ... Never NULL. */
const char *result_name(enum deploy_result result);

/* deployctl's exit status for the result, 0-18. */
int result_exit_status(enum deploy_result result);

/* The result of that name; RESULT_COUNT when there is none. */
enum deploy_result result_from_name(const char *name) __attribute__((nonnull));

/* "io.deployd.Denied" and so on: the Varlink error of a result; NULL for RESULT_OK. */
const char *result_error_name(enum deploy_result result);

/* The result of a Varlink error name, RESULT_FAILED for one not ours. */
enum deploy_result result_from_error_name(const char *error) __attribute__((nonnull));
