/* doctor: what the unit's settings mean for deploys and rollbacks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"
#include "output/span.h"
#include "process/unit_text.h"
#include "setup/tree.h"

#define NOTIFY_RELOAD_VERSION 253
#define START_LIMIT_BURST_MIN 3 /* the deploy, its rollback, and a restart by hand */

static void drop_in(struct findings *findings, const struct app_config *app,
		    const char *section, const char *line)
{
	finding_fix(findings,
		    "mkdir -p /etc/systemd/system/%s.d\n"
		    "printf '[%s]\\n%s\\n' > /etc/systemd/system/%s.d/doctor.conf\n"
		    "systemctl daemon-reload",
		    app->unit, section, line, app->unit);
}

/* False when there is no unit to say anything about. */
static bool check_load(const struct app_config *app, const char *show,
		       struct findings *findings)
{
	if (unit_text_is(show, "LoadState", "masked")) {
		finding_add(findings, "unit-masked",
			    "systemd refuses to start a masked unit, so every deploy "
			    "would be rolled back.");
		finding_what(findings, "%s is masked", app->unit);
		finding_fix(findings, "systemctl unmask %s", app->unit);
		return false;
	}
	if (unit_text_is(show, "LoadState", "not-found")) {
		finding_add(findings, "unit-missing",
			    "deployd restarts the app through its unit; without one "
			    "there is nothing to run.");
		finding_what(findings, "there is no unit %s", app->unit);
		finding_fix(findings,
			    "deployctl generate %s --to /tmp/%s, and copy the unit to "
			    "/etc/systemd/system; or correct service_name in %s",
			    app->app_name, app->app_name, app->file);
		return false;
	}
	if (!unit_text_is(show, "LoadState", "loaded")) {
		finding_add(findings, "unit-broken",
			    "systemd cannot read the unit, and starts nothing.");
		finding_what(findings, "%s cannot be loaded", app->unit);
		finding_fix(findings, "systemd-analyze verify %s", app->unit);
		return false;
	}
	if (unit_text_is(show, "NeedDaemonReload", "yes")) {
		finding_add(findings, "daemon-reload",
			    "the next restart would still use the old text of the "
			    "unit.");
		finding_what(findings, "the file of %s has changed since it was read",
			     app->unit);
		finding_fix(findings, "systemctl daemon-reload");
	}
	return true;
}

static void check_start_limit(const struct app_config *app, const char *show,
			      struct findings *findings)
{
	static const char *const actions[] = {"StartLimitAction", "FailureAction"};
	char value[64], line[128], burst[64];

	for (size_t i = 0; i < 2; i++) {
		if (!unit_text_value(show, actions[i], 0, value, sizeof(value)) ||
		    strcmp(value, "none") == 0)
			continue;
		finding_add(findings, "failure-action",
			    "a release that does not start would take the machine "
			    "down before it can be rolled back.");
		finding_what(findings, "%s has %s=%s", app->unit, actions[i], value);
		(void)snprintf(line, sizeof(line), "%s=none", actions[i]);
		drop_in(findings, app, "Unit", line);
	}
	if (!unit_text_value(show, "StartLimitIntervalUSec", 0, value, sizeof(value)) ||
	    strcmp(value, "0") == 0 ||
	    !unit_text_value(show, "StartLimitBurst", 0, burst, sizeof(burst)) ||
	    strtoul(burst, NULL, 10) == 0 ||
	    strtoul(burst, NULL, 10) >= START_LIMIT_BURST_MIN)
		return;
	finding_add(
		findings, "start-limit",
		"the start of a failed release and its way back are two starts: the "
		"limit would stop the good one too.");
	finding_what(findings, "%s may start only %s time%s in %s", app->unit, burst,
		     strcmp(burst, "1") == 0 ? "" : "s", value);
	drop_in(findings, app, "Unit", "StartLimitBurst=5");
}

