#include "verbs.h"

#include <string.h>

#define SHIP	"Ship a release"
#define SERVICE "The service"
#define LOOK	"Look"
#define SETUP	"Set up a machine (root, without deployd)"
#define ADMIN	"deployd itself"

#define JOB    TAKES_WAIT
#define SET_UP (TAKES_SETUP | NO_HOST)

const struct verb verbs[] = {
	{"deploy", SHIP, "APP FILE|-",
	 "Unpack an archive, make it current, restart the unit",
	 JOB | TAKES_ARCHIVE | TAKES_IF_CURRENT | TAKES_CONFIRM | TAKES_REDEPLOY, 2, 2,
	 verb_archive},
	{"stage", SHIP, "APP FILE|-",
	 "Unpack and check an archive without switching to it", JOB | TAKES_ARCHIVE, 2,
	 2, verb_archive},
	{"activate", SHIP, "APP@RELEASE", "Switch to a staged or earlier release",
	 JOB | TAKES_IF_CURRENT | TAKES_CONFIRM, 1, 2, verb_release},
	{"rollback", SHIP, "APP[@RELEASE]",
	 "Go back to the last good release before the current one",
	 JOB | TAKES_IF_CURRENT, 1, 2, verb_release},
	{"confirm", SHIP, "APP", "Keep what was deployed with --confirm", JOB, 1, 1,
	 verb_unit},
	{"cancel", SHIP, "APP [JOB]",
	 "End the running job, or this one, if nothing was switched yet", 0, 1, 2,
	 verb_cancel},
	{"hold", SHIP, "APP", "Let nobody switch to another release",
	 JOB | TAKES_MESSAGE | TAKES_UNTIL, 1, 1, verb_hold},
	{"unhold", SHIP, "APP", "End a hold", JOB, 1, 1, verb_unit},
	{"attach", SHIP, "JOB", "Follow a running job, or say how it ended",
	 TAKES_TIMEOUT, 1, 1, verb_attach},

	{"restart", SERVICE, "APP", "Restart the unit", JOB, 1, 1, verb_unit},
	{"reload", SERVICE, "[APP]",
	 "Reload the unit; without APP, deployd's configuration (root)", JOB, 0, 1,
	 verb_reload},
	{"start", SERVICE, "APP", "Start the unit", JOB, 1, 1, verb_unit},
	{"stop", SERVICE, "APP", "Stop the unit", JOB, 1, 1, verb_unit},
	{"enable", SERVICE, "[APP]",
	 "Start the unit at boot; as root also link it, without deployd",
	 JOB | TAKES_SETUP | TAKES_NOW, 0, 1, verb_enable},
	{"disable", SERVICE, "APP", "Do not start the unit at boot", JOB, 1, 1,
	 verb_unit},
	{"logs", SERVICE, "APP", "Show the unit's journal",
	 TAKES_LINES | TAKES_FOLLOW | NO_JSON, 1, 1, verb_logs},

	{"list", LOOK, "", "List the apps you have a right on", TAKES_LEGEND, 0, 0,
	 verb_list},
	{"status", LOOK, "[APP]",
	 "Show what is live, and how it is; with --daemon, deployd itself (root)",
	 TAKES_DAEMON, 0, 1, verb_status},
	{"releases", LOOK, "APP", "List the releases, newest first", TAKES_LEGEND, 1, 1,
	 verb_releases},
	{"show", LOOK, "APP[@RELEASE]", "Show a release; the current one by default",
	 TAKES_CONFIG, 1, 1, verb_show},
	{"history", LOOK, "APP", "List the jobs, newest first",
	 TAKES_LEGEND | TAKES_LINES, 1, 1, verb_history},
	{"jobs", LOOK, "", "List running, waiting and ended jobs", TAKES_LEGEND, 0, 0,
	 verb_jobs},
	{"doctor", LOOK, "[APP]",
	 "Find what makes deploys or rollbacks fail, or is unsafe (root)", NO_HOST, 0,
	 1, verb_doctor},
	{"can", LOOK, "VERB APP", "Say whether you may, and by which rule", TAKES_USER,
	 2, 2, verb_can},

	{"init", SETUP, "[APP]",
	 "create-users, create-dirs, copy-files, link-scripts and enable, in this "
	 "order",
	 SET_UP, 0, 1, verb_setup},
	{"create-users", SETUP, "[APP]",
	 "Create the app's user, the deploy user and their groups", SET_UP, 0, 1,
	 verb_setup},
	{"create-dirs", SETUP, "[APP]",
	 "Create the app's directories, or repair owner and mode", SET_UP, 0, 1,
	 verb_setup},
	{"copy-files", SETUP, "[APP]", "Install the files of [copy_file] sections",
	 SET_UP, 0, 1, verb_setup},
	{"link-scripts", SETUP, "[APP]",
	 "Link mix_deploy's names (deploy-restart and so on) in scripts_dir",
	 SET_UP | TAKES_YES, 0, 1, verb_setup},
	{"set-perms", SETUP, "[APP]",
	 "Repair owners and modes below the app's directory", SET_UP, 0, 1, verb_setup},
	{"clean-target", SETUP, "[APP]", "Remove what these verbs made for the app",
	 SET_UP | TAKES_YES, 0, 1, verb_setup},
	{"remove-app", SETUP, "[APP]",
	 "The same, with its releases and what deployd knows of it", SET_UP | TAKES_YES,
	 0, 1, verb_setup},

	{"adopt", SETUP, "[APP]",
	 "Take over an installation of mix_deploy, with all its releases",
	 SET_UP | TAKES_YES, 0, 1, verb_setup},
	{"generate", SETUP, "[APP]",
	 "Write the app's unit, fragments, an example policy and CodeDeploy's files",
	 SET_UP | TAKES_TO | TAKES_GENERATE, 0, 1, verb_generate},
	{"stage-files", SETUP, "[APP [ARCHIVE]]",
	 "Put the archive and what CodeDeploy needs into one directory",
	 SET_UP | TAKES_TO, 0, 2, verb_stage_files},
	{"extract-release", SETUP, "[APP [ARCHIVE]]",
	 "Make the archive the only release, without deployd", SET_UP, 0, 2,
	 verb_extract_release},
	{"hook", SETUP, "[FILE]",
	 "Do what an event of CodeDeploy wants, or the script of this name",
	 NO_JSON | NO_HOST, 0, 1, verb_hook},

	{"policy", ADMIN, "check|list",
	 "Check the configuration and policy files; list the rules in force (root)", 0,
	 1, 1, verb_policy},
	{"completion", ADMIN, "bash|zsh", "Print the completions of a shell",
	 NO_JSON | NO_HOST, 1, 1, verb_completion},
	{"help", ADMIN, "[VERB]", "Show help", NO_JSON | NO_HOST, 0, 1, verb_help},
	{"stdio-bridge", NULL, "", "Connect stdin and stdout to deployd's socket",
	 NO_JSON | NO_HOST, 0, 0, verb_stdio_bridge},
};
const size_t n_verbs = sizeof(verbs) / sizeof(*verbs);

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}
