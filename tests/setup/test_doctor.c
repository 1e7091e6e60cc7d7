/* What doctor makes of a unit's text, of paths, of the app's file; the order of adopt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/adopt_order.h"
#include "doctor/doctor.h"
#include "doctor/path.h"
#include "process/unit_text.h"

static struct app_config *parse(const char *text)
{
	struct config_text one = {"hello.conf", text, strlen(text)};
	struct diag diag = {0};
	struct app_config *app = app_config_parse("hello", &one, 1, &diag);

	for (size_t i = 0; i < diag.n_messages; i++)
		print_message("%s\n", diag.messages[i]);
	diag_deinit(&diag);
	assert_non_null(app);
	return app;
}

static const char good[] =
	"LoadState=loaded\nNeedDaemonReload=no\nUser=hello\n"
	"WorkingDirectory=/srv/hello/current\nRestart=always\nKillMode=control-group\n"
	"TimeoutStopUSec=1min 30s\n"
	"StartLimitIntervalUSec=10s\nStartLimitBurst=5\nStartLimitAction=none\n"
	"FailureAction=none\nEnvironmentFiles=/etc/deployd-none (ignore_errors=yes)\n"
	"ExecStartEx={ path=/srv/hello/current/bin/hello ; "
	"argv[]=/srv/hello/current/bin/hello start ; flags= ; start_time=[n/a] }\n";

/*
 * The findings for a unit like the good one, but for these lines: a line of a name that
 * the good one has stands in its place. with NULL: none.
 */
static struct findings examine(const char *config, const char *with, const char *files)
{
	struct app_config *app = parse(config);
	struct unit_facts facts = {.systemd_version = 252};
	struct findings findings = {0};

	(void)snprintf(facts.show, sizeof(facts.show), "%s\n%s", with ? with : "",
		       good);
	(void)snprintf(facts.files, sizeof(facts.files), "%s", files);
	check_unit(app, &facts, &findings);
	app_config_free(app);
	return findings;
}

#define PLAIN "[users]\ndeploy_user = deploy\n"

static void assert_only(struct findings findings, const char *id, const char *what,
			const char *fix)
{
	for (size_t i = 0; i < findings.n; i++)
		print_message("%s: %s\n", findings.list[i].id, findings.list[i].what);
	assert_int_equal(findings.n, id ? 1 : 0);
	if (id) {
		assert_string_equal(findings.list[0].id, id);
		assert_non_null(strstr(findings.list[0].what, what));
		assert_non_null(strstr(findings.list[0].fix, fix));
		assert_int_equal(findings.list[0].why[strlen(findings.list[0].why) - 1],
				 '.');
	}
	findings_deinit(&findings);
}

static void a_good_unit_has_no_findings(void **state)
{
	(void)state;
	assert_only(examine(PLAIN, NULL, "[Service]\nType=notify\n"), NULL, "", "");
	assert_only(examine(PLAIN, NULL, ""), NULL, "", "");
}

static void a_unit_that_cannot_be_used(void **state)
{
	(void)state;
	assert_only(examine(PLAIN, "LoadState=masked", ""), "unit-masked", "masked",
		    "systemctl unmask hello.service");
	assert_only(examine(PLAIN, "LoadState=not-found", ""), "unit-missing",
		    "hello.service", "deployctl generate hello");
	assert_only(examine(PLAIN, "LoadState=bad-setting", ""), "unit-broken",
		    "cannot be loaded", "systemd-analyze verify hello.service");
	assert_only(examine(PLAIN, "NeedDaemonReload=yes", ""), "daemon-reload",
		    "has changed", "daemon-reload");
}

