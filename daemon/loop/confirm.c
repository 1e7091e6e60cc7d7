#include "loop/confirm.h"

#include <string.h>
#include <time.h>

#include "loop/config_set.h"
#include "loop/daemon.h"

static bool has_operation(const struct manager *manager, const struct app *app)
{
	for (const struct operation *o = manager->operations; o; o = o->next)
		if (o->app == app)
			return true;
	return false;
}

/* With nothing to go back to the unit was stopped and the release found bad: the end.
 */
static bool is_settled(const struct app *app, const json_t *confirm)
{
	const char *release = json_string_value(json_object_get(confirm, "release"));
	const char *state = release ? manager_release_state(app, release) : NULL;

	return !json_is_string(json_object_get(confirm, "from")) && state &&
	       strcmp(state, "bad") == 0;
}

/* Milliseconds until the app must be looked at again. */
static uint64_t look_at(struct confirm *confirm, struct app *app)
{
	struct daemon *daemon = confirm->daemon;
	const json_t *pending = manager_confirm(app);
	const struct app_config *settings = config_set_app(daemon->config, app->name);
	json_int_t left_sec;
	uint64_t now = uv_now(daemon->loop);

	if (!pending || !settings || is_settled(app, pending) ||
	    has_operation(&daemon->manager, app))
		return CONFIRM_CHECK_MSEC_MAX; /* the end of an operation looks again */
	left_sec = json_integer_value(json_object_get(pending, "deadline_sec")) -
		   (json_int_t)time(NULL);
	if (left_sec > 0)
		return (uint64_t)left_sec * 1000;
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
