/*
 * What systemd says of a unit, in words for somebody who did not start the unit
 * himself: what is the matter, and what to do about it. Pure; nothing here asks or
 * waits.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bus/unit_request.h"
#include "bus/units.h"
#include "deploy/names.h"

#define SYSTEMD_ERROR(name) "org.freedesktop.systemd1." name

/* Exit statuses that the service manager sets for a program it could not start. */
static const struct {
	int status;
	const char *text;
} exec_failures[] = {
	{200, "its WorkingDirectory= cannot be entered"},
	{203, "the program of its ExecStart= cannot be executed: is it in the release, "
	      "executable, and its interpreter here?"},
	{216, "its Group= cannot be used"},
	{217, "its User= cannot be used"},
	{226, "its sandbox cannot be set up: do all its ReadWritePaths= exist?"},
	{233, "its RuntimeDirectory= cannot be made"},
	{238, "its StateDirectory= cannot be made"},
	{243, "its credentials cannot be read"},
};

const char *unit_words_verb(enum unit_action action)
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

const char *unit_words_past(enum unit_action action)
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
	    "systemd knows no unit %s: install its unit file and run `systemctl "
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
	    "systemd cannot use the unit file of %s: `systemd-analyze verify %s` shows "
	    "why",
	    unit, unit);
}

/* False: the unit is there. */
static bool say_not_loaded(const char *unit, const char *load_state,
			   struct unit_outcome *outcome)
{
	if (strcmp(load_state, "not-found") == 0)
		say_not_found(unit, outcome);
	else if (strcmp(load_state, "masked") == 0)
		say_masked(unit, outcome);
	else if (strcmp(load_state, "bad-setting") == 0 ||
		 strcmp(load_state, "error") == 0)
		say_broken_file(unit, outcome);
	else
		return false;
	return true;
}

void unit_words_no_call(enum unit_action action, const char *unit, int error,
			struct unit_outcome *outcome)
{
	say(outcome, "cannot ask systemd to %s %s: %s", unit_words_verb(action), unit,
	    strerror(-error));
}

void unit_words_refused(enum unit_action action, const char *unit,
			const sd_bus_error *error, struct unit_outcome *outcome)
{
	const char *name = error->name ? error->name : "";
	const char *verb = unit_words_verb(action);
	char message[256];

	if (strcmp(name, SYSTEMD_ERROR("NoSuchUnit")) == 0 ||
	    strcmp(name, SD_BUS_ERROR_FILE_NOT_FOUND) == 0) {
		say_not_found(unit, outcome);
	} else if (strcmp(name, SYSTEMD_ERROR("UnitMasked")) == 0) {
		say_masked(unit, outcome);
	} else if (strcmp(name, SYSTEMD_ERROR("LoadFailed")) == 0 ||
		   strcmp(name, SYSTEMD_ERROR("BadUnitSetting")) == 0) {
		say_broken_file(unit, outcome);
	} else if (strcmp(name, SYSTEMD_ERROR("JobTypeNotApplicable")) == 0 &&
		   action == UNIT_ACTION_RELOAD) {
		say(outcome,
		    "%s cannot be reloaded: give it an ExecReload=, or set "
		    "activate_method = restart",
		    unit);
	} else if (strcmp(name, SYSTEMD_ERROR("OnlyByDependency")) == 0) {
		say(outcome,
		    "%s may not be %s by hand: its unit file has RefuseManualStart= or "
		    "RefuseManualStop=",
		    unit, unit_words_past(action));
	} else if (strcmp(name, SYSTEMD_ERROR("TransactionIsDestructive")) == 0 ||
		   strcmp(name, SYSTEMD_ERROR("TransactionJobsConflicting")) == 0) {
		say(outcome,
		    "systemd will not %s %s now: another job stands against it, see "
		    "`systemctl list-jobs`",
		    verb, unit);
	} else if (strcmp(name, SYSTEMD_ERROR("ShuttingDown")) == 0) {
		say(outcome, "%s was not %s: the machine is shutting down", unit,
		    unit_words_past(action));
	} else {
		say(outcome, "systemd refused to %s %s: %s", verb, unit,
		    names_escape(error->message ? error->message : name, message,
				 sizeof(message)));
	}
}

