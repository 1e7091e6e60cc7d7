#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "deploy/errinfo.h"
#include "options.h"
#include "output/progress.h"

/* Runs a job and shows how it goes until it ends, or until the user leaves. */

struct follow {
	const struct options *options;
	struct progress progress;
	const char *app;    /* NULL: not known yet (attach) */
	char job[64];	    /* "": not known yet */
	bool feeds_archive; /* its bytes come through us or our pipe */
	bool done;	    /* the result was shown */
	bool host_lost;	    /* nobody over there can have told it */
	int status;	    /* then the exit status */
};

/* Also makes ^C, TERM and HUP end the waits of follow_mask(). */
void follow_init(struct follow *follow, const struct options *options)
	__attribute__((nonnull));

/*
 * Shows one line of the stream: {"type": "progress"|"result", ...} in snake_case, from
 * deployd or from another host.
 */
void follow_item(struct follow *follow, const json_t *item) __attribute__((nonnull));

/*
 * The host of -H gives no result: tells why, and that a job which is known goes on.
 */
void follow_lost_host(struct follow *follow, const struct errinfo *error)
	__attribute__((nonnull));

/*
 * Calls the method and follows. Takes the reference on parameters; archive_fd stays the
 * caller's, -1: none. Returns the exit status; does not return after a signal.
 */
int follow_call(struct follow *follow, const char *method, json_t *parameters,
		int archive_fd) __attribute__((nonnull(1, 2)));

/* A signal has come: says what becomes of the job and dies of it. Else it returns. */
void follow_leave_if_told(struct follow *follow) __attribute__((nonnull));

/* The signals that interrupt a wait: for ppoll(2). */
const sigset_t *follow_mask(void);
