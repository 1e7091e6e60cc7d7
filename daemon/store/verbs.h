#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"
#include "store/protocol.h"

struct store;

/*
 * int verb_NAME(store, request, reply, ei) for each verb of the protocol: adds its
 * members to reply. The request has been checked. If a verb sets "view" it is left as
 * it is, else main.c adds it.
 */
#define VERB(name, asked, answered)                                                    \
	int verb_##name(struct store *store, json_t *request, json_t *reply,           \
			struct errinfo *ei)                                            \
		__attribute__((warn_unused_result, nonnull));
STORE_VERBS(VERB)
#undef VERB
