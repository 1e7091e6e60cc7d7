/*
 * Watches an app's unit and runs its checks until all of them pass or one fails for
 * good. core/health_judge.c judges the unit; this decides when it is read. Before the
 * app is called healthy the unit is read once more: what was told last may be a moment
 * old.
 */
#include "health/health.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bus/unit_watch.h"
#include "core/health_judge.h"
#include "deploy/duration.h"
#include "health/health_attempt.h"
#include "health/oom_count.h"

/* The kernel counts OOM kills without telling: how often the count is read. */
#define OOM_POLL_MSEC 500

#define OUTPUT_SIZE (4 * HEALTH_EVIDENCE_BYTES_MAX + 16)

/* One [health_check]. */
struct checking {
	struct health *health;
	const struct health_check *check;
	struct health_attempt *attempt; /* NULL: none under way */
	uv_timer_t pause;		/* until the next attempt */
	uint64_t began_ms;		/* the last attempt, in the loop's time */
	uint64_t passes;		/* in a row */
	bool passed;
	char message[512]; /* of the last failure, "" = none */
	char output[OUTPUT_SIZE];
};

struct health {
	struct units *units;
	const struct app_config *settings;
	struct unit_watch *watch;
	struct oom_count *oom;
	uv_timer_t deadline, stay, poll;
	unsigned int open_handles;
	struct checking *checks;
	size_t n_checks;
	bool checks_begun;

	bool have_state;
	bool have_baseline;
	uint32_t restarts_before;
	uint64_t active_enter_usec; /* of the activation that has to stay */
	uint64_t stay_ms, deadline_ms;
	bool staying; /* the stay timer runs, or has run out */
	bool stayed;
	bool oneshot;
	bool last_reading; /* healthy, unless this one shows otherwise */

	bool over, cancelled;
	struct health_outcome outcome;
	void (*done)(void *userdata, const struct health_outcome *outcome);
	void *userdata;
};

/* --- the end ------------------------------------------------------------------------
 */

static void on_handle_closed(uv_handle_t *handle)
{
	struct health *health = handle->data;

	if (--health->open_handles > 0)
		return;
	if (!health->cancelled)
		health->done(health->userdata, &health->outcome);
	free(health->checks);
	free(health);
}

/* A check's timer knows its check. */
static void on_pause_closed(uv_handle_t *handle)
{
	struct checking *checking = handle->data;

	handle->data = checking->health;
	on_handle_closed(handle);
}

static void finish(struct health *health)
{
	if (health->over)
		return;
	health->over = true;
	unit_watch_free(health->watch);
	health->watch = NULL;
	oom_count_free(health->oom);
	health->oom = NULL;
	for (size_t i = 0; i < health->n_checks; i++) {
		health_attempt_cancel(health->checks[i].attempt);
		health->checks[i].attempt = NULL;
		uv_close((uv_handle_t *)&health->checks[i].pause, on_pause_closed);
	}
	uv_close((uv_handle_t *)&health->deadline, on_handle_closed);
	uv_close((uv_handle_t *)&health->stay, on_handle_closed);
	uv_close((uv_handle_t *)&health->poll, on_handle_closed);
}

static void failed(struct health *health, const char *why)
{
	if (health->oom) {
		health->outcome.oom_killed = oom_count_kills(health->oom) > 0;
		health->outcome.memory_limit_is_hit =
			oom_count_limit_is_hit(health->oom);
	}
	(void)errinfo_refuse(&health->outcome.error, RESULT_FAILED, "%s", why);
	finish(health);
}

/* --- the unit -----------------------------------------------------------------------
 */

static bool judge(struct health *health)
{
	const struct unit_state *state = &health->outcome.state;
	struct health_facts facts = {
		.unit = health->settings->unit,
		.load_state = state->load_state,
		.active_state = state->active_state,
		.sub_state = state->sub_state,
		.result = state->result,
		.exec_main_code = state->exec_main_code,
		.exec_main_status = state->exec_main_status,
		.n_restarts = state->n_restarts,
		.restarts_before = health->restarts_before,
		.oom_kills = oom_count_kills(health->oom),
		.oneshot = health->oneshot,
	};
	char why[sizeof(health->outcome.error.what)];

	switch (health_judge(&facts, why, sizeof(why))) {
	case HEALTH_VERDICT_ACTIVE:
		return true;
	case HEALTH_VERDICT_WAITING:
		return false;
	case HEALTH_VERDICT_FAILED:
		failed(health, why);
		return false;
	}
	return false;
}

