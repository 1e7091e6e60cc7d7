#include "job/confirm.h"

#include <string.h>
#include <time.h>

#include "base/config_set.h"
#include "daemon.h"

/* One that settles the matter, or that is what the confirmation is about. */
static bool is_an_answer(const struct job *job)
{
	switch (job->machine.kind) {
	case JOB_KIND_DEPLOY:
	case JOB_KIND_ACTIVATE:
		return job->running; /* one that waits will be refused */
	case JOB_KIND_ROLLBACK:
	case JOB_KIND_CONFIRM:
	case JOB_KIND_RECOVER:
	case JOB_KIND_REVERT:
		return true;
	case JOB_KIND_STAGE:
	case JOB_KIND_RESTART:
	case JOB_KIND_RELOAD:
	case JOB_KIND_START:
	case JOB_KIND_STOP:
	case JOB_KIND_ENABLE:
	case JOB_KIND_DISABLE:
	case JOB_KIND_FLAG:
	case JOB_KIND_HOLD:
	case JOB_KIND_UNHOLD:
	case JOB_KIND_COUNT:
		return false;
	}
	return false;
}

static bool awaits_answer(const struct manager *manager, const struct app *app)
{
	for (const struct job *o = manager->jobs; o; o = o->next)
		if (o->app == app && is_an_answer(o))
			return true;
	return false;
}

static uint64_t boottime_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * The deadline on disk is of a clock that may be set at any time: it is looked at once,
 * and believed no further than the time that there was to confirm.
 */
static uint64_t due_ms(struct app *app, const json_t *pending)
{
	int64_t deadline =
		(int64_t)json_integer_value(json_object_get(pending, "deadline_sec"));
	const char *at = json_string_value(json_object_get(app->view, "activated_at"));
	int64_t since = at ? names_rfc3339_parse(at) : 0;
	int64_t left = deadline - (int64_t)time(NULL);

	if (app->confirm.deadline_sec == deadline)
		return app->confirm.due_ms;
	if (since > 0 && since < deadline && left > deadline - since)
		left = deadline - since;
	app->confirm.deadline_sec = deadline;
	app->confirm.due_ms = boottime_ms() + (left > 0 ? (uint64_t)left * 1000 : 0);
	return app->confirm.due_ms;
}

/* Milliseconds until the app must be looked at again. */
static uint64_t look_at(struct confirm *confirm, struct app *app)
{
	struct daemon *daemon = confirm->daemon;
	const json_t *pending = manager_confirm(app);
	const struct app_config *settings = config_set_app(daemon->config, app->name);
	uint64_t now = uv_now(daemon->loop), boottime = boottime_ms(), due;

	if (!pending || !settings)
		return CONFIRM_CHECK_MSEC_MAX; /* the end of a job looks again */
	due = due_ms(app, pending);
	if (due > boottime)
		return due - boottime;
	if (awaits_answer(&daemon->manager, app))
		return CONFIRM_CHECK_MSEC_MAX;
	if (app->reverted_mono_ms == 0 ||
	    now - app->reverted_mono_ms >= CONFIRM_RETRY_MSEC) {
		app->reverted_mono_ms = now;
		manager_revert_unconfirmed(app, settings);
	}
	return CONFIRM_RETRY_MSEC;
}

static void on_timer(uv_timer_t *timer)
{
	confirm_update(timer->data);
}

void confirm_update(struct confirm *confirm)
{
	struct daemon *daemon = confirm->daemon;
	uint64_t next = CONFIRM_CHECK_MSEC_MAX;

	if (daemon->stopping || !daemon->ready ||
	    uv_is_closing((uv_handle_t *)&confirm->timer))
		return;
	for (struct app *app = daemon->manager.apps; app; app = app->next) {
		uint64_t wait = look_at(confirm, app);

		if (wait < next)
			next = wait;
	}
	(void)uv_timer_start(&confirm->timer, on_timer, next, 0);
}

int confirm_init(struct confirm *confirm, struct daemon *daemon)
{
	confirm->daemon = daemon;
	confirm->timer.data = confirm;
	return uv_timer_init(daemon->loop, &confirm->timer);
}

void confirm_close(struct confirm *confirm)
{
	if (!uv_is_closing((uv_handle_t *)&confirm->timer))
		uv_close((uv_handle_t *)&confirm->timer, NULL);
}
