#pragma once

#include "session/session.h"

/* Reads once from deployd's pipe; at its end the session is an orphan. */
void words_read(struct session *session) __attribute__((nonnull));

/* Acts on the words, until there is none left or the fd of one has not arrived. */
void words_handle(struct session *session) __attribute__((nonnull));