static void settings_that_defeat_a_rollback(void **state)
{
	(void)state;
	assert_only(examine(PLAIN, "StartLimitBurst=2", ""), "start-limit",
		    "only 2 times in 10s", "StartLimitBurst=5");
	assert_only(examine(PLAIN, "StartLimitBurst=2\nStartLimitIntervalUSec=0", ""),
		    NULL, "", "");
	assert_only(examine(PLAIN, "StartLimitBurst=3", ""), NULL, "", "");
	assert_only(examine(PLAIN, "StartLimitAction=reboot-force", ""),
		    "failure-action", "StartLimitAction=reboot-force",
		    "StartLimitAction=none");
	assert_only(examine(PLAIN, "KillMode=process", ""), "kill-mode", "process",
		    "KillMode=");
	assert_only(examine(PLAIN, "KillMode=none", ""), "kill-mode", "none",
		    "KillMode=");
	assert_only(examine(PLAIN, "KillMode=mixed", ""), NULL, "", "");
	assert_only(examine(PLAIN, "TimeoutStopUSec=infinity", ""), "stop-timeout",
		    "TimeoutStopSec=infinity", "TimeoutStopSec=600");
	assert_only(examine(PLAIN, "TimeoutStopUSec=10min 1s", ""), "stop-timeout",
		    "stop_timeout_sec is 600 s", "TimeoutStopSec=600");
	assert_only(examine(PLAIN, "TimeoutStopUSec=10min", ""), NULL, "", "");
	assert_only(examine(PLAIN "[restart]\nstop_timeout_sec = 5s\n",
			    "TimeoutStopUSec=1min 30s 500ms", ""),
		    "stop-timeout", "1min 30s", "TimeoutStopSec=5");
	assert_only(examine(PLAIN, NULL, "[Service]\nType = notify-reload\n"),
		    "notify-reload", "systemd is 252", "Type=notify");
	assert_only(examine(PLAIN, NULL,
			    "[Service]\nType=notify-reload\n# b.conf\n[Service]\n"
			    "Type=notify\n"),
		    NULL, "", "");
	assert_only(examine(PLAIN, "User=other", ""), "user-differs", "other",
		    "app_user = other");
}

static void touch_needs_a_unit_that_comes_back(void **state)
{
	static const char touch[] = PLAIN "[restart]\nrestart_method = touch\n";

	(void)state;
	assert_only(examine(touch, NULL, ""), NULL, "", "");
	assert_only(examine(touch, "Restart=no", ""), "touch-restart", "Restart=no",
		    "Restart=always");
	assert_only(examine(touch, "Restart=on-failure", ""), "touch-restart",
		    "on-failure", "Restart=always");
	assert_only(examine(PLAIN, "Restart=no", ""), NULL, "", "");
}

static void what_does_not_go_through_current(void **state)
{
	(void)state;
	assert_only(examine(PLAIN, "WorkingDirectory=/srv/hello/releases/1", ""),
		    "not-through-current", "WorkingDirectory=/srv/hello/releases/1",
		    "WorkingDirectory=/srv/hello/current");
	assert_only(examine(PLAIN, "WorkingDirectory=", ""), NULL, "", "");
	assert_only(examine(PLAIN, "WorkingDirectory=/srv/hello/current-old", ""),
		    "not-through-current", "current-old", "/srv/hello/current");
	assert_only(examine(PLAIN,
			    "ExecStartEx={ path=/srv/hello/releases/1/bin/hello ; "
			    "argv[]=/srv/hello/releases/1/bin/hello ; flags= ; }",
			    ""),
		    "not-through-current", "ExecStart=/srv/hello/releases/1/bin/hello",
		    "/srv/hello/current/...");
	/* An interpreter that is told by its argument, or its directory, or not at all.
	 */
	assert_only(examine(PLAIN,
			    "WorkingDirectory=\nExecStartEx={ path=/usr/bin/node ; "
			    "argv[]=/usr/bin/node /srv/hello/current/server.js ; "
			    "flags= ; }",
			    ""),
		    NULL, "", "");
	assert_only(examine(PLAIN,
			    "ExecStartEx={ path=/usr/bin/node ; "
			    "argv[]=/usr/bin/node server.js ; flags= ; }",
			    ""),
		    NULL, "", "");
	assert_only(examine(PLAIN,
			    "WorkingDirectory=/\nExecStartEx={ path=/usr/bin/node ; "
			    "argv[]=/usr/bin/node /opt/server.js ; flags= ; }",
			    ""),
		    "not-through-current", "ExecStart=/usr/bin/node", "current");
	assert_only(examine(PLAIN,
			    "RootDirectory=/srv/hello/current\nWorkingDirectory=/\n"
			    "ExecStartEx={ path=/bin/hello ; argv[]=/bin/hello ; }",
			    ""),
		    NULL, "", "");
}

