/*
 * doctor: what the unit runs, and as whom. What root runs must be root's alone: else
 * whoever can write it is root (the scripts of mix_deploy's exec_start_pre were such).
 */
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"
#include "doctor/path.h"
#include "process/unit_text.h"
#include "setup/tree.h"

static const char *const command_lists[] = {
	"ExecConditionEx", "ExecStartPreEx", "ExecStartEx",   "ExecStartPostEx",
	"ExecReloadEx",	   "ExecStopEx",     "ExecStopPostEx"};
#define N_LISTS (sizeof(command_lists) / sizeof(*command_lists))

/* "ExecStartPre" */
static void setting_of(const char *list, char ret_name[64])
{
	(void)snprintf(ret_name, 64, "%.*s", (int)(strlen(list) - 2), list);
}

static bool is_of_release(const struct app_config *app, const char *path)
{
	return tree_is_below(path, app->current_dir) ||
	       tree_is_below(path, app->releases_dir);
}

static void tell_root_command(const struct app_config *app, const char *list,
			      const char *path, const char *bad, const char *who,
			      struct findings *findings)
{
	char setting[64];

	setting_of(list, setting);
	finding_add(findings, "root-command",
		    "whoever can write what root runs is root.");
	if (!bad) {
		finding_what(findings,
			     "%s: %s runs '%s' as root, which comes with a release",
			     app->unit, setting, path);
		finding_fix(
			findings,
			"run it without '+' or '!', as %s; or let it be a root-owned "
			"program outside %s (systemctl edit %s)",
			app->app_user, app->deploy_dir, app->unit);
		return;
	}
	finding_what(findings, "%s: %s runs '%s' as root; %s can change '%s'",
		     app->unit, setting, path, who, bad);
	finding_fix(findings, "chown root '%s' && chmod go-w '%s'", bad, bad);
}

/* The program, and what is given to a shell or an interpreter. */
static void check_root_command(const struct app_config *app, const char *list,
			       const struct unit_command *command,
			       struct findings *findings)
{
	char argv[UNIT_TEXT_MAX], bad[PATH_MAX], who[128], *save = NULL;
	const char *seen = "";

	(void)snprintf(argv, sizeof(argv), "%s %s", command->path, command->argv);
	for (const char *word = strtok_r(argv, " \t;&|'\"", &save); word;
	     word = strtok_r(NULL, " \t;&|'\"", &save)) {
		if (word[0] != '/' || strcmp(word, seen) == 0)
			continue;
		seen = word;
		if (is_of_release(app, word))
			tell_root_command(app, list, word, NULL, NULL, findings);
		else if ((word == argv || tree_is_below(word, app->deploy_dir)) &&
			 !path_is_roots(word, bad, who))
			tell_root_command(app, list, word, bad, who, findings);
	}
}

static bool is_root_unit(const struct app_config *app, const char *show)
{
	char user[128];

	(void)app;
	(void)unit_text_value(show, "User", 0, user, sizeof(user));
	return (*user == '\0' || strcmp(user, "root") == 0 || strcmp(user, "0") == 0) &&
	       !unit_text_is(show, "DynamicUser", "yes");
}

/* Does root do anything for the unit? */
static bool check_root_commands(const struct app_config *app, const char *show,
				struct findings *findings)
{
	bool any = false;

	for (size_t i = 0; i < N_LISTS; i++) {
		char value[UNIT_TEXT_MAX];

		for (unsigned int n = 0;
		     unit_text_value(show, command_lists[i], n, value, sizeof(value));
		     n++) {
			struct unit_command command;

			if (!unit_text_command(value, &command) || !command.as_root)
				continue;
			any = true;
			check_root_command(app, command_lists[i], &command, findings);
		}
	}
	return any;
}

static void check_root_unit(const struct app_config *app, struct findings *findings)
{
	finding_add(findings, "root-service",
		    "deploy_user ships what the unit runs, so he is root.");
	finding_what(findings, "%s runs as root", app->unit);
	finding_fix(findings,
		    "mkdir -p /etc/systemd/system/%s.d\n"
		    "printf '[Service]\\nUser=%s\\nGroup=%s\\n' > "
		    "/etc/systemd/system/%s.d/user.conf\n"
		    "systemctl daemon-reload",
		    app->unit, app->app_user, app->app_group, app->unit);
}

static void check_environment(const struct app_config *app, const char *show,
			      struct findings *findings)
{
	char value[UNIT_TEXT_MAX], bad[PATH_MAX], who[128];

	for (unsigned int n = 0;
	     unit_text_value(show, "EnvironmentFiles", n, value, sizeof(value)); n++) {
		char *end = strstr(value, " (ignore_errors=");

		if (end)
			*end = '\0';
		if (value[0] != '/' || path_is_roots(value, bad, who))
			continue;
		finding_add(findings, "environment-file",
			    "the unit has commands that root runs, and LD_PRELOAD or "
			    "PATH in this file would be theirs too.");
		finding_what(findings, "%s reads '%s'; %s can change '%s'", app->unit,
			     value, who, bad);
		finding_fix(findings, "chown root '%s' && chmod go-w '%s'", bad, bad);
	}
}

static void tell_path(const struct app_config *app, const char *setting,
		      const char *path, struct findings *findings)
{
	finding_add(findings, "not-through-current",
		    "a deploy switches the link: what does not go through it stays "
		    "the old release.");
	finding_what(findings, "%s: %s=%s is not below %s", app->unit, setting, path,
		     app->current_dir);
	finding_fix(findings,
		    "%s=%s%s in the unit (systemctl edit --full %s), or a unit made by "
		    "deployctl generate %s",
		    setting, app->current_dir,
		    strcmp(setting, "ExecStart") == 0 ? "/..." : "", app->unit,
		    app->app_name);
}

static void check_paths(const struct app_config *app, const char *show,
			struct findings *findings)
{
	char directory[UNIT_TEXT_MAX], root[UNIT_TEXT_MAX], value[UNIT_TEXT_MAX];
	struct unit_command command = {.path = ""};
	const char *work;
	bool through;

	(void)unit_text_value(show, "WorkingDirectory", 0, directory,
			      sizeof(directory));
	(void)unit_text_value(show, "RootDirectory", 0, root, sizeof(root));
	if (tree_is_below(root, app->current_dir))
		return;
	work = directory[0] == '!' ? directory + 1 : directory;
	if (unit_text_value(show, "ExecStartEx", 0, value, sizeof(value)))
		(void)unit_text_command(value, &command);
	/* An interpreter of the system is told what to run. */
	through = tree_is_below(command.path, app->current_dir) ||
		  strstr(command.argv, app->current_dir) ||
		  tree_is_below(work, app->current_dir);
	if (*work && !tree_is_below(work, app->current_dir) &&
	    tree_is_below(work, app->deploy_dir))
		tell_path(app, "WorkingDirectory", work, findings);
	if (*command.path && !tree_is_below(command.path, app->current_dir) &&
	    (!through || tree_is_below(command.path, app->deploy_dir)))
		tell_path(app, "ExecStart", command.path, findings);
}

void check_commands(const struct app_config *app, const struct unit_facts *facts,
		    struct findings *findings)
{
	bool root_unit = is_root_unit(app, facts->show);
	bool root_commands = check_root_commands(app, facts->show, findings);

	if (root_unit)
		check_root_unit(app, findings);
	if (root_unit || root_commands)
		check_environment(app, facts->show, findings);
	check_paths(app, facts->show, findings);
}
