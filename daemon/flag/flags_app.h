#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/store_call.h"
#include "core/flag.h"
#include "deploy/names.h"
#include "flag/flag_open.h"
#include "flag/flags.h"
#include "job/job.h"

/* For flags*.c: one app whose flag is watched. */

enum flags_start {
	FLAGS_START_UNKNOWN, /* nobody has looked yet */
	FLAGS_START_ASKS, /* nothing is stored: is the flag newer than the unit's start?
			   */
	FLAGS_START_DONE
};

struct flags_app {
	struct flags_app *next;
	struct flags *flags;
	char name[APP_NAME_MAX + 1];
	char dir[FLAG_PATH_MAX];
	bool wanted;  /* by the configuration */
	bool moved;   /* to another directory: what lies there is no touch */
	bool refused; /* said so in the journal */

	enum flags_start start;
	struct unit_query *query;
	uint64_t ask_at_ms;
	bool touched_meanwhile;
	struct flag_identity first; /* while asking */
	uid_t first_owner;

	struct flag flag;
	uid_t owner;
	char user[64];
	char job[JOB_ID_SIZE];

	struct store_call store;
	struct config_set *store_config; /* while storing */
	struct flag_identity unstored;
	bool have_unstored;
	uint64_t store_at_ms;
};

struct flags {
	struct daemon *daemon;
	struct flag_watch *watch;
	struct flags_app *apps;
	uv_timer_t timer;
	unsigned int n_pending; /* handles, store calls: outlived by us */
	bool closing;
	void (*on_closed)(void *userdata);
	void *closed_userdata;
};

/* Not uv_now(): that is when the loop's turn began, and could be too early. */
uint64_t flags_now_ms(void);

/* Something became due. */
void flags_wake(struct flags *flags) __attribute__((nonnull));

/* One of n_pending has ended: frees flags when it was the last. */
void flags_release(struct flags *flags) __attribute__((nonnull));

/* NULL when the configuration has no such app. */
const struct app_config *flags_app_settings(const struct flags_app *app)
	__attribute__((nonnull));

/* A look at the flag; NULL: there is none. */
void flags_app_found(struct flags_app *app, const struct flag_identity *identity,
		     uid_t owner) __attribute__((nonnull(1)));

/* The unit's state is asked for again. */
void flags_app_ask(struct flags_app *app) __attribute__((nonnull));

/* What was honoured is made durable, now or when it can be. */
void flags_app_store(struct flags_app *app, const struct flag_identity *seen)
	__attribute__((nonnull));
void flags_app_store_again(struct flags_app *app) __attribute__((nonnull));
