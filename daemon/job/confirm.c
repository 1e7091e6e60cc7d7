#include "job/confirm.h"

#include <time.h>

#include "core/resume.h"

static bool awaits_answer(const struct manager *manager, const struct app *app)
{
	for (const struct job *o = manager->jobs; o; o = o->next)
		if (o->app == app &&
		    resume_answers_confirm(o->machine.kind, o->running))
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
 * The deadline on disk is of a clock that may be set at any time: it is read once, and
 * believed no further than the time that there was to confirm.
 */
static uint64_t due_ms(struct app *app, const struct app_confirm *pending)
{
	const char *at = app->view->activated_at;
	int64_t left;

	if (app->confirm.deadline_sec == pending->deadline_sec)
		return app->confirm.due_ms;
	left = resume_confirm_left_sec(pending->deadline_sec,
				       at ? names_rfc3339_parse(at) : 0,
				       (int64_t)time(NULL));
	app->confirm.deadline_sec = pending->deadline_sec;
	app->confirm.due_ms = boottime_ms() + (uint64_t)left * 1000;
	return app->confirm.due_ms;
}

/* Goes back if it is due; returns the milliseconds until the app is due again. */
static uint64_t check(struct confirm *confirm, struct app *app)
{
	struct recovery *recovery = confirm->recovery;
	const struct app_confirm *pending = app_view_confirm(app->view);
	const struct app_config *settings =
		config_set_app(recovery->config->set, app->name);
	uint64_t now = uv_now(confirm->timer.loop), boottime = boottime_ms(), due;

	if (!pending || !settings)
		return CONFIRM_CHECK_MSEC_MAX; /* the end of a job checks again */
	due = due_ms(app, pending);
	if (due > boottime)
		return due - boottime;
	if (awaits_answer(recovery->manager, app))
		return CONFIRM_CHECK_MSEC_MAX;
	if (app->confirm.tried_mono_ms == 0 ||
	    now - app->confirm.tried_mono_ms >= CONFIRM_RETRY_MSEC) {
		app->confirm.tried_mono_ms = now;
		recovery_revert_unconfirmed(recovery, app, settings);
	}
	return CONFIRM_RETRY_MSEC;
}

static void on_timer(uv_timer_t *timer)
{
	confirm_update(timer->data);
}

void confirm_update(struct confirm *confirm)
{
	struct manager *manager = confirm->recovery->manager;
	uint64_t next = CONFIRM_CHECK_MSEC_MAX;

	if (manager->stopping || !confirm->enabled ||
	    uv_is_closing((uv_handle_t *)&confirm->timer))
		return;
	for (struct app *app = manager->apps; app; app = app->next) {
		uint64_t wait = check(confirm, app);

		if (wait < next)
			next = wait;
	}
	(void)uv_timer_start(&confirm->timer, on_timer, next, 0);
}

void confirm_enable(struct confirm *confirm)
{
	confirm->enabled = true;
	confirm_update(confirm);
}

int confirm_init(struct confirm *confirm, uv_loop_t *loop, struct recovery *recovery)
{
	confirm->recovery = recovery;
	confirm->enabled = false;
	confirm->timer.data = confirm;
	return uv_timer_init(loop, &confirm->timer);
}

void confirm_close(struct confirm *confirm)
{
	if (!uv_is_closing((uv_handle_t *)&confirm->timer))
		uv_close((uv_handle_t *)&confirm->timer, NULL);
}