/* As systemctl prints it, "1min 30s"; less than a second is nothing here. */
static int64_t seconds_of(const char *text)
{
	int64_t sum = 0, sec;
	char word[64];

	while (*text) {
		size_t length = strcspn(text, " ");

		(void)snprintf(word, sizeof(word), "%.*s", (int)length, text);
		if (span_parse(word, &sec))
			sum += sec;
		text += length;
		text += strspn(text, " ");
	}
	return sum;
}

/* Each command and each signal of a stop may take TimeoutStopSec=. */
static void check_stop(const struct app_config *app, const char *show,
		       struct findings *findings)
{
	char value[64], line[64];
	bool endless;

	(void)unit_text_value(show, "TimeoutStopUSec", 0, value, sizeof(value));
	endless = strcmp(value, "infinity") == 0;
	if (!endless && seconds_of(value) <= (int64_t)app->stop_timeout_sec)
		return;
	finding_add(
		findings, "stop-timeout",
		"deployd kills what has not stopped after stop_timeout_sec, however "
		"long the unit would let it take.");
	finding_what(findings,
		     "%s has TimeoutStopSec=%s, and stop_timeout_sec is %llu s",
		     app->unit, value, (unsigned long long)app->stop_timeout_sec);
	(void)snprintf(line, sizeof(line), "TimeoutStopSec=%llu",
		       (unsigned long long)app->stop_timeout_sec);
	drop_in(findings, app, "Service", line);
}

static void check_service(const struct app_config *app, const struct unit_facts *facts,
			  struct findings *findings)
{
	char value[UNIT_TEXT_MAX];

	(void)unit_text_value(facts->show, "KillMode", 0, value, sizeof(value));
	if (strcmp(value, "process") == 0 || strcmp(value, "none") == 0) {
		finding_add(findings, "kill-mode",
			    "processes of the old release go on running next to the "
			    "new one, and hold its port and files.");
		finding_what(findings, "%s has KillMode=%s", app->unit, value);
		drop_in(findings, app, "Service", "KillMode=mixed");
	}
	unit_text_setting(facts->files, "Type", value, sizeof(value));
	if (strcmp(value, "notify-reload") == 0 && facts->systemd_version > 0 &&
	    facts->systemd_version < NOTIFY_RELOAD_VERSION) {
		finding_add(findings, "notify-reload",
			    "this systemd does not know the type and takes the service "
			    "for a simple one: it is ready before it is.");
		finding_what(findings, "%s has Type=notify-reload, systemd is %u",
			     app->unit, facts->systemd_version);
		drop_in(findings, app, "Service", "Type=notify");
	}
	(void)unit_text_value(facts->show, "Restart", 0, value, sizeof(value));
	if (app->restart_method == RESTART_METHOD_TOUCH && *value &&
	    strcmp(value, "always") != 0 && strcmp(value, "on-success") != 0) {
		finding_add(findings, "touch-restart",
			    "with restart_method = touch the app ends itself with "
			    "status 0, and systemd is to start it again.");
		finding_what(findings, "%s has Restart=%s", app->unit, value);
		drop_in(findings, app, "Service", "Restart=always");
	}
	(void)unit_text_value(facts->show, "User", 0, value, sizeof(value));
	/* One that root runs is told of by itself. */
	if (*value && strcmp(value, app->app_user) != 0 && strcmp(value, "root") != 0 &&
	    strcmp(value, "0") != 0 &&
	    !unit_text_is(facts->show, "DynamicUser", "yes")) {
		finding_add(findings, "user-differs",
			    "releases are readable by app_group, and health checks and "
			    "commands run as app_user.");
		finding_what(findings, "%s runs as %s, and app_user is %s", app->unit,
			     value, app->app_user);
		finding_fix(findings, "app_user = %s in %s, or User=%s in the unit",
			    value, app->file, app->app_user);
	}
}

void check_unit(const struct app_config *app, const struct unit_facts *facts,
		struct findings *findings)
{
	if (!check_load(app, facts->show, findings))
		return;
	check_start_limit(app, facts->show, findings);
	check_service(app, facts, findings);
	check_stop(app, facts->show, findings);
	check_commands(app, facts, findings);
}
