#include "bus/unit_result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/service_result.h"
#include "deploy/names.h"

#define SYSTEMD_ERROR(name) "org.freedesktop.systemd1." name

/* --- what came of it -------------------------------------------------------------- */

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

static bool starts(enum unit_action action)
{
	return action == UNIT_ACTION_RESTART || action == UNIT_ACTION_START;
}

static bool is_active(const struct unit_state *state)
{
	return is(state->active_state, "active") ||
	       is(state->active_state, "reloading");
}

static bool is_down(const struct unit_state *state)
{
	return is(state->active_state, "inactive") || is(state->active_state, "failed");
}

/* Ran to its end, and that is all it is there for. */
static bool has_run(const struct unit_properties *now)
{
	return is(now->service_type, "oneshot") && !now->remain_after_exit &&
	       is(now->state.active_state, "inactive") &&
	       is(now->state.result, "success") && now->condition_result;
}

bool unit_result_is_wanted(enum unit_action action, const struct unit_properties *now)
{
	switch (action) {
	case UNIT_ACTION_RESTART:
	case UNIT_ACTION_START:
		return is(now->state.load_state, "loaded") &&
		       (is_active(&now->state) || has_run(now));
	case UNIT_ACTION_RELOAD:
		return is_active(&now->state);
	case UNIT_ACTION_STOP:
		return is_down(&now->state);
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
	case UNIT_ACTION_REREAD:
		return true; /* the manager's answer told */
	}
	return false;
}

bool unit_result_has_started(const struct unit_properties *before,
			     const struct unit_properties *now)
{
	return now->inactive_exit_mono_usec > before->inactive_exit_mono_usec;
}

bool unit_result_is_verified(enum unit_action action,
			     const struct unit_properties *before,
			     const struct unit_properties *now)
{
	if (!unit_result_is_wanted(action, now))
		return false;
	switch (action) {
	case UNIT_ACTION_RESTART:
		return unit_result_has_started(before, now);
	case UNIT_ACTION_START:
		return is_active(&now->state) || unit_result_has_started(before, now);
	case UNIT_ACTION_STOP:
		return true;
	case UNIT_ACTION_RELOAD:
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
		return false;
	case UNIT_ACTION_REREAD:
		return !now->state.need_daemon_reload;
	}
	return false;
}

bool unit_result_settles(enum unit_action action, const struct unit_properties *now)
{
	return starts(action) && is_active(&now->state) &&
	       (is(now->service_type, "simple") || is(now->service_type, "exec") ||
		is(now->service_type, "idle"));
}

/*
 * A start that systemd refused before it began leaves everything as it was, the Result
 * of the failure before included: that is the start limit, though Result does not say
 * so.
 */
void unit_result_start_limit(enum unit_action action, const char *job_result,
			     const struct unit_properties *before,
			     struct unit_properties *now)
{
	if (action == UNIT_ACTION_START && is(job_result, "failed") &&
	    is(before->state.active_state, "failed") &&
	    is(now->state.active_state, "failed") &&
	    !unit_result_has_started(before, now))
		(void)strcpy(now->state.result, "start-limit-hit");
}

void unit_result_gap(enum unit_action action, const struct unit_properties *before,
		     const struct unit_properties *now, struct unit_outcome *outcome)
{
	uint64_t enter = now->state.active_enter_mono_usec;
	uint64_t exit = now->state.active_exit_mono_usec;

	/* 0 = never active before; unchanged = it was running and went on. */
	if (!starts(action) || exit == 0 || exit > enter ||
	    enter == before->state.active_enter_mono_usec)
		return;
	outcome->have_gap = true;
	outcome->gap_usec = enter - exit;
}

/* --- in words ----------------------------------------------------------------------
 */

