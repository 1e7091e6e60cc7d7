#pragma once

/*
 * org.varlink.certification, for builds with DEPLOYD_CERTIFICATION only: Varlink
 * clients that are not ours check with it how we speak. A client runs through it on one
 * connection.
 */

struct session;

/* The interface's text. */
extern const char certification_interface[];

/* Answers a call of the interface. */
void certification_dispatch(struct session *session) __attribute__((nonnull));
