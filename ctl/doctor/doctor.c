/*
 * doctor: what would make a deploy or a rollback fail, or let somebody become root. It
 * changes nothing, and each finding has what mends it. What systemd knows is asked of
 * systemctl: deployctl links no bus.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "doctor/doctor.h"
#include "doctor/verbs.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "process/tool.h"
#include "process/unit_text.h"
#include "setup/app_file.h"

#define SYSTEMCTL_TIMEOUT_SEC 30

static const char *const unit_properties =
	"LoadState,NeedDaemonReload,User,DynamicUser,WorkingDirectory,RootDirectory,"
	"Restart,KillMode,TimeoutStopUSec,StartLimitIntervalUSec,StartLimitBurst,"
	"StartLimitAction,"
	"FailureAction,EnvironmentFiles,ExecConditionEx,ExecStartPreEx,ExecStartEx,"
	"ExecStartPostEx,ExecReloadEx,ExecStopEx,ExecStopPostEx,ProtectSystem,"
	"ProtectHome,ReadWritePaths,FragmentPath,UnitFileState,ActiveState";

static int show(const char *unit, char ret_text[TOOL_OUTPUT_SIZE], struct errinfo *ei)
{
	cleanup_free char *option = NULL;
	int r;

	if (asprintf(&option, "--property=%s", unit_properties) < 0) {
		option = NULL;
		return errinfo_set(ei, ENOMEM, "cannot run systemctl");
	}
	r = tool_run((const char *const[]){"systemctl", "show", "--all", option, "--",
					   unit, NULL},
		     NULL, SYSTEMCTL_TIMEOUT_SEC, ret_text, ei);
	if (r <= 0)
		return r;
	return errinfo_refuse(ei, RESULT_FAILED,
			      "systemctl show %s ends with status %d", unit, r);
}

static unsigned int systemd_version(void)
{
	struct errinfo ignored = {0};
	unsigned int version = 0;
	char text[TOOL_OUTPUT_SIZE];

	if (tool_run((const char *const[]){"systemctl", "--version", NULL}, NULL,
		     SYSTEMCTL_TIMEOUT_SEC, text, &ignored) == 0 &&
	    strncmp(text, "systemd ", 8) == 0)
		version = (unsigned int)strtoul(text + 8, NULL, 10);
	return version;
}

static int read_facts(const char *unit, struct unit_facts *facts, struct errinfo *ei)
{
	int r = show(unit, facts->show, ei);

	if (r == 0)
		r = tool_run(
			(const char *const[]){"systemctl", "cat", "--", unit, NULL},
			NULL, SYSTEMCTL_TIMEOUT_SEC, facts->files, ei);
	facts->systemd_version = systemd_version();
	return r < 0 ? r : 0; /* without a unit cat prints nothing */
}

/* mix_systemd's, and those of its Ansible role. */
static int check_leftovers(const struct app_config *app, struct findings *findings,
			   struct errinfo *ei)
{
	static const struct {
		const char *before, *after;
	} names[] = {{"", "-restart.path"},
		     {"", "-restart.service"},
		     {"restart-", ".path"},
		     {"restart-", ".service"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char text[TOOL_OUTPUT_SIZE], unit[300], file[UNIT_TEXT_MAX];
		int r;

		(void)snprintf(unit, sizeof(unit), "%s%s%s", names[i].before,
			       app->service_name, names[i].after);
		r = show(unit, text, ei);
		if (r < 0)
			return r;
		if (unit_text_is(text, "LoadState", "not-found") ||
		    unit_text_is(text, "LoadState", "masked"))
			continue;
		(void)unit_text_value(text, "FragmentPath", 0, file, sizeof(file));
		finding_add(findings, "restart-unit",
			    "deployd watches restart.flag itself: every touch would "
			    "restart the app twice, or at every boot.");
		finding_what(findings, "%s of mix_systemd is installed", unit);
		finding_fix(findings,
			    "systemctl disable --now %s && rm '%s' && systemctl "
			    "daemon-reload",
			    unit, file);
	}
	return 0;
}

static int examine(const struct setup *setup, const char *deployd_show,
		   struct findings *findings, struct errinfo *ei)
{
	struct unit_facts facts = {.show = "", .files = ""};
	int r = read_facts(setup->app->unit, &facts, ei);