/* Why its processes ended, as the unit's Result tells it. */
static void describe_result(const struct unit_state *state, char *ret, size_t size)
{
	const char *result = state->result;
	const char *signal_text;
	int status = state->exec_main_status;

	if (strcmp(result, "exit-code") == 0 && status == 0) {
		(void)snprintf(ret, size,
			       "one of its commands failed, as ExecStartPre=");
	} else if (strcmp(result, "exit-code") == 0) {
		(void)snprintf(ret, size, "its main process ended with exit status %d",
			       status);
		for (size_t i = 0; i < sizeof(exec_failures) / sizeof(*exec_failures);
		     i++)
			if (exec_failures[i].status == status)
				(void)snprintf(ret, size, "%s (exit status %d)",
					       exec_failures[i].text, status);
	} else if (strcmp(result, "signal") == 0 || strcmp(result, "core-dump") == 0) {
		signal_text = sigdescr_np(status);
		(void)snprintf(ret, size, "its main process died: signal %d (%s)",
			       status, signal_text ? signal_text : "unknown");
	} else if (strcmp(result, "timeout") == 0) {
		(void)snprintf(ret, size,
			       "it was not ready (or not gone) in time, see its "
			       "TimeoutStartSec= and TimeoutStopSec=");
	} else if (strcmp(result, "protocol") == 0) {
		(void)snprintf(ret, size,
			       "it ended, or took another way, before it said that it "
			       "was ready (Type= of its unit)");
	} else if (strcmp(result, "oom-kill") == 0) {
		(void)snprintf(ret, size,
			       "it was killed for want of memory, see its MemoryMax=");
	} else if (strcmp(result, "watchdog") == 0) {
		(void)snprintf(ret, size,
			       "it gave its watchdog no sign of life (WatchdogSec=)");
	} else if (strcmp(result, "resources") == 0) {
		(void)snprintf(ret, size,
			       "systemd could not set it up; a file that its unit "
			       "names may be missing (EnvironmentFile=)");
	} else if (result[0] == '\0' || strcmp(result, "success") == 0) {
		(void)snprintf(ret, size, "it is %s (%s)", state->active_state,
			       state->sub_state);
	} else {
		(void)snprintf(ret, size, "%s", result);
	}
}

static void say_state(enum unit_action action, const char *unit,
		      const struct unit_properties *properties,
		      struct unit_outcome *outcome)
{
	const struct unit_state *state = &properties->state;
	bool again = strcmp(state->sub_state, "auto-restart") == 0;
	char why[256];

	if (say_not_loaded(unit, state->load_state, outcome))
		return;
	if (strcmp(state->result, "start-limit-hit") == 0) {
		say(outcome,
		    "%s was started too often in a short time (start-limit-hit): "
		    "`journalctl -u %s` tells why it ends; a restart lifts the limit",
		    unit, unit);
		return;
	}
	describe_result(state, why, sizeof(why));
	switch (action) {
	case UNIT_ACTION_RESTART:
	case UNIT_ACTION_START:
		say(outcome, "%s did not come up: %s%s; see `journalctl -u %s`%s", unit,
		    why, again ? ", and systemd is trying it again" : "", unit,
		    state->need_daemon_reload
			    ? "; its unit file has changed, `systemctl daemon-reload` "
			      "makes systemd read it"
			    : "");
		break;
	case UNIT_ACTION_STOP:
		say(outcome,
		    "%s did not stop as it should: %s; see `systemctl status %s`", unit,
		    why, unit);
		break;
	case UNIT_ACTION_RELOAD:
		say(outcome,
		    "%s was not reloaded (it is %s): see `journalctl -u %s` for its "
		    "ExecReload=",
		    unit, state->active_state, unit);
		break;
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
		say(outcome, "%s was not %s: it is %s", unit, unit_words_past(action),
		    state->unit_file_state);
		break;
	case UNIT_ACTION_REREAD:
		say(outcome, "%s was not re-read: run `systemctl daemon-reload`", unit);
		break;
	}
}

void unit_words_failed(enum unit_action action, const char *unit,
		       const char *job_result, const struct unit_properties *properties,
		       struct unit_outcome *outcome)
{
	const struct unit_state *state = &properties->state;
	const char *verb = unit_words_verb(action);

