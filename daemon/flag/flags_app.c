/*
 * What happens to one app's flag: the first look, touches and their owner's name, and
 * that what was honoured is stored.
 */
#include "flag/flags_app.h"

#include <stdio.h>
#include <string.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "daemon.h"

/* --- what was seen -------------------------------------------------------------- */

static void on_stored(struct store_call *call, enum deploy_result result,
		      const json_t *reply, const struct errinfo *error)
{
	struct flags_app *app = call->userdata;
	struct flags *flags = app->flags;

	(void)reply; /* its view may be older than one that came before it */
	config_set_unref(app->store_config);
	app->store_config = NULL;
	if (result == RESULT_OK) {
		if (app->have_unstored)
			flags_app_store_again(app);
	} else {
		journal_log(LOG_WARNING,
			    "%s: cannot store that restart.flag was honoured: %s; "
			    "until that works a start of deployd restarts the unit "
			    "once more",
			    app->name, error->what);
		app->have_unstored = true;
		app->store_at_ms = flags_now_ms() + FLAGS_STORE_MSEC;
	}
	flags_wake(flags);
	flags_release(flags);
}

static json_t *identity_json(const struct flag_identity *identity)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "ino", (json_int_t)identity->ino,
			 "ctime_nsec", (json_int_t)identity->ctime_nsec, "mtime_nsec",
			 (json_int_t)identity->mtime_nsec, "size",
			 (json_int_t)identity->size);
}

static bool stored_identity(const struct flags_app *app,
			    struct flag_identity *ret_identity)
{
	const struct app *known = manager_app(&app->flags->daemon->manager, app->name);
	const json_t *flag = known ? json_object_get(known->view, "flag") : NULL;
	json_int_t ino, ctime_nsec, mtime_nsec, size;

	if (json_unpack((json_t *)flag, "{s:I, s:I, s:I, s:I}", "ino", &ino,
			"ctime_nsec", &ctime_nsec, "mtime_nsec", &mtime_nsec, "size",
			&size) < 0)
		return false;
	*ret_identity = (struct flag_identity){.ino = (uint64_t)ino,
					       .ctime_nsec = ctime_nsec,
					       .mtime_nsec = mtime_nsec,
					       .size = size};
	return true;
}

void flags_app_store_again(struct flags_app *app)
{
	struct daemon *daemon = app->flags->daemon;
	const struct app_config *settings = flags_app_settings(app);
	struct app *known = manager_app(&daemon->manager, app->name);
	json_t *seen = identity_json(&app->unstored);

	app->have_unstored = false;
	/* In case the app leaves the configuration and comes back. */
	if (known && known->view)
		(void)json_object_set(known->view, "flag", seen);
	app->store.userdata = app;
	app->store.done = on_stored;
	if (!settings ||
	    store_call_start(&app->store, daemon->loop, daemon->config, settings,
			     "flag", json_pack("{s:O}", "seen", seen),
			     STORE_TIMEOUT_MSEC) < 0) {
		app->have_unstored = settings != NULL;
		app->store_at_ms = flags_now_ms() + FLAGS_STORE_MSEC;
	} else {
		app->store_config = config_set_ref(daemon->config);
		app->flags->n_pending++;
	}
	json_decref(seen);
}

void flags_app_store(struct flags_app *app, const struct flag_identity *seen)
{
	app->unstored = *seen;
	app->have_unstored = true;
	app->store_at_ms = 0;
	if (!app->store_config)
		flags_app_store_again(app);
}

/* --- touches -------------------------------------------------------------------- */

/*
 * No file of anybody else's counts, and those are known by name: a directory service
 * that does not answer puts no restart off.
 */