	if (r == 0) {
		check_unit(setup->app, &facts, findings);
		r = check_leftovers(setup->app, findings, ei);
	}
	if (r == 0) {
		check_files(setup->app, deployd_show, findings);
		check_users(setup, findings);
	}
	return r;
}

static void print_lines(const char *label, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		cleanup_free char *line = strndup(text, n);

		(void)printf("  %-5s", label);
		terminal_put(stdout, line);
		(void)putchar('\n');
		label = "";
		text += n + (text[n] == '\n');
	}
}

static void print_text(const char *app, const struct findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];

		(void)printf("%s%s: %s", terminal_color(COLOR_WARN), app,
			     terminal_plain());
		terminal_put(stdout, finding->what);
		(void)printf(" [%s]\n", finding->id);
		print_lines("why:", finding->why);
		print_lines("fix: ", finding->fix);
	}
}

/* app: NULL when it is about deployd itself. */
static void add_json(json_t *list, const char *app, const struct findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->list[i];
		cleanup_free char *what = terminal_clean(finding->what);

		(void)json_array_append_new(
			list, json_pack("{s:s?, s:s, s:s, s:s, s:s}", "app", app, "id",
					finding->id, "what", what, "why", finding->why,
					"fix", finding->fix));
	}
}

static void print_json(json_t *list, enum json_mode mode)
{
	cleanup_json json_t *object =
		json_pack("{s:i, s:O}", "schema", JSON_SCHEMA, "findings", list);

	if (object)
		json_out_print(object, mode);
}

static int examine_daemon(const struct options *options, const char *deployd_show,
			  json_t *list, size_t *ret_n, struct errinfo *ei)
{
	char sessions_show[TOOL_OUTPUT_SIZE];
	struct findings findings = {0};
	int r = show("deployd-sessions.socket", sessions_show, ei);

	if (r < 0)
		return r;
	check_daemon(deployd_show, sessions_show, &findings);
	if (options->json == JSON_MODE_OFF)
		print_text("deployd", &findings);
	add_json(list, NULL, &findings);
	*ret_n += findings.n;
	findings_deinit(&findings);
	return 0;
}

static int examine_all(const struct options *options, struct app_config **apps,
		       size_t n_apps, json_t *list, size_t *ret_n, struct errinfo *ei)
{
	char deployd_show[TOOL_OUTPUT_SIZE];
	int r = show("deployd.service", deployd_show, ei);

	*ret_n = 0;
	if (r == 0)
		r = examine_daemon(options, deployd_show, list, ret_n, ei);
	for (size_t i = 0; r == 0 && i < n_apps; i++) {
		static char none[] = "";
		struct setup setup = {.options = options,
				      .app = apps[i],
				      .destdir = none,
				      .root_fd = -1};
		struct findings findings = {0};

		r = examine(&setup, deployd_show, &findings, ei);
		if (r == 0 && options->json == JSON_MODE_OFF) {
			print_text(apps[i]->app_name, &findings);
			if (findings.n == 0 && !options->quiet)
				(void)printf("%s: nothing found\n", apps[i]->app_name);
		}
		add_json(list, apps[i]->app_name, &findings);
		*ret_n += findings.n;
		findings_deinit(&findings);
	}
	return r;
}

int verb_doctor(const struct verb *verb, const struct options *options)
{
	struct app_config **apps = NULL;
	struct errinfo ei = {0};
	size_t n_apps = 0, n = 0;
	json_t *list;
	int status, r;

	(void)verb;
	if (geteuid() != 0)
		return failure_tell(
			options, RESULT_DENIED,
			"doctor reads files that only root can read; run: sudo "
			"deployctl doctor%s%s",
			options->app ? " " : "", options->app ? options->app : "");
	status = app_file_load_all(options, &apps, &n_apps);
	list = json_array();
	r = status == 0 ? examine_all(options, apps, n_apps, list, &n, &ei) : 0;
	if (r < 0)
		status = failure_tell(options, ei.result, "%s", ei.what);
	else if (status == 0 && options->json != JSON_MODE_OFF)
		print_json(list, options->json);
	for (size_t i = 0; i < n_apps; i++)
		app_config_free(apps[i]);
	free(apps);
	json_decref(list);
	return status != 0 ? status : n > 0 ? result_exit_status(RESULT_FAILED) : 0;
}