	if (!job_result) {
		if (!say_not_loaded(unit, state->load_state, outcome))
			say(outcome,
			    "how the %s of %s ended is not known: the connection to "
			    "systemd broke; the unit is %s (%s), check it and try "
			    "again",
			    verb, unit, state->active_state, state->sub_state);
	} else if (strcmp(job_result, "canceled") == 0) {
		say(outcome,
		    "the %s of %s was canceled: somebody asked systemd for something "
		    "else meanwhile; the unit is %s, try again",
		    verb, unit, state->active_state);
	} else if (strcmp(job_result, "timeout") == 0) {
		say(outcome,
		    "systemd gave up the %s of %s: it took longer than JobTimeoutSec= "
		    "of the unit; see `systemctl status %s`",
		    verb, unit, unit);
	} else if (strcmp(job_result, "dependency") == 0) {
		say(outcome,
		    "%s was not %s: a unit that it requires failed, `systemctl "
		    "list-dependencies %s` shows which",
		    unit, unit_words_past(action), unit);
	} else if (strcmp(job_result, "assert") == 0) {
		say(outcome,
		    "%s was not %s: an Assert...= of its unit file is not met, see "
		    "`systemctl status %s`",
		    unit, unit_words_past(action), unit);
	} else if (strcmp(job_result, "invalid") == 0 ||
		   strcmp(job_result, "skipped") == 0) {
		say(outcome, "%s was not %s: it is %s%s", unit, unit_words_past(action),
		    state->active_state,
		    action == UNIT_ACTION_RELOAD ? "; start it instead" : "");
	} else if (strcmp(job_result, "done") == 0 && !properties->condition_result &&
		   strcmp(state->active_state, "inactive") == 0) {
		say(outcome,
		    "%s was not %s: a Condition...= of its unit file is not met, see "
		    "`systemctl status %s`",
		    unit, unit_words_past(action), unit);
	} else {
		say_state(action, unit, properties, outcome);
	}
}

void unit_words_no_install(const char *unit, struct unit_outcome *outcome)
{
	say(outcome,
	    "%s cannot be enabled: its unit file has no [Install] section; add one, as "
	    "WantedBy=multi-user.target",
	    unit);
}

void unit_words_late(enum unit_action action, const char *unit, uint64_t timeout_ms,
		     bool connected, bool begun, struct unit_outcome *outcome)
{
	const char *verb = unit_words_verb(action);
	unsigned long long sec = (timeout_ms + 999) / 1000;

	if (!connected)
		say(outcome,
		    "no connection to systemd over the bus for %llu s, %s: see "
		    "`systemctl status dbus`",
		    sec,
		    begun ? "so how it went is not known"
			  : "so nothing was done to the unit");
	else
		say(outcome,
		    "systemd has not finished the %s of %s after %llu s; it goes on, "
		    "see `systemctl list-jobs` and `systemctl status %s`",
		    verb, unit, sec, unit);
}

void unit_words_step_late(enum unit_action action, const char *unit,
			  enum unit_step step, uint64_t sec,
			  struct unit_outcome *outcome)
{
	const char *old = action == UNIT_ACTION_STOP ? "" : "old ";
	unsigned long long seconds = sec;

	switch (step) {
	case UNIT_STEP_WAITING:
		say(outcome,
		    "systemd has not begun to %s %s within %llu s: another job may "
		    "stand before it, see `systemctl list-jobs`; the job was cancelled",
		    unit_words_verb(action), unit, seconds);
		break;
	case UNIT_STEP_STOPPING:
		say(outcome,
		    "the %sprocess of %s did not stop within %llu s, and SIGKILL did "
		    "not end it: see `systemctl status %s` for what is left of it and "
		    "`dmesg` for a disk or mount that does not answer",
		    old, unit, seconds, unit);
		break;
	case UNIT_STEP_STARTING:
		say(outcome,
		    "%s was not up %llu s after its start began (job_timeout_sec): it "
		    "is %s (%s), see `journalctl -u %s`",
		    unit, seconds, outcome->state.active_state,
		    outcome->state.sub_state, unit);
		break;
	}
}
