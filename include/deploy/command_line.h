#pragma once

/*
 * A command line of a configuration file as systemd splits one (systemd.service(5),
 * "COMMAND LINES"): words between blanks, quotes, C escapes. No shell, no $NAME, no
 * %-specifier: those stay as they are. Pure.
 */

#define COMMAND_LINE_WORDS_MAX 256

/*
 * The words, NULL-terminated; free() releases it all. NULL when it cannot be split:
 * then ret_fault says why, to follow "the command ".
 */
char **command_line_split(const char *text, const char **ret_fault)
	__attribute__((nonnull, warn_unused_result));