static bool all_passed(const struct health *health)
{
	for (size_t i = 0; i < health->n_checks; i++)
		if (!health->checks[i].passed)
			return false;
	return true;
}

static void maybe_healthy(struct health *health)
{
	if (!health->stayed || !all_passed(health) || health->last_reading)
		return;
	health->last_reading = true;
	unit_watch_refresh(health->watch);
}

static void healthy(struct health *health)
{
	health->outcome.healthy = true;
	if (health->n_checks == 0)
		health->outcome.healthy_mono_usec =
			health->outcome.state.active_enter_mono_usec;
	finish(health);
}

static void on_stay(uv_timer_t *timer)
{
	struct health *health = timer->data;

	health->stayed = true;
	maybe_healthy(health);
}

/* It counts anew for each activation, also one that somebody asked for. */
static void stay(struct health *health)
{
	uint64_t enter = health->outcome.state.active_enter_mono_usec;

	if (health->staying && enter == health->active_enter_usec)
		return;
	health->staying = true;
	health->stayed = false;
	health->last_reading = false;
	health->active_enter_usec = enter;
	uv_update_time(health->stay.loop);
	(void)uv_timer_start(&health->stay, on_stay, health->stay_ms, 0);
}

static void unstay(struct health *health)
{
	health->staying = false;
	health->stayed = false;
	health->last_reading = false;
	(void)uv_timer_stop(&health->stay);
}

static void begin_checks(struct health *health);

static void take_baseline(struct health *health, const struct unit_state *state)
{
	health->have_baseline = true;
	health->restarts_before = state->n_restarts;
}

static void on_changed(void *userdata, const struct unit_state *state)
{
	struct health *health = userdata;
	bool last_reading = health->last_reading;

	health->have_state = true;
	health->outcome.state = *state;
	(void)snprintf(health->outcome.unit_result, sizeof(health->outcome.unit_result),
		       "%s", state->result);
	if (!health->have_baseline)
		take_baseline(health, state);
	/* systemd counts anew from a start that somebody asked for. */
	if (state->n_restarts < health->restarts_before)
		health->restarts_before = state->n_restarts;
	oom_count_refresh(health->oom);
	if (!judge(health)) {
		if (!health->over)
			unstay(health);
		return;
	}
	stay(health);
	if (last_reading && health->last_reading) {
		healthy(health);
		return;
	}
	begin_checks(health);
	maybe_healthy(health);
}

static void on_poll(uv_timer_t *timer)
{
	struct health *health = timer->data;

	oom_count_refresh(health->oom);
	if (health->have_state && oom_count_kills(health->oom) > 0)
		(void)judge(health);
}

/* --- the checks ---------------------------------------------------------------------
 */

static void attempt(struct checking *checking);

static void on_pause(uv_timer_t *timer)
{
	attempt(timer->data);
}

/* The interval is from one begin to the next. */
static void pause_then_attempt(struct checking *checking)
{
	uv_loop_t *loop = checking->pause.loop;
	uint64_t due = checking->began_ms + checking->check->interval_ms, now;

	uv_update_time(loop);
	now = uv_now(loop);
	(void)uv_timer_start(&checking->pause, on_pause, due > now ? due - now : 0, 0);
}

static void check_failed(struct checking *checking, const char *message,
			 const char *evidence)
{
	checking->passes = 0;
	(void)snprintf(checking->message, sizeof(checking->message), "%s", message);
	(void)snprintf(checking->output, sizeof(checking->output), "%s", evidence);
}

static void on_attempted(void *userdata, const struct health_attempt_outcome *outcome)
{
	struct checking *checking = userdata;
	struct health *health = checking->health;

	checking->attempt = NULL;
	if (!outcome->passed) {
		check_failed(checking, outcome->message, outcome->evidence);
	} else if (++checking->passes >= checking->check->successes) {
		checking->passed = true;
		health->outcome.healthy_mono_usec = uv_hrtime() / 1000;
		maybe_healthy(health);
		return;
	}
	pause_then_attempt(checking);
}

static void attempt(struct checking *checking)
{
	struct health *health = checking->health;

	uv_update_time(checking->pause.loop);
	checking->began_ms = uv_now(checking->pause.loop);
	checking->attempt =
		health_attempt_start(health->units, health->settings, checking->check,
				     on_attempted, checking);
	if (!checking->attempt) {
		check_failed(checking, "out of memory", "");
		pause_then_attempt(checking);
	}
}

