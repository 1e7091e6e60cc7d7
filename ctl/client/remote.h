#pragma once

#include <jansson.h>

#include "client/follow.h"
#include "verb.h"

/*
 * -H: the same command by the deployctl of another host, over ssh, as that host's user.
 * What it prints is JSON; it is shown here as if it were ours.
 */

/* A question: *ret_value is what the other deployctl printed. See call_ask(). */
int remote_ask(const struct verb *verb, const struct options *options,
	       json_t **ret_value) __attribute__((warn_unused_result, nonnull));

/* A job: its lines go to follow_item(). archive_fd is ssh's stdin, -1: none. */
int remote_follow(struct follow *follow, const struct verb *verb, int archive_fd)
	__attribute__((warn_unused_result, nonnull));

/* Everything as the other deployctl prints it. */
int remote_pass(const struct verb *verb, const struct options *options)
	__attribute__((warn_unused_result, nonnull));

/*
 * The command line for the other host's shell, quoted; the archive comes on its stdin.
 * NULL without memory. The caller frees.
 */
char *remote_command(const struct verb *verb, const struct options *options,
		     enum json_mode json) __attribute__((nonnull));
