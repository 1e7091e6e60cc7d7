#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/config_set.h"
#include "bus/units.h"
#include "flag/flags.h"
#include "job/manager.h"
#include "server/decision.h"
#include "server/server.h"
#include "server/users.h"

/* What the methods work with: the rooms below, and what belongs to clients. */

#define STATUS_VERIFIED_FRESH_MSEC                                                     \
	2000		       /* status believes the last verification so long */
#define STATUS_VERIFYING_MAX 8 /* at once, for status; more get "unknown" */

struct service;

/* Called once, with every message of the configuration (borrowed). */
typedef void (*reload_done_fn)(struct service *service, uint64_t session_id, bool ok,
			       char *const *messages, size_t n_messages);

struct service {
	uv_loop_t *loop;
	const struct config_current *config;
	struct manager *manager;
	struct units *units;
	struct flags *flags; /* NULL: nothing is watched */
	/* Loads the configuration anew. -EBUSY while one is being loaded. */
	int (*reload)(struct service *service, uint64_t session_id,
		      reload_done_fn done);
	struct server server;
	struct decisions decisions;
	struct users users;
	unsigned int n_verifying; /* verifications under way for status */
	unsigned int n_logs;	  /* journals being read for clients */
	bool stopping;		  /* takes no more jobs */
};
