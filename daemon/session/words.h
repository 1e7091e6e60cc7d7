#pragma once

#include "session/session.h"

/* Reads once from deployd's pipe; at its end the session is an orphan. */
void words_read(struct session *session) __attribute__((nonnull));

/* Does what the words say, until one is missing, or the fd of one. */
void words_handle(struct session *session) __attribute__((nonnull));
