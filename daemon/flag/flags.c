/*
 * Brings together the flags' watch, the decision, the queue of jobs and the store: the
 * first look at an app's flag, touches and their owner's name, and that what was
 * honoured is stored. Everything that happens only wakes the timer; run_app() is the
 * one place where a restart is submitted.
 */
#include "flag/flags.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "base/store_call.h"
#include "bus/unit_properties.h"
#include "core/job_machine.h"
#include "deploy/names.h"
#include "flag/flag_open.h"
#include "flag/flag_watch.h"

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
	char job[FLAGS_JOB_SIZE];

	struct store_call store;
	struct config_set *store_config; /* while storing */
	struct flag_identity unstored;
	bool have_unstored;
	uint64_t store_at_ms;
};

struct flags {
	struct flags_options options;
	struct flag_watch *watch;
	struct flags_app *apps;
	uv_timer_t timer;
	unsigned int n_pending; /* handles, store calls: outlived by us */
	bool stopping;		/* submits nothing any more */
	bool closing;
	void (*on_closed)(void *userdata);
	void *closed_userdata;
};

static void on_timer(uv_timer_t *timer);

/* Not uv_now(): that is when the loop's turn began, and could be too early. */
static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static struct flags_app *find(const struct flags *flags, const char *name)
{
	for (struct flags_app *app = flags ? flags->apps : NULL; app; app = app->next)
		if (strcmp(app->name, name) == 0)
			return app;
	return NULL;
}

static const struct app_config *settings_of(const struct flags_app *app)
{
	return config_set_app(app->flags->options.config->set, app->name);
}

/* One of those that close waits for has ended. */
static void release(struct flags *flags)
{
	void (*on_closed)(void *userdata) = flags->on_closed;
	void *userdata = flags->closed_userdata;
	struct flags_app *app;

	if (--flags->n_pending > 0)
		return;
	assert(flags->closing);
	while ((app = flags->apps)) {
		flags->apps = app->next;
		free(app);
	}
	free(flags);
	if (on_closed)
		on_closed(userdata);
}

static void wake(struct flags *flags)
{
	if (!flags->closing)
		(void)uv_timer_start(&flags->timer, on_timer, 0, 0);
}

static void store_again(struct flags_app *app);

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
			store_again(app);
	} else {
		journal_log(LOG_WARNING,
			    "%s: cannot store that restart.flag was honoured: %s; "
			    "until that works a start of deployd restarts the unit "
			    "once more",
			    app->name, error->what);
		app->have_unstored = true;
		app->store_at_ms = now_ms() + FLAGS_STORE_MSEC;
	}
	wake(flags);
	release(flags);
}

static json_t *identity_json(const struct flag_identity *identity)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "ino", (json_int_t)identity->ino,
			 "ctime_nsec", (json_int_t)identity->ctime_nsec, "mtime_nsec",
			 (json_int_t)identity->mtime_nsec, "size",
			 (json_int_t)identity->size);
}

static void store_again(struct flags_app *app)
{
	const struct flags_options *options = &app->flags->options;
	struct config_set *config = options->config->set;
	const struct app_config *settings = settings_of(app);

	app->have_unstored = false;
	/* In case the app leaves the configuration and comes back. */
	options->events->honour(options->userdata, app->name, &app->unstored);
	app->store.userdata = app;
	app->store.done = on_stored;
	if (!settings ||
	    store_call_start(&app->store, options->loop, config, settings, "flag",
			     json_pack("{s:o}", "seen", identity_json(&app->unstored)),
			     STORE_TIMEOUT_MSEC) < 0) {
		app->have_unstored = settings != NULL;
		app->store_at_ms = now_ms() + FLAGS_STORE_MSEC;
	} else {
		app->store_config = config_set_ref(config);
		app->flags->n_pending++;
	}
}

static void store(struct flags_app *app, const struct flag_identity *seen)
{
	app->unstored = *seen;
	app->have_unstored = true;
	app->store_at_ms = 0;
	if (!app->store_config)
		store_again(app);
}

/* --- touches -------------------------------------------------------------------- */

/*
 * No file of anybody else's counts, and those are known by name: a directory service
 * that does not answer puts no restart off.
 */
static void name_owner(struct flags_app *app, uid_t owner)
{
	const struct app_config *settings = settings_of(app);
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
	const struct app_config *settings = settings_of(app);

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
	bool first = flag_touched(&app->flag, identity, now_ms());

	if (!first && !app->flag.pending)
		return;
	name_owner(app, owner);
	if (!first)
		return;
	announce(app);
	wake(app->flags);
}

static void skip(struct flags_app *app, const struct flag_identity *identity)
{
	flag_skip(&app->flag, identity);
	store(app, identity);
}

/* --- the first look ------------------------------------------------------------- */