static const char *verb_of(enum unit_action action)
{
	switch (action) {
	case UNIT_ACTION_RESTART:
		return "restart";
	case UNIT_ACTION_RELOAD:
		return "reload";
	case UNIT_ACTION_START:
		return "start";
	case UNIT_ACTION_STOP:
		return "stop";
	case UNIT_ACTION_ENABLE:
		return "enable";
	case UNIT_ACTION_DISABLE:
		return "disable";
	case UNIT_ACTION_REREAD:
		return "re-read";
	}
	return "change";
}

static const char *past_of(enum unit_action action)
{
	switch (action) {
	case UNIT_ACTION_RESTART:
		return "restarted";
	case UNIT_ACTION_RELOAD:
		return "reloaded";
	case UNIT_ACTION_START:
		return "started";
	case UNIT_ACTION_STOP:
		return "stopped";
	case UNIT_ACTION_ENABLE:
		return "enabled";
	case UNIT_ACTION_DISABLE:
		return "disabled";
	case UNIT_ACTION_REREAD:
		return "re-read";
	}
	return "changed";
}

static void say(struct unit_outcome *outcome, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct unit_outcome *outcome, const char *fmt, ...)
{
	char text[sizeof(outcome->error.what)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	outcome->result = RESULT_FAILED;
	(void)errinfo_refuse(&outcome->error, RESULT_FAILED, "%s", text);
}

static void say_not_found(const char *unit, struct unit_outcome *outcome)
{
	say(outcome,
	    "systemd has no unit %s: install its unit file and run `systemctl "
	    "daemon-reload`",
	    unit);
}

static void say_masked(const char *unit, struct unit_outcome *outcome)
{
	say(outcome, "%s is masked: an administrator must run `systemctl unmask %s`",
	    unit, unit);
}

static void say_broken_file(const char *unit, struct unit_outcome *outcome)
{
	say(outcome,
	    "systemd cannot load the unit file of %s: `systemd-analyze verify %s` "
	    "shows "
	    "why",
	    unit, unit);
}

/* False: the unit is there. */
static bool say_not_loaded(const char *unit, const char *load_state,
			   struct unit_outcome *outcome)
{
	if (is(load_state, "not-found"))
		say_not_found(unit, outcome);
	else if (is(load_state, "masked"))
		say_masked(unit, outcome);
	else if (is(load_state, "bad-setting") || is(load_state, "error"))
		say_broken_file(unit, outcome);
	else
		return false;
	return true;
}

void unit_result_no_call(enum unit_action action, const char *unit, int error,
			 struct unit_outcome *outcome)
{
	say(outcome, "cannot ask systemd to %s %s: %s", verb_of(action), unit,
	    strerror(-error));
}

void unit_result_refused(enum unit_action action, const char *unit,
			 const sd_bus_error *error, struct unit_outcome *outcome)
{
	const char *name = error->name ? error->name : "";
	const char *verb = verb_of(action);
	char message[256];

	if (is(name, SYSTEMD_ERROR("NoSuchUnit")) ||
	    is(name, SD_BUS_ERROR_FILE_NOT_FOUND)) {
		say_not_found(unit, outcome);
	} else if (is(name, SYSTEMD_ERROR("UnitMasked"))) {
		say_masked(unit, outcome);
	} else if (is(name, SYSTEMD_ERROR("LoadFailed")) ||
		   is(name, SYSTEMD_ERROR("BadUnitSetting"))) {
		say_broken_file(unit, outcome);
	} else if (is(name, SYSTEMD_ERROR("JobTypeNotApplicable")) &&
		   action == UNIT_ACTION_RELOAD) {
		say(outcome,
		    "%s does not support reload: add ExecReload= to its unit, or set "
		    "activate_method = restart",
		    unit);
	} else if (is(name, SYSTEMD_ERROR("OnlyByDependency"))) {
		say(outcome,
		    "%s cannot be %s by hand: its unit file sets RefuseManualStart= or "
		    "RefuseManualStop=",
		    unit, past_of(action));
	} else if (is(name, SYSTEMD_ERROR("TransactionIsDestructive")) ||
		   is(name, SYSTEMD_ERROR("TransactionJobsConflicting"))) {
		say(outcome,
		    "systemd cannot %s %s now: it conflicts with another unit job, see "
		    "`systemctl list-jobs`",
		    verb, unit);
	} else if (is(name, SYSTEMD_ERROR("ShuttingDown"))) {
		say(outcome, "%s was not %s: the system is shutting down", unit,
		    past_of(action));
	} else {
		say(outcome, "systemd refused to %s %s: %s", verb, unit,
		    names_escape(error->message ? error->message : name, message,
				 sizeof(message)));
	}
}

/* Why it is not up, where systemd reports no failure. */
static void describe_state(const struct unit_state *state, char *ret_text, size_t size)
{
	const char *active = state->active_state;

	if (is(state->sub_state, "auto-restart"))
		(void)snprintf(ret_text, size, "its main process ended");
	else if (is_active(state))
		(void)snprintf(ret_text, size,
			       "its main process ended, and another one runs now");
	else if (is(active, "inactive"))
		(void)snprintf(ret_text, size, "its main process ended at once");
	else
		(void)snprintf(ret_text, size, "it is still %s (%s)", active,
			       state->sub_state);
}

static void say_not_started(const char *unit, const struct unit_state *state,
			    struct unit_outcome *outcome)
{
	bool again = is(state->sub_state, "auto-restart");
	char why[256];

	if (service_result_is_success(state->result))
		describe_state(state, why, sizeof(why));
	else
		service_result_text(state->result, state->exec_main_code,
				    state->exec_main_status, why, sizeof(why));
	say(outcome, "%s could not start: %s%s; see `journalctl -u %s`%s", unit, why,
	    again ? ", and systemd is restarting it" : "", unit,
	    state->need_daemon_reload
		    ? "; its unit file has changed, run `systemctl daemon-reload`"
		    : "");
}

static void say_not_stopped(const char *unit, const struct unit_state *state,
			    struct unit_outcome *outcome)
{
	char why[256];

	if (service_result_is_success(state->result))
		(void)snprintf(why, sizeof(why), "it is %s (%s)", state->active_state,
			       state->sub_state);
	else
		service_result_text(state->result, state->exec_main_code,
				    state->exec_main_status, why, sizeof(why));
	say(outcome, "%s did not stop cleanly: %s; see `systemctl status %s`", unit,
	    why, unit);
}

static void say_state(enum unit_action action, const char *unit,
		      const struct unit_properties *properties,
		      struct unit_outcome *outcome)
{
	const struct unit_state *state = &properties->state;

	if (say_not_loaded(unit, state->load_state, outcome))
		return;
	if (is(state->result, "start-limit-hit")) {
		say(outcome,
		    "%s was started too often in a short time (start-limit-hit): "
		    "`journalctl -u %s` shows why it ends, and a restart lifts the "
		    "limit",
		    unit, unit);
		return;
	}
	switch (action) {
	case UNIT_ACTION_RESTART:
	case UNIT_ACTION_START:
		say_not_started(unit, state, outcome);
		break;
	case UNIT_ACTION_STOP:
		say_not_stopped(unit, state, outcome);
		break;
	case UNIT_ACTION_RELOAD:
		say(outcome,
		    "%s was not reloaded: it is %s; see `journalctl -u %s` for its "
		    "ExecReload=",
		    unit, state->active_state, unit);
		break;
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
		say(outcome, "%s was not %s: it is %s", unit, past_of(action),
		    state->unit_file_state);
		break;
	case UNIT_ACTION_REREAD:
		say(outcome,
		    "systemd did not re-read the unit file of %s: run `systemctl "
		    "daemon-reload`",
		    unit);
		break;
	}
}

void unit_result_failed(enum unit_action action, const char *unit,
			const char *job_result,
			const struct unit_properties *properties,
			struct unit_outcome *outcome)
{
	const struct unit_state *state = &properties->state;
	const char *verb = verb_of(action);

	if (!job_result) {
		if (!say_not_loaded(unit, state->load_state, outcome))
			say(outcome,
			    "the result of the %s of %s is unknown, because the "
			    "connection to systemd broke; the unit is %s (%s): "
			    "check it and try again",
			    verb, unit, state->active_state, state->sub_state);
	} else if (is(job_result, "canceled")) {
		say(outcome,
		    "the %s of %s was canceled by another request to systemd; the unit "
		    "is %s, try again",
		    verb, unit, state->active_state);
	} else if (is(job_result, "timeout")) {
		say(outcome,
		    "systemd gave up the %s of %s after the unit's JobTimeoutSec=; see "
		    "`systemctl status %s`",
		    verb, unit, unit);
	} else if (is(job_result, "dependency")) {
		say(outcome,
		    "%s was not %s: a unit that it requires failed; `systemctl "
		    "list-dependencies %s` shows which",
		    unit, past_of(action), unit);
	} else if (is(job_result, "assert")) {
		say(outcome,
		    "%s was not %s: an Assert...= of its unit file was not met, see "
		    "`systemctl status %s`",
		    unit, past_of(action), unit);
	} else if (is(job_result, "invalid") || is(job_result, "skipped")) {
		say(outcome, "%s was not %s: it is %s%s", unit, past_of(action),
		    state->active_state,
		    action == UNIT_ACTION_RELOAD ? "; start it instead" : "");
	} else if (is(job_result, "done") && !properties->condition_result &&
		   is(state->active_state, "inactive")) {
		say(outcome,
		    "%s was not %s: a Condition...= of its unit file was not met, see "
		    "`systemctl status %s`",
		    unit, past_of(action), unit);
	} else {
		say_state(action, unit, properties, outcome);
	}
}

void unit_result_no_install(const char *unit, struct unit_outcome *outcome)
{
	say(outcome,
	    "%s cannot be enabled: its unit file has no [Install] section; add one, "
	    "for "
	    "example with WantedBy=multi-user.target",
	    unit);
}

void unit_result_late(enum unit_action action, const char *unit, uint64_t timeout_ms,
		      bool connected, bool begun, struct unit_outcome *outcome)
{
	const char *verb = verb_of(action);
	unsigned long long sec = (timeout_ms + 999) / 1000;

	if (!connected)
		say(outcome,
		    "no connection to systemd for %llu s, %s: see `systemctl status "
		    "dbus`",
		    sec,
		    begun ? "so the result is unknown"
			  : "so nothing was done to the unit");
	else
		say(outcome,
		    "systemd did not finish the %s of %s within %llu s and is still "
		    "working on it: see `systemctl list-jobs` and `systemctl status "
		    "%s`",
		    verb, unit, sec, unit);
}

void unit_result_step_late(enum unit_action action, const char *unit,
			   enum unit_step step, uint64_t sec,
			   struct unit_outcome *outcome)
{
	const char *old = action == UNIT_ACTION_STOP ? "" : "old ";
	unsigned long long seconds = sec;

	switch (step) {
	case UNIT_STEP_WAITING:
		say(outcome,
		    "systemd did not begin to %s %s within %llu s, and the unit job "
		    "was "
		    "cancelled: another one may block it, see `systemctl list-jobs`",
		    verb_of(action), unit, seconds);
		break;
	case UNIT_STEP_STOPPING:
		say(outcome,
		    "the %sprocess of %s did not stop within %llu s, and SIGKILL did "
		    "not end it: see `systemctl status %s` for the processes that are "
		    "left, and `dmesg` for a disk or mount that does not respond",
		    old, unit, seconds, unit);
		break;
	case UNIT_STEP_STARTING:
		say(outcome,
		    "%s did not finish starting within %llu s (job_timeout_sec): it is "
		    "%s (%s), see `journalctl -u %s`",
		    unit, seconds, outcome->state.active_state,
		    outcome->state.sub_state, unit);
		break;
	}
}