static void name_owner(struct flags_app *app, uid_t owner)
{
	const struct app_config *settings = flags_app_settings(app);
	const char *name = NULL;

	app->owner = owner;
	if (owner == 0)
		name = "root";
	else if (settings && owner == settings->deploy_uid)
		name = settings->deploy_user;
	else if (settings && owner == settings->app_uid)
		name = settings->app_user;
	if (name)
		(void)names_escape(name, app->user, sizeof(app->user));
	else
		(void)snprintf(app->user, sizeof(app->user), "uid:%u",
			       (unsigned int)owner);
}

static void announce(const struct flags_app *app)
{
	const struct app_config *settings = flags_app_settings(app);

	journal_event(
		JOURNAL_FLAG_TOUCHED, LOG_NOTICE,
		&(struct journal_context){.app = app->name,
					  .unit = settings ? settings->unit : NULL,
					  .kind = job_kind_name(JOB_KIND_FLAG),
					  .uid = app->owner,
					  .user = app->user,
					  .pid = -1},
		"%s: restart.flag of %s was touched: the unit is restarted", app->name,
		app->user);
}

static void take_touch(struct flags_app *app, const struct flag_identity *identity,
		       uid_t owner)
{
	bool first = flag_touched(&app->flag, identity, flags_now_ms());

	if (!first && !app->flag.pending)
		return;
	name_owner(app, owner);
	if (!first)
		return;
	announce(app);
	flags_wake(app->flags);
}

static void skip(struct flags_app *app, const struct flag_identity *identity)
{
	flag_skip(&app->flag, identity);
	flags_app_store(app, identity);
}

/* --- the first look ------------------------------------------------------------- */

static void on_unit_state(void *userdata, int error, const struct unit_state *state)
{
	struct flags_app *app = userdata;
	bool newer;

	app->query = NULL;
	if (error < 0) {
		app->ask_at_ms = flags_now_ms() + FLAGS_ASK_MSEC;
		flags_wake(app->flags);
		return;
	}
	app->start = FLAGS_START_DONE;
	/* A unit that does not run is not to be started by a flag of long ago. */
	newer = strcmp(state->active_state, "active") == 0 &&
		app->first.ctime_nsec / 1000 > (int64_t)state->active_enter_usec;
	if (newer || app->touched_meanwhile)
		take_touch(app, &app->first, app->first_owner);
	else
		skip(app, &app->first);
}

void flags_app_ask(struct flags_app *app)
{
	struct daemon *daemon = app->flags->daemon;
	const struct app_config *settings = flags_app_settings(app);

	app->ask_at_ms = flags_now_ms() + FLAGS_ASK_MSEC;
	if (settings && daemon->units)
		app->query =
			units_query(daemon->units, settings->unit, on_unit_state, app);
}

static void take_first(struct flags_app *app, const struct flag_identity *identity,
		       uid_t owner)
{
	const struct app_config *settings = flags_app_settings(app);
	struct flag_identity seen;

	app->start = FLAGS_START_DONE;
	if (stored_identity(app, &seen))
		flag_skip(&app->flag, &seen);
	if (!identity || !settings)
		return;
	if (app->moved || settings->flag_on_start == FLAG_ON_START_IGNORE) {
		skip(app, identity);
	} else if (app->flag.have_seen) {
		take_touch(app, identity, owner);
	} else {
		app->start = FLAGS_START_ASKS;
		app->first = *identity;
		app->first_owner = owner;
		app->touched_meanwhile = false;
		flags_app_ask(app);
	}
}

void flags_app_found(struct flags_app *app, const struct flag_identity *identity,
		     uid_t owner)
{
	switch (app->start) {
	case FLAGS_START_UNKNOWN:
		take_first(app, identity, owner);
		break;
	case FLAGS_START_ASKS:
		if (!identity || flag_identity_equal(identity, &app->first))
			break;
		app->touched_meanwhile = true;
		app->first = *identity;
		app->first_owner = owner;
		break;
	case FLAGS_START_DONE:
		if (identity)
			take_touch(app, identity, owner);
		break;
	}
	app->moved = false;
}