static void commands_of_root_that_come_with_a_release(void **state)
{
	static const char *const flags[] = {"privileged", "no-setuid", "ambient",
					    "ignore-failure privileged"};
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		(void)snprintf(line, sizeof(line),
			       "ExecStartPreEx={ path=/srv/hello/current/bin/migrate ; "
			       "argv[]=/srv/hello/current/bin/migrate ; flags=%s ; "
			       "start_time=[n/a] }",
			       flags[i]);
		assert_only(
			examine(PLAIN, line, ""), "root-command",
			"ExecStartPre runs '/srv/hello/current/bin/migrate' as root",
			"without '+'");
	}
	/* As the app's user it may. */
	assert_only(examine(PLAIN,
			    "ExecStartPreEx={ path=/srv/hello/current/bin/migrate ; "
			    "argv[]=/srv/hello/current/bin/migrate flags=privileged ; "
			    "flags=ignore-failure ; start_time=[n/a] }",
			    ""),
		    NULL, "", "");
	assert_only(examine(PLAIN,
			    "ExecStopPostEx={ path=/bin/sh ; argv[]=/bin/sh -c "
			    "/srv/hello/current/clean ; flags=privileged ; }",
			    ""),
		    "root-command", "ExecStopPost runs '/srv/hello/current/clean'", "");
	assert_only(examine(PLAIN, "User=", ""), "root-service", "runs as root",
		    "User=hello");
	assert_only(examine(PLAIN, "User=root", ""), "root-service", "runs as root",
		    "User=hello");
}

static void assert_deployd(const char *deployd, const char *sessions, const char *id,
			   const char *what, const char *fix)
{
	struct findings findings = {0};

	check_daemon(deployd, sessions, &findings);
	assert_only(findings, id, what, fix);
}

static void assert_daemon(const char *deployd, const char *sessions, const char *what,
			  const char *fix)
{
	assert_deployd(deployd, sessions, what ? "sessions-stopped" : NULL, what, fix);
}

static void deployd_without_sessions_is_found(void **state)
{
	static const char runs[] = "LoadState=loaded\nActiveState=active\n";
	static const char stopped[] = "LoadState=loaded\nActiveState=inactive\n";
	static const char failed[] = "LoadState=loaded\nActiveState=failed\n";
	static const char masked[] = "LoadState=masked\nActiveState=inactive\n";
	static const char none[] = "LoadState=not-found\nActiveState=inactive\n";

	(void)state;
	assert_daemon(runs, runs, NULL, NULL);
	assert_daemon(runs, stopped, "deployd-sessions.socket is stopped",
		      "systemctl start deployd-sessions.socket");
	assert_daemon(runs, failed, "deployd-sessions.socket is stopped",
		      "systemctl start deployd-sessions.socket");
	assert_daemon(runs, masked, "deployd-sessions.socket is masked",
		      "systemctl unmask deployd-sessions.socket\nsystemctl start");
	/* deployd's start starts it, too, if it can */
	assert_deployd(stopped, stopped, "deployd-stopped",
		       "deployd.service is stopped",
		       "systemctl start deployd.socket deployd.service");
	/* a machine that is only being set up */
	assert_daemon(none, none, NULL, NULL);
}

static void deployd_that_does_not_run_is_found(void **state)
{
	static const char runs[] = "LoadState=loaded\nActiveState=active\n";
	static const char failed[] = "LoadState=loaded\nActiveState=failed\n"
				     "UnitFileState=enabled\n";
	static const char disabled[] = "LoadState=loaded\nActiveState=active\n"
				       "UnitFileState=disabled\n";
	static const char masked[] = "LoadState=loaded\nActiveState=active\n"
				     "UnitFileState=masked\n";
	static const char reloads[] = "LoadState=loaded\nActiveState=reloading\n"
				      "UnitFileState=enabled\n";

	(void)state;
	assert_deployd(failed, runs, "deployd-stopped", "deployd.service is failed",
		       "deployd --check");
	assert_deployd(disabled, runs, "deployd-disabled",
		       "deployd.service is disabled",
		       "systemctl enable deployd.socket deployd.service");
	assert_deployd(masked, runs, "deployd-disabled", "deployd.service is masked",
		       "systemctl unmask deployd.service\nsystemctl enable");
	assert_deployd(reloads, runs, NULL, NULL, NULL);
}

