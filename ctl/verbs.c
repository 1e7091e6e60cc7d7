/*
 * The verbs, a row each: name, heading in --help, arguments, help, right, options, how
 * many arguments, function. The function is declared by its room.
 */
#include "verbs.h"

#include "command/completion.h"
#include "command/help.h"
#include "doctor/verbs.h"
#include "generate/verbs.h"
#include "scripts/hook.h"
#include "setup/verbs.h"

#define SHIP	"Ship a release"
#define SERVICE "The service"
#define QUERY	"Query"
#define SETUP	"Set up a machine (root, without deployd)"
#define ADMIN	"deployd itself"

#define JOB    TAKES_WAIT
#define SET_UP (TAKES_SETUP | NO_HOST)

static const struct verb rows[] = {
	{"deploy", SHIP, "APP FILE|-",
	 "Unpack an archive, make it current, restart the unit", "deploy",
	 JOB | TAKES_ARCHIVE | TAKES_IF_CURRENT | TAKES_CONFIRM | TAKES_FORCE |
		 TAKES_REDEPLOY,
	 2, 2, verb_archive},
	{"stage", SHIP, "APP FILE|-",
	 "Unpack and check an archive without switching to it", "stage",
	 JOB | TAKES_ARCHIVE, 2, 2, verb_archive},
	{"activate", SHIP, "APP@RELEASE", "Switch to a staged or earlier release",
	 "activate", JOB | TAKES_IF_CURRENT | TAKES_CONFIRM | TAKES_FORCE, 1, 2,
	 verb_release},
	{"rollback", SHIP, "APP[@RELEASE]",
	 "Go back to the last good release before the current one", "rollback",
	 JOB | TAKES_IF_CURRENT | TAKES_FORCE, 1, 2, verb_release},
	{"confirm", SHIP, "APP", "Keep what was deployed with --confirm", "confirm",
	 JOB, 1, 1, verb_unit},
	{"cancel", SHIP, "APP [JOB]",
	 "End the running job, or this one, if nothing was switched yet", "cancel", 0,
	 1, 2, verb_cancel},
	{"hold", SHIP, "APP", "Refuse every switch to another release", "hold",
	 JOB | TAKES_MESSAGE | TAKES_UNTIL, 1, 1, verb_hold},
	{"unhold", SHIP, "APP", "End a hold", "hold", JOB, 1, 1, verb_unit},
	{"mark-good", SHIP, "APP@RELEASE", "Say that a release is good", "mark", JOB, 1,
	 2, verb_release},
	{"mark-bad", SHIP, "APP@RELEASE", "Say that a release is bad", "mark",
	 JOB | TAKES_MESSAGE, 1, 2, verb_release},
	{"pin", SHIP, "APP@RELEASE", "Keep a release, however old it is", "pin", JOB, 1,
	 2, verb_release},
	{"unpin", SHIP, "APP@RELEASE", "Let a release be removed when it is old", "pin",
	 JOB, 1, 2, verb_release},
	{"attach", SHIP, "JOB", "Follow a running job, or say how it ended", "status",
	 TAKES_TIMEOUT, 1, 1, verb_attach},

	{"restart", SERVICE, "APP", "Restart the unit", "restart", JOB, 1, 1,
	 verb_unit},
	{"reload", SERVICE, "[APP]",
	 "Reload the unit; without APP, deployd's configuration (root)", "reload", JOB,
	 0, 1, verb_reload},
	{"start", SERVICE, "APP", "Start the unit", "start", JOB, 1, 1, verb_unit},
	{"stop", SERVICE, "APP", "Stop the unit", "stop", JOB, 1, 1, verb_unit},
	{"enable", SERVICE, "[APP]",
	 "Start the unit at boot; as root also link it, without deployd", "enable",
	 JOB | TAKES_SETUP | TAKES_NOW, 0, 1, verb_enable},
	{"disable", SERVICE, "APP", "Do not start the unit at boot", "enable", JOB, 1,
	 1, verb_unit},
	{"logs", SERVICE, "APP", "Show the unit's journal", "logs",
	 TAKES_LINES | TAKES_FOLLOW | NO_JSON, 1, 1, verb_logs},

	{"list", QUERY, "", "List the apps you have a right on", "status", TAKES_LEGEND,
	 0, 0, verb_list},
	{"status", QUERY, "[APP]",
	 "Show the live release and its health; with --daemon, deployd itself (root)",
	 "status", TAKES_DAEMON, 0, 1, verb_status},
	{"releases", QUERY, "APP", "List the releases, newest first", "status",
	 TAKES_LEGEND, 1, 1, verb_releases},
	{"show", QUERY, "APP[@RELEASE]", "Show a release; the current one by default",
	 "status", TAKES_CONFIG, 1, 1, verb_show},
	{"history", QUERY, "APP", "List the jobs, newest first", "history",
	 TAKES_LEGEND | TAKES_LINES, 1, 1, verb_history},
	{"jobs", QUERY, "", "List running, waiting and ended jobs", "status",
	 TAKES_LEGEND, 0, 0, verb_jobs},
	{"doctor", QUERY, "[APP]",
	 "Find what would make a deploy or rollback fail, or is unsafe (root)",
	 VERB_FOR_ROOT, NO_HOST, 0, 1, verb_doctor},
	{"can", QUERY, "VERB APP", "Say whether you may, and by which rule",
	 VERB_FOR_ALL, TAKES_USER, 2, 2, verb_can},

	{"init", SETUP, "[APP]",
	 "create-users, create-dirs, copy-files, link-scripts and enable, in this "
	 "order",
	 VERB_FOR_ROOT, SET_UP, 0, 1, verb_init},
	{"create-users", SETUP, "[APP]",
	 "Create the app's user, the deploy user and their groups", VERB_FOR_ROOT,
	 SET_UP, 0, 1, verb_create_users},
	{"create-dirs", SETUP, "[APP]",
	 "Create the app's directories, or repair owner and mode", VERB_FOR_ROOT,
	 SET_UP, 0, 1, verb_create_dirs},
	{"copy-files", SETUP, "[APP]", "Install the files of [copy_file] sections",
	 VERB_FOR_ROOT, SET_UP, 0, 1, verb_copy_files},
	{"link-scripts", SETUP, "[APP]",
	 "Link mix_deploy's names (deploy-restart and so on) in scripts_dir",
	 VERB_FOR_ROOT, SET_UP | TAKES_YES, 0, 1, verb_link_scripts},
	{"set-perms", SETUP, "[APP]",
	 "Repair owners and modes below the app's directory", VERB_FOR_ROOT, SET_UP, 0,
	 1, verb_set_perms},
	{"clean-target", SETUP, "[APP]", "Remove what these verbs made for the app",
	 VERB_FOR_ROOT, SET_UP | TAKES_YES, 0, 1, verb_clean_target},
	{"remove-app", SETUP, "[APP]",
	 "The same, with its releases and what deployd knows of it", VERB_FOR_ROOT,
	 SET_UP | TAKES_YES, 0, 1, verb_remove_app},

	{"adopt", SETUP, "[APP]",
	 "Take over an installation of mix_deploy, with all its releases",
	 VERB_FOR_ROOT, SET_UP | TAKES_YES, 0, 1, verb_adopt},
	{"generate", SETUP, "[APP]",
	 "Write the app's unit, fragments, an example policy and CodeDeploy's files",
	 VERB_FOR_ROOT, SET_UP | TAKES_TO | TAKES_GENERATE, 0, 1, verb_generate},
	{"stage-files", SETUP, "[APP [ARCHIVE]]",
	 "Put the archive and what CodeDeploy needs into one directory", VERB_FOR_ROOT,
	 SET_UP | TAKES_TO, 0, 2, verb_stage_files},
	{"extract-release", SETUP, "[APP [ARCHIVE]]",
	 "Make the archive the only release, without deployd", VERB_FOR_ROOT, SET_UP, 0,
	 2, verb_extract_release},
	{"hook", SETUP, "[FILE]",
	 "Do what an event of CodeDeploy wants, or the script of this name",
	 VERB_FOR_ROOT, NO_JSON | NO_HOST, 0, 1, verb_hook},

	{"policy", ADMIN, "check|list",
	 "Check the configuration and policy files; list the rules in force (root)",
	 VERB_FOR_ROOT, 0, 1, 1, verb_policy},
	{"completion", ADMIN, "bash|zsh", "Print the completions of a shell",
	 VERB_FOR_ALL, NO_JSON | NO_HOST, 1, 1, verb_completion},
	{"help", ADMIN, "[VERB]", "Show help", VERB_FOR_ALL, NO_JSON | NO_HOST, 0, 1,
	 verb_help},
	{"stdio-bridge", NULL, "", "Connect stdin and stdout to deployd's socket",
	 VERB_FOR_ALL, NO_JSON | NO_HOST, 0, 0, verb_stdio_bridge},
};

const struct verb_table verbs = {rows, sizeof(rows) / sizeof(*rows)};
