/*
 * Brings together the flags' watch, the decision, the queue of jobs and the
 * store. Everything that happens only wakes the timer; run_app() is the one place where
 * a restart is submitted.
 */
#include "flag/flags.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "daemon.h"
#include "flag/flag_watch.h"
#include "flag/flags_app.h"

uint64_t flags_now_ms(void)
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

const struct app_config *flags_app_settings(const struct flags_app *app)
{
	return config_set_app(app->flags->daemon->config, app->name);
}

/* One of those that close waits for has ended. */
void flags_release(struct flags *flags)
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

/* --- what the watch tells ------------------------------------------------------- */

static void on_found(void *userdata, const char *name,
		     const struct flag_identity *identity, uid_t owner)
{
	struct flags_app *app = find(userdata, name);

	if (app && app->wanted)
		flags_app_found(app, identity, owner);
}

static void on_trouble(void *userdata, const char *name, const char *text)
{
	const struct flags_app *app = find(userdata, name);
	const struct app_config *settings = app ? flags_app_settings(app) : NULL;
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
	struct manager *manager = &app->flags->daemon->manager;
	const struct app_config *settings = flags_app_settings(app);
	struct job_request request = {
		.kind = JOB_KIND_FLAG, .uid = app->owner, .user = app->user};
	struct job *job = NULL;
	struct errinfo error = {0};

	if (!settings)
		return;
	if (manager_submit(manager, manager->daemon->config, settings, &request, 0,
			   &job, &error) != RESULT_OK) {
		flag_refused(&app->flag, flags_now_ms());
		if (!app->refused)
			journal_log(LOG_WARNING, "%s: the restart by touch waits: %s",
				    app->name, error.what);
		app->refused = true;
		return;
	}
	app->refused = false;
	flag_submitted(&app->flag);
	(void)memcpy(app->job, job->id, sizeof(app->job));
	manager_run(manager);
}

static void earlier(uint64_t *next_ms, uint64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

static void run_app(struct flags_app *app, uint64_t *next_ms)
{
	uint64_t now = flags_now_ms(), at_ms;
	enum flag_verdict verdict;

	if (app->have_unstored && !app->store_config) {
		if (app->store_at_ms <= now)
			flags_app_store_again(app);
		else
			earlier(next_ms, app->store_at_ms);
	}
	if (!app->wanted)
		return;
	if (app->start == FLAGS_START_ASKS && !app->query) {
		if (app->ask_at_ms <= now)
			flags_app_ask(app);
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

	if (flags->daemon->stopping)
		return;
	sweep(flags);
	for (struct flags_app *app = flags->apps; app; app = app->next)
		run_app(app, &next_ms);
	if (next_ms == UINT64_MAX || uv_is_active((uv_handle_t *)timer))
		return;
	now = flags_now_ms();
	uv_update_time(flags->daemon->loop);
	(void)uv_timer_start(timer, on_timer, next_ms > now ? next_ms - now : 0, 0);
}

void flags_wake(struct flags *flags)
{
	if (!flags->closing)
		(void)uv_timer_start(&flags->timer, on_timer, 0, 0);
}

/* --- for the others ------------------------------------------------------------- */

void flags_job_began(struct flags *flags, const struct job *job)
{
	struct flags_app *app = find(flags, job->settings->app_name);
	struct flag_identity identity;
	uid_t owner;
	int r;

	if (!app || strcmp(app->job, job->id) != 0)
		return;
	r = flag_watch_look(flags->watch, app->name, &identity, &owner);
	flag_began(&app->flag, r < 0 ? NULL : &identity, flags_now_ms());
}

void flags_job_ended(struct flags *flags, const struct job *job)
{
	struct flags_app *app = find(flags, job->settings->app_name);
	struct flag_identity seen;

	if (!app)
		return;
	if (strcmp(app->job, job->id) == 0) {
		app->job[0] = '\0';
		if (flag_ended(&app->flag, flags_now_ms(), &seen))
			flags_app_store(app, &seen);
	} else {
		flag_retry(&app->flag);
	}
	flags_wake(flags);
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
	const struct app_config *settings = config_set_app(flags->daemon->config, name);

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
	config = flags->daemon->config;
	for (struct flags_app *app = flags->apps; app; app = app->next)
		if (app->wanted && !is_wanted(flags, app->name))
			leave(app);
	for (size_t i = 0; i < config->n_apps; i++)
		if (is_wanted(flags, config->apps[i]->app_name))
			want(flags, config->apps[i]);
	flags_wake(flags);
}

int flags_new(struct daemon *daemon, struct flags **ret_flags)
{
	static const struct flag_watch_callbacks callbacks = {on_found, on_trouble};
	struct flags *flags = calloc(1, sizeof(*flags));
	int r;

	if (!flags)
		return -ENOMEM;
	flags->daemon = daemon;
	r = flag_watch_new(daemon->loop, &callbacks, flags, &flags->watch);
	if (r < 0) {
		free(flags);
		return r;
	}
	(void)uv_timer_init(daemon->loop, &flags->timer); /* never fails */
	flags->timer.data = flags;
	flags->n_pending = 2; /* the watch and the timer */
	*ret_flags = flags;
	return 0;
}

static void on_watch_closed(void *userdata)
{
	flags_release(userdata);
}

static void on_timer_closed(uv_handle_t *handle)
{
	flags_release(handle->data);
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