static void values_are_taken_apart(void **state)
{
	struct unit_command command;
	char value[64];

	(void)state;
	assert_true(unit_text_value("A=1\nAB=2\nA=3", "A", 1, value, sizeof(value)));
	assert_string_equal(value, "3");
	assert_false(unit_text_value("A=1\nAB=2\nA=3", "A", 2, value, sizeof(value)));
	assert_string_equal(value, "");
	assert_true(unit_text_value("A=0123456789", "A", 0, value, 5));
	assert_string_equal(value, "0123");
	assert_false(unit_text_value("", "A", 0, value, sizeof(value)));
	assert_false(unit_text_command("", &command));
	assert_false(unit_text_command("{ path=/x", &command));
	unit_text_setting("[Unit]\nType=a\n[Service]\n Type =  b\nTypes=c\n[Install]\n"
			  "Type=d\n",
			  "Type", value, sizeof(value));
	assert_string_equal(value, "b");
}

static void a_path_is_roots_only_all_the_way(void **state)
{
	char dir[] = "/run/deployd-doctor-XXXXXX", path[PATH_MAX], bad[PATH_MAX],
	     target[PATH_MAX], who[128];

	(void)state;
	assert_true(path_is_roots("/usr/bin/env", bad, who));
	assert_true(path_is_roots("/", bad, who));
	assert_true(path_is_roots("/nothing/there", bad, who));
	if (geteuid() != 0 || !mkdtemp(dir))
		skip();
	(void)snprintf(path, sizeof(path), "%s/script", dir);
	assert_int_equal(symlink("/usr/bin/env", path), 0);
	assert_true(path_is_roots(path, bad, who));
	assert_int_equal(chown(dir, 12345, 0), 0);
	assert_false(path_is_roots(path, bad, who));
	assert_string_equal(bad, dir);
	assert_string_equal(who, "uid 12345");
	assert_false(path_parents_are_roots(path, bad, who));
	assert_true(path_parents_are_roots(dir, bad, who));
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_false(path_is_roots(path, bad, who));
	assert_string_equal(who, "everybody");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(unlink(path), 0);
	/* Through a link: where it leads counts. */
	(void)snprintf(target, sizeof(target), "%s/theirs", dir);
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(chown(target, 12345, 0), 0);
	assert_int_equal(symlink("./theirs/../theirs", path), 0);
	assert_false(path_is_roots(path, bad, who));
	assert_string_equal(bad, target);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(target), 0);
	/* One that leads to itself has an end. */
	assert_int_equal(symlink(path, path), 0);
	assert_true(path_is_roots(path, bad, who));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void old_releases_are_in_the_order_of_their_time(void **state)
{
	(void)state;
	assert_true(adopt_compare("20181114072116", "20181114T072117") < 0);
	assert_true(adopt_compare("20181114T072116", "20181114072117") < 0);
	assert_true(adopt_compare("20191114072116", "20181114T072116") > 0);
	assert_int_equal(adopt_compare("20181114072116", "20181114072116"), 0);
	assert_true(adopt_compare("20181114072116", "20181114T072116") != 0);
	/* 2018-11-14T07:21:16Z; a clock in America says so eight hours later. */
	assert_int_equal(adopt_deployed_at("20181114072116", 1542180076 + 8 * 3600),
			 1542180076 + 8 * 3600);
	assert_int_equal(adopt_deployed_at("20181114T072116", 1700000000), 1542180076);
	assert_int_equal(adopt_deployed_at("20181399072116", 1700000000), 1700000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_unit_has_no_findings),
		cmocka_unit_test(a_unit_that_cannot_be_used),
		cmocka_unit_test(settings_that_defeat_a_rollback),
		cmocka_unit_test(touch_needs_a_unit_that_comes_back),
		cmocka_unit_test(what_does_not_go_through_current),
		cmocka_unit_test(commands_of_root_that_come_with_a_release),
		cmocka_unit_test(deployd_without_sessions_is_found),
		cmocka_unit_test(deployd_that_does_not_run_is_found),
		cmocka_unit_test(values_are_taken_apart),
		cmocka_unit_test(a_path_is_roots_only_all_the_way),
		cmocka_unit_test(old_releases_are_in_the_order_of_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
