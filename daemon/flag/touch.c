#include "flag/touch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "build_config.h"
#include "bus/unit_watch.h"
#include "deploy/limits.h"

struct touch {
	struct units *units;
	uv_loop_t *loop;
	const struct app_config *settings;
	unit_done_fn done;
	void *userdata;
	struct unit_watch *watch;
	struct unit_job *op; /* when the app does not do it by itself */
	struct child child;
	uv_timer_t deadline;
	struct unit_state before;
	bool have_before;
	bool child_runs;
	bool touched;
	bool over;
	bool timer_closed;
	struct unit_outcome outcome;
};

static void leave(struct touch *touch)
{
	if (!touch->over || touch->child_runs || !touch->timer_closed)
		return;
	touch->done(touch->userdata, &touch->outcome);
	free(touch);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct touch *touch = handle->data;

	touch->timer_closed = true;
	leave(touch);
}

/* touch->outcome is set. */
static void finish(struct touch *touch)
{
	if (touch->over)
		return;
	touch->over = true;
	unit_watch_free(touch->watch);
	touch->watch = NULL;
	if (touch->op)
		unit_job_cancel(touch->op);
	touch->op = NULL;
	if (touch->child_runs)
		child_kill(&touch->child);
	uv_close((uv_handle_t *)&touch->deadline, on_timer_closed);
}

static void fail(struct touch *touch, const char *what)
{
	touch->outcome.result = RESULT_FAILED;
	(void)errinfo_refuse(&touch->outcome.error, RESULT_FAILED, "unit %s: %s",
			     touch->settings->unit, what);
	finish(touch);
}

static void on_deadline(uv_timer_t *timer)
{
	struct touch *touch = timer->data;
	char what[160];

	(void)snprintf(
		what, sizeof(what),
		"no new process within %llu s of the touch of restart.flag; does "
		"the app watch it? (touch_timeout_sec)",
		(unsigned long long)touch->settings->touch_timeout_sec);
	fail(touch, what);
}

static void on_unit_done(void *userdata, const struct unit_outcome *outcome)
{
	struct touch *touch = userdata;

	touch->op = NULL;
	touch->outcome = *outcome;
	finish(touch);
}

static void act(struct touch *touch, enum unit_action action)
{
	if (touch->op)
		return;
	touch->op =
		units_act(touch->units, action, touch->settings->unit,
			  touch->settings->job_timeout_sec * 1000, on_unit_done, touch);
	if (!touch->op)
		fail(touch, "out of memory");
}

static void on_child_done(struct child *child)
{
	struct touch *touch = child->userdata;
	const json_t *reply = NULL;
	struct errinfo error = {0};
	enum deploy_result result = child_outcome(child, &reply, &error);

	child_deinit(child);
	touch->child_runs = false;
	if (touch->over) {
		leave(touch);
		return;
	}
	if (result != RESULT_OK) {
		fail(touch, error.what);
		return;
	}
	touch->touched = true;
	unit_watch_refresh(touch->watch);
}

static void start_helper(struct touch *touch)
{
	const struct app_config *settings = touch->settings;
	char dir[sizeof("--dir=") + APP_DIR_MAX], uid[32], gid[32];
	const char *argv[] = {DEPLOYD_LIBEXECDIR "/deployd-touch", dir, uid, gid, NULL};
	struct child_options options = {.argv = argv,
					.fd0 = -1,
					.fd1 = -1,
					.timeout_ms = TOUCH_HELPER_TIMEOUT_MSEC};

	(void)snprintf(dir, sizeof(dir), "--dir=%s", settings->flags_dir);
	(void)snprintf(uid, sizeof(uid), "--uid=%u",
		       (unsigned int)settings->deploy_uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u",
		       (unsigned int)settings->deploy_gid);
	touch->child.userdata = touch;
	touch->child.on_done = on_child_done;
	touch->child_runs = child_start(&touch->child, touch->loop, &options) == 0;
	if (!touch->child_runs)
		fail(touch, "cannot start deployd-touch");
}

static bool is_active(const struct unit_state *state)
{
	return strcmp(state->active_state, "active") == 0;
}

/* Another process than before, whoever started it. */
static bool is_back(const struct touch *touch, const struct unit_state *state)
{
	return is_active(state) && state->main_pid != 0 &&
	       (state->main_pid != touch->before.main_pid ||
		state->active_enter_mono_usec != touch->before.active_enter_mono_usec);
}

static void succeed(struct touch *touch, const struct unit_state *state)
{
	struct unit_outcome *outcome = &touch->outcome;

	*outcome = (struct unit_outcome){.result = RESULT_OK, .state = *state};
	outcome->have_gap =
		state->active_exit_mono_usec != 0 &&
		state->active_enter_mono_usec > state->active_exit_mono_usec;
	if (outcome->have_gap)
		outcome->gap_usec =
			state->active_enter_mono_usec - state->active_exit_mono_usec;
	finish(touch);
}

static void on_changed(void *userdata, const struct unit_state *state)
{
	struct touch *touch = userdata;
	bool down = strcmp(state->active_state, "inactive") == 0 ||
		    strcmp(state->active_state, "failed") == 0;

	touch->outcome.state = *state;
	if (!touch->have_before) {
		touch->have_before = true;
		touch->before = *state;
		if (is_active(state))
			start_helper(touch);
		else
			act(touch, UNIT_ACTION_RESTART); /* nobody is there to see it */
		return;
	}
	if (touch->op)
		return;
	if (touch->touched && is_back(touch, state))
		succeed(touch, state);
	else if (touch->touched && down)
		act(touch, UNIT_ACTION_START); /* Restart=no: it stopped for good */
}

struct touch *touch_start(struct units *units, uv_loop_t *loop,
			  const struct app_config *settings, unit_done_fn done,
			  void *userdata)
{
	struct touch *touch = calloc(1, sizeof(*touch));

	if (!touch)
		return NULL;
	touch->units = units;
	touch->loop = loop;
	touch->settings = settings;
	touch->done = done;
	touch->userdata = userdata;
	touch->watch = unit_watch_new(units, settings->unit, on_changed, touch);
	if (!touch->watch) {
		free(touch);
		return NULL;
	}
	touch->deadline.data = touch;
	(void)uv_timer_init(loop, &touch->deadline); /* never fails, uv_timer_init(3) */
	uv_update_time(loop);
	(void)uv_timer_start(&touch->deadline, on_deadline,
			     settings->touch_timeout_sec * 1000, 0);
	return touch;
}
