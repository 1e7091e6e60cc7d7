#include "verbs.h"

#include <string.h>

#define SHIP	"Ship a release"
#define SERVICE "The service"
#define LOOK	"Look"
#define ADMIN	"deployd itself"

#define OPERATION TAKES_WAIT

const struct verb verbs[] = {
	{"deploy", SHIP, "APP FILE|-",
	 "Unpack an archive, make it current, restart the unit",
	 OPERATION | TAKES_ARCHIVE | TAKES_IF_CURRENT, 2, 2, verb_archive},
	{"stage", SHIP, "APP FILE|-",
	 "Unpack and check an archive without switching to it",
	 OPERATION | TAKES_ARCHIVE, 2, 2, verb_archive},
	{"activate", SHIP, "APP@RELEASE", "Switch to a staged or earlier release",
	 OPERATION | TAKES_IF_CURRENT, 1, 2, verb_release},
	{"rollback", SHIP, "APP[@RELEASE]",
	 "Go back to the last good release before the current one",
	 OPERATION | TAKES_IF_CURRENT, 1, 2, verb_release},
	{"attach", SHIP, "JOB", "Follow a running job, or say how it ended",
	 TAKES_TIMEOUT, 1, 1, verb_attach},

	{"restart", SERVICE, "APP", "Restart the unit", OPERATION, 1, 1, verb_unit},
	{"reload", SERVICE, "[APP]",
	 "Reload the unit; without APP, deployd's configuration (root)", OPERATION, 0,
	 1, verb_reload},
	{"start", SERVICE, "APP", "Start the unit", OPERATION, 1, 1, verb_unit},
	{"stop", SERVICE, "APP", "Stop the unit", OPERATION, 1, 1, verb_unit},
	{"enable", SERVICE, "APP", "Start the unit at boot", OPERATION, 1, 1,
	 verb_unit},
	{"disable", SERVICE, "APP", "Do not start the unit at boot", OPERATION, 1, 1,
	 verb_unit},
	{"logs", SERVICE, "APP", "Show the unit's journal",
	 TAKES_LINES | TAKES_FOLLOW | NO_JSON, 1, 1, verb_logs},

	{"list", LOOK, "", "List the apps you have a right on", TAKES_LEGEND, 0, 0,
	 verb_list},
	{"status", LOOK, "APP", "Show what is live, and how it is", 0, 1, 1,
	 verb_status},
	{"releases", LOOK, "APP", "List the releases, newest first", TAKES_LEGEND, 1, 1,
	 verb_releases},
	{"show", LOOK, "APP[@RELEASE]", "Show a release; the current one by default", 0,
	 1, 1, verb_show},
	{"history", LOOK, "APP", "List the operations, newest first",
	 TAKES_LEGEND | TAKES_LINES, 1, 1, verb_history},
	{"jobs", LOOK, "", "List running, waiting and ended jobs", TAKES_LEGEND, 0, 0,
	 verb_jobs},
	{"can", LOOK, "VERB APP", "Say whether you may, and by which rule", TAKES_USER,
	 2, 2, verb_can},

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