static void begin_checks(struct health *health)
{
	if (health->checks_begun)
		return;
	health->checks_begun = true;
	for (size_t i = 0; i < health->n_checks; i++)
		attempt(&health->checks[i]);
}

/* --- the deadline -------------------------------------------------------------------
 */

/* One that failed is a better reason than one that has not answered. */
static const struct checking *find_open(const struct health *health)
{
	const struct checking *open = NULL;

	for (size_t i = 0; i < health->n_checks; i++) {
		if (health->checks[i].passed)
			continue;
		if (health->checks[i].message[0] != '\0')
			return &health->checks[i];
		if (!open)
			open = &health->checks[i];
	}
	return open;
}

static void on_deadline(uv_timer_t *timer)
{
	struct health *health = timer->data;
	const struct checking *open = find_open(health);
	const char *unit = health->settings->unit;
	char limit[DURATION_TEXT_SIZE], stay[DURATION_TEXT_SIZE];
	char why[sizeof(health->outcome.error.what)];

	(void)duration_text((int64_t)health->deadline_ms, limit);
	if (!health->have_state || !units_connected(health->units) ||
	    health->last_reading) {
		(void)snprintf(why, sizeof(why),
			       "systemd did not report the state of %s within %s", unit,
			       limit);
	} else if (!health->staying) {
		(void)snprintf(why, sizeof(why),
			       "%s did not become active within %s: it is %s", unit,
			       limit, health->outcome.state.active_state);
	} else if (open) {
		(void)snprintf(why, sizeof(why),
			       "health check '%s' did not pass within %s: %.300s",
			       open->check->name, limit,
			       open->message[0] ? open->message
						: "it has not finished");
		if (open->output[0])
			health->outcome.check_output = open->output;
	} else {
		(void)snprintf(why, sizeof(why),
			       "%s did not stay active for %s within %s", unit,
			       duration_text((int64_t)health->stay_ms, stay), limit);
	}
	failed(health, why);
}

/* --- start --------------------------------------------------------------------------
 */

static void init_timer(struct health *health, uv_timer_t *timer, void *data)
{
	(void)uv_timer_init(units_loop(health->units), timer);
	timer->data = data;
	health->open_handles++;
}

static struct health *health_new(struct units *units,
				 const struct health_options *options)
{
	const struct app_health *config = &options->settings->health;
	struct health *health = calloc(1, sizeof(*health));

	if (!health)
		return NULL;
	health->n_checks = options->checks ? config->n_checks : 0;
	health->checks = calloc(health->n_checks + 1, sizeof(*health->checks));
	if (!health->checks) {
		free(health);
		return NULL;
	}
	health->units = units;
	health->settings = options->settings;
	health->stay_ms = options->stay_ms;
	health->deadline_ms = options->deadline_ms;
	init_timer(health, &health->deadline, health);
	init_timer(health, &health->stay, health);
	init_timer(health, &health->poll, health);
	for (size_t i = 0; i < health->n_checks; i++) {
		health->checks[i].health = health;
		health->checks[i].check = &config->checks[i];
		init_timer(health, &health->checks[i].pause, &health->checks[i]);
	}
	return health;
}

struct health *health_start(struct units *units, const struct health_options *options,
			    void (*done)(void *userdata,
					 const struct health_outcome *outcome),
			    void *userdata)
{
	struct health *health = health_new(units, options);

	assert(options->deadline_ms > 0);
	if (!health)
		return NULL;
	health->done = done;
	health->userdata = userdata;
	if (options->baseline) {
		take_baseline(health, options->baseline);
		/* Its start job was done, and it is inactive: it was there to end. */
		health->oneshot =
			strcmp(options->baseline->active_state, "inactive") == 0 &&
			strcmp(options->baseline->result, "success") == 0;
	}
	uv_update_time(units_loop(units));
	(void)uv_timer_start(&health->deadline, on_deadline, options->deadline_ms, 0);
	(void)uv_timer_start(&health->poll, on_poll, OOM_POLL_MSEC, OOM_POLL_MSEC);
	health->oom =
		oom_count_new(units, options->settings->unit, OOM_COUNT_CGROUP_ROOT);
	health->watch =
		unit_watch_new(units, options->settings->unit, on_changed, health);
	if (!health->oom || !health->watch)
		failed(health, "out of memory");
	return health;
}

void health_cancel(struct health *health)
{
	if (!health)
		return;
	health->cancelled = true;
	finish(health);
}