static void on_unit_state(void *userdata, int error, const struct unit_state *state)
{
	struct flags_app *app = userdata;
	bool newer;

	app->query = NULL;
	if (error < 0) {
		app->ask_at_ms = now_ms() + FLAGS_ASK_MSEC;
		wake(app->flags);
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

static void ask(struct flags_app *app)
{
	const struct flags_options *options = &app->flags->options;
	const struct app_config *settings = settings_of(app);

	app->ask_at_ms = now_ms() + FLAGS_ASK_MSEC;
	if (settings)
		app->query =
			units_query(options->units, settings->unit, on_unit_state, app);
}

static void take_first(struct flags_app *app, const struct flag_identity *identity,
		       uid_t owner)
{
	const struct flags_options *options = &app->flags->options;
	const struct app_config *settings = settings_of(app);
	struct flag_identity seen;

	app->start = FLAGS_START_DONE;
	if (options->events->honoured(options->userdata, app->name, &seen))
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
		ask(app);
	}
}

static void take_found(struct flags_app *app, const struct flag_identity *identity,
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

/* --- what the watch tells ------------------------------------------------------- */

static void on_found(void *userdata, const char *name,
		     const struct flag_identity *identity, uid_t owner)
{
	struct flags_app *app = find(userdata, name);

	if (app && app->wanted)
		take_found(app, identity, owner);
}

static void on_trouble(void *userdata, const char *name, const char *text)
{
	const struct flags_app *app = find(userdata, name);
	const struct app_config *settings = app ? settings_of(app) : NULL;
	struct journal_context context = {.app = name,
					  .unit = settings ? settings->unit : NULL,
					  .uid = -1,
					  .pid = -1};

	if (text)
		journal_event(JOURNAL_FLAG_TROUBLE, LOG_WARNING, &context,
			      "%s: touches may be seen late or never: %s", name, text);
	else
		journal_event(JOURNAL_FLAG_TROUBLE, LOG_NOTICE, &context,
			      "%s: restart.flag is watched again", name);
}

/* --- what is due ---------------------------------------------------------------- */

static void submit(struct flags_app *app)
{
	const struct flags_options *options = &app->flags->options;
	const struct app_config *settings = settings_of(app);
	struct errinfo error = {0};

	if (!settings)
		return;
	if (options->events->submit(options->userdata, settings, app->owner, app->user,
				    app->job, &error) != RESULT_OK) {
		app->job[0] = '\0';
		flag_refused(&app->flag, now_ms());
		if (!app->refused)
			journal_log(LOG_WARNING, "%s: the restart by touch waits: %s",
				    app->name, error.what);
		app->refused = true;
		return;
	}
	app->refused = false;
	flag_submitted(&app->flag);
	options->events->run(options->userdata);
}

static void earlier(uint64_t *next_ms, uint64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

static void run_app(struct flags_app *app, uint64_t *next_ms)
{
	uint64_t now = now_ms(), at_ms;
	enum flag_verdict verdict;

	if (app->have_unstored && !app->store_config) {
		if (app->store_at_ms <= now)
			store_again(app);
		else
			earlier(next_ms, app->store_at_ms);
	}
	if (!app->wanted)
		return;
	if (app->start == FLAGS_START_ASKS && !app->query) {
		if (app->ask_at_ms <= now)
			ask(app);
		if (!app->query)
			earlier(next_ms, app->ask_at_ms);
	}
	if (app->start != FLAGS_START_DONE)
		return;
	verdict = flag_next(&app->flag, now, &at_ms);
	if (verdict == FLAG_VERDICT_RESTART) {
		submit(app);
		verdict = flag_next(&app->flag, now, &at_ms);
	}
	if (verdict == FLAG_VERDICT_WAIT)
		earlier(next_ms, at_ms);
}

static void sweep(struct flags *flags)
{
	struct flags_app **slot = &flags->apps;

	while (*slot) {
		struct flags_app *app = *slot;

		if (app->wanted || app->store_config) {
			slot = &app->next;
		} else {
			*slot = app->next;
			free(app);
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct flags *flags = timer->data;
	uint64_t next_ms = UINT64_MAX, now;

	if (flags->stopping)
		return;
	sweep(flags);
	for (struct flags_app *app = flags->apps; app; app = app->next)
		run_app(app, &next_ms);
	if (next_ms == UINT64_MAX || uv_is_active((uv_handle_t *)timer))
		return;
	now = now_ms();
	uv_update_time(flags->options.loop);
	(void)uv_timer_start(timer, on_timer, next_ms > now ? next_ms - now : 0, 0);
}

/* --- for the others ------------------------------------------------------------- */

void flags_job_began(struct flags *flags, const char *name, const char *job)
{
	struct flags_app *app = find(flags, name);
	struct flag_identity identity;
	uid_t owner;
	int r;

	if (!app || strcmp(app->job, job) != 0)
		return;
	r = flag_watch_look(flags->watch, app->name, &identity, &owner);
	flag_began(&app->flag, r < 0 ? NULL : &identity, now_ms());
}

void flags_job_ended(struct flags *flags, const char *name, const char *job)
{
	struct flags_app *app = find(flags, name);
	struct flag_identity seen;

	if (!app)
		return;
	if (strcmp(app->job, job) == 0) {
		app->job[0] = '\0';
		if (flag_ended(&app->flag, now_ms(), &seen))
			store(app, &seen);
	} else {
		flag_retry(&app->flag);
	}
	wake(flags);
}

void flags_stop(struct flags *flags)
{
	if (flags)
		flags->stopping = true;
}

const char *flags_status(const struct flags *flags, const char *app)
{
	if (!flags || flags->closing)
		return NULL;
	return find(flags, app) ? flag_watch_trouble(flags->watch, app) : NULL;
}

static struct flag_limits limits_of(const struct app_config *settings)
{
	return (struct flag_limits){
		.debounce_ms = settings->flag_debounce_ms,
		.burst = settings->flag_burst > 0 ? settings->flag_burst : 1,
		.interval_ms = settings->flag_interval_sec * 1000};
}

static struct flags_app *add_app(struct flags *flags, const struct app_config *settings)
{
	struct flags_app *app = calloc(1, sizeof(*app));

	if (!app)
		return NULL;
	app->flags = flags;
	(void)snprintf(app->name, sizeof(app->name), "%s", settings->app_name);
	app->next = flags->apps;
	flags->apps = app;
	return app;
}

static void want(struct flags *flags, const struct app_config *settings)
{
	struct flags_app *app = find(flags, settings->app_name);
	struct flag_limits limits = limits_of(settings);
	bool idle = !app || !app->wanted || app->flag.restart == FLAG_RESTART_NONE;
	int r = 0;

	assert(flags);
	if (!app)
		app = add_app(flags, settings);
	if (!app) {
		r = -ENOMEM;
	} else {
		bool moved = app->wanted && strcmp(app->dir, settings->flags_dir) != 0;

		if (!app->wanted || (moved && idle && !app->flag.pending)) {
			app->start = FLAGS_START_UNKNOWN;
			flag_init(&app->flag, &limits, NULL);
			app->moved = moved;
		}
		flag_set_limits(&app->flag, &limits);
		app->wanted = true;
		(void)snprintf(app->dir, sizeof(app->dir), "%s", settings->flags_dir);
		r = flag_watch_set(flags->watch, app->name, settings->flags_dir,
				   settings->deploy_uid, settings->app_uid);
	}
	if (r < 0)
		journal_log(LOG_ERR, "%s: cannot watch '%s': %s", settings->app_name,
			    settings->flags_dir, strerror(-r));
}

static bool is_wanted(const struct flags *flags, const char *name)
{
	const struct app_config *settings =
		config_set_app(flags->options.config->set, name);

	return settings && settings->restart_method == RESTART_METHOD_SYSTEMD_FLAG;
}

static void leave(struct flags_app *app)
{
	app->wanted = false;
	app->have_unstored = false;
	app->job[0] = '\0';
	unit_query_cancel(app->query);
	app->query = NULL;
	flag_watch_remove(app->flags->watch, app->name);
}

void flags_take_config(struct flags *flags)
{
	const struct config_set *config;

	if (!flags || flags->closing)
		return;
	config = flags->options.config->set;
	for (struct flags_app *app = flags->apps; app; app = app->next)
		if (app->wanted && !is_wanted(flags, app->name))
			leave(app);
	for (size_t i = 0; i < config->n_apps; i++)
		if (is_wanted(flags, config->apps[i]->app_name))
			want(flags, config->apps[i]);
	wake(flags);
}

int flags_new(const struct flags_options *options, struct flags **ret_flags)
{
	static const struct flag_watch_callbacks callbacks = {on_found, on_trouble};
	struct flags *flags = calloc(1, sizeof(*flags));
	int r;

	if (!flags)
		return -ENOMEM;
	flags->options = *options;
	r = flag_watch_new(options->loop, &callbacks, flags, &flags->watch);
	if (r < 0) {
		free(flags);
		return r;
	}
	(void)uv_timer_init(options->loop, &flags->timer); /* never fails */
	flags->timer.data = flags;
	flags->n_pending = 2; /* the watch and the timer */
	*ret_flags = flags;
	return 0;
}

static void on_watch_closed(void *userdata)
{
	release(userdata);
}

static void on_timer_closed(uv_handle_t *handle)
{
	release(handle->data);
}

void flags_close(struct flags *flags, void (*on_closed)(void *userdata), void *userdata)
{
	if (!flags || flags->closing)
		return;
	flags->closing = true;
	flags->on_closed = on_closed;
	flags->closed_userdata = userdata;
	for (struct flags_app *app = flags->apps; app; app = app->next) {
		unit_query_cancel(app->query);
		app->query = NULL;
	}
	flag_watch_close(flags->watch, on_watch_closed, flags);
	uv_close((uv_handle_t *)&flags->timer, on_timer_closed);
}
