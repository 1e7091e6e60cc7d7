#pragma once

#include "server/service.h"
#include "server/session.h"

/* The interfaces and their methods: here a new method gets its row. */

/* Answers the session's request, now or later; never leaves it without an answer. */
void dispatch_request(struct service *service, struct session *session)
	__attribute__((nonnull));
