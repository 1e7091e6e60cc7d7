#include "command/option_table.h"

#include <string.h>

const struct option_info option_infos[OPTION_INFOS] = {
	{"help", 'h', NULL, 0, "Show help", OPTION_HELP},
	{"version", 0, "[V]", 0,
	 "Show deployctl's version; after deploy and stage, the release's version",
	 OPTION_VERSION},
	{"json", 0, "[pretty|short|off]", 0, "Print JSON", OPTION_JSON},
	{NULL, 'j', NULL, 0, "The same as --json=short", OPTION_SHORT_JSON},
	{"quiet", 'q', NULL, 0, "No progress, no result on success", OPTION_QUIET},
	{"host", 'H', "[USER@]HOST", 0, "Run on another host, over ssh", OPTION_HOST},
	{"no-pager", 0, NULL, 0, "Do not page", OPTION_NO_PAGER},
	{"no-legend", 0, NULL, TAKES_LEGEND, "No headings", OPTION_NO_LEGEND},
	{"no-block", 0, NULL, TAKES_WAIT, "Do not wait for the job", OPTION_NO_BLOCK},
	{"timeout", 0, "SEC", TAKES_WAIT | TAKES_TIMEOUT,
	 "Stop waiting after this time; the job goes on", OPTION_TIMEOUT},
	{"if-current", 0, "ID", TAKES_IF_CURRENT,
	 "Refuse unless this release is current (none: no release is)",
	 OPTION_IF_CURRENT},
	{"sha256", 0, "HEX", TAKES_ARCHIVE, "Refuse an archive with another hash",
	 OPTION_SHA256},
	{"revision", 0, "REV", TAKES_ARCHIVE, "What it was built from",
	 OPTION_REVISION},
	{"message", 'm', "TEXT", TAKES_ARCHIVE | TAKES_MESSAGE,
	 "A note for the history; the reason of a hold", OPTION_MESSAGE},
	{"confirm", 0, "[T]", TAKES_CONFIRM,
	 "Go back by itself after this time (5m), unless `deployctl confirm` comes",
	 OPTION_CONFIRM},
	{"force", 0, NULL, TAKES_CONFIRM, "Take a release that is known to be bad",
	 OPTION_FORCE},
	{"until", 0, "T", TAKES_UNTIL,
	 "When the hold ends: a span (2h) or a time (2026-11-23T10:15:00Z)",
	 OPTION_UNTIL},
	{"lines", 'n', "N", TAKES_LINES, "How many of the newest lines", OPTION_LINES},
	{"follow", 'f', NULL, TAKES_FOLLOW, "Show new lines as they come",
	 OPTION_FOLLOW},
	{"dry-run", 0, NULL, TAKES_SETUP, "Only show what would be done",
	 OPTION_DRY_RUN},
	{"now", 0, NULL, TAKES_NOW, "Start the unit too", OPTION_NOW},
	{"yes", 0, NULL, TAKES_YES, "Do it: without, only show what would be done",
	 OPTION_YES},
	{"config", 0, NULL, TAKES_CONFIG,
	 "Show the app's options, each with the line that it comes from",
	 OPTION_CONFIG},
	{"app-file", 0, "FILE", TAKES_SETUP | TAKES_CONFIG,
	 "Use this file of the app, not the installed ones", OPTION_APP_FILE},
	{"to", 0, "DIR", TAKES_TO, "Write the files into this directory", OPTION_TO},
	{"sudoers", 0, NULL, TAKES_GENERATE, "Make a sudoers file too", OPTION_SUDOERS},
	{"check", 0, NULL, TAKES_GENERATE,
	 "Write nothing; show how the installed units differ", OPTION_CHECK},
	{"daemon", 0, NULL, TAKES_DAEMON,
	 "Show deployd itself and the sessions of its clients (root)", OPTION_DAEMON},
	{"user", 0, "USER", TAKES_USER, "Ask for another user (root)", OPTION_USER},
	{"socket", 0, "PATH", 0, "Another socket, whoever serves it", OPTION_SOCKET},
};

bool option_value_is_optional(const struct option_info *info)
{
	return info->value && info->value[0] == '[' &&
	       info->value[strlen(info->value) - 1] == ']';
}

bool option_is_taken(const struct verb *verb, const struct option_info *info)
{
	return info->flags == 0 || (info->flags & verb->flags) != 0;
}
