#pragma once

#include <stddef.h>

#include "options.h"

/* A row of the table of verbs, ctl/verbs.c: parsing, help, completion and `can` read
 * it. */

/* One bit each: which options a verb takes, beside those of every verb. */
enum verb_flag {
	TAKES_ARCHIVE = 1 << 0,	   /* deploy, stage */
	TAKES_IF_CURRENT = 1 << 1, /* deploy, activate, rollback */
	TAKES_WAIT = 1 << 2,	   /* jobs: --no-block, --timeout */
	TAKES_LINES = 1 << 3,	   /* history, logs */
	TAKES_FOLLOW = 1 << 4,	   /* logs */
	TAKES_USER = 1 << 5,	   /* can */
	TAKES_LEGEND = 1 << 6,	   /* tables */
	TAKES_TIMEOUT = 1 << 9,	   /* attach */
	NO_JSON = 1 << 7,	   /* --json makes no sense */
	NO_HOST = 1 << 8,	   /* -H does not: it is about this machine */
	TAKES_SETUP = 1 << 10,	   /* set-up verbs: --dry-run, --app-file */
	TAKES_NOW = 1 << 11,	   /* enable */
	TAKES_YES = 1 << 12,	   /* what removes */
	TAKES_CONFIG = 1 << 13,	   /* show: --config, --app-file */
	TAKES_CONFIRM = 1 << 14,   /* deploy, activate: --confirm, --force */
	TAKES_MESSAGE = 1 << 15,   /* deploy, stage, hold */
	TAKES_UNTIL = 1 << 16,	   /* hold */
	TAKES_TO = 1 << 17,	   /* what writes files: --to */
	TAKES_GENERATE = 1 << 18,  /* generate: --sudoers, --check */
	TAKES_DAEMON = 1 << 19,	   /* status: --daemon in place of an app */
};

#define VERB_FOR_ROOT NULL /* right: only root may */
#define VERB_FOR_ALL  ""   /* right: everybody may */

struct verb {
	const char *name;
	const char *group; /* heading in --help; NULL: not shown */
	const char *usage; /* after the verb */
	const char *help;
	/* What a rule must allow; VERB_FOR_ROOT, VERB_FOR_ALL: no rule decides. */
	const char *right;
	unsigned int flags; /* of enum verb_flag */
	int min_args, max_args;
	int (*run)(const struct verb *verb, const struct options *options);
};

struct verb_table {
	const struct verb *rows;
	size_t n;
};
