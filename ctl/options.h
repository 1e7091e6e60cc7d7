#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The table of verbs and options: parsing, --help, the completions and the test that
 * the man page names everything all read it.
 */

enum json_mode {
	JSON_MODE_OFF,
	JSON_MODE_SHORT,
	JSON_MODE_PRETTY,
};

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
	TAKES_REDEPLOY = 1 << 20,  /* deploy */
};

#define OPTIONS_ARGS_MAX 4

struct options {
	const char *app;
	const char *release;		    /* of APP@RELEASE */
	const char *args[OPTIONS_ARGS_MAX]; /* what follows the verb, app included */
	int n_args;
	enum json_mode json;
	bool quiet;
	bool no_block;
	bool no_pager;
	bool no_legend;
	bool follow;
	bool dry_run;
	bool now;
	bool yes;
	bool config;
	bool sudoers;
	bool check;
	bool daemon;
	const char *to;	      /* NULL: not given */
	const char *app_file; /* NULL: that of /etc/deployd and so on */
	const char *host;
	const char *sha256, *version, *revision, *message, *if_current;
	const char *idempotency_key;
	const char *user;
	const char *socket; /* NULL: the compiled-in path, whose server must be root */
	bool force;
	bool redeploy;
	bool strip_given; /* strip_components was */
	int64_t strip_components;
	int64_t confirm_sec; /* 0: no need to confirm */
	int64_t until_sec;   /* since the epoch; 0: for good */
	int64_t lines;	     /* -1: not given */
	int64_t timeout_sec; /* -1: none */
};

struct verb {
	const char *name;
	const char *group; /* heading in --help; NULL: not shown */
	const char *usage; /* after the verb */
	const char *help;
	unsigned int flags; /* of enum verb_flag */
	int min_args, max_args;
	int (*run)(const struct verb *verb, const struct options *options);
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): rows read in this order */
struct option_info {
	const char *name;   /* long, without dashes */
	char letter;	    /* 0: none */
	const char *value;  /* NULL: takes none; "[X]": optional */
	unsigned int flags; /* 0: every verb */
	const char *help;
	int id;
};

extern const struct verb verbs[];
extern const size_t n_verbs;
extern const struct option_info option_infos[];
extern const size_t n_option_infos;

/* NULL when there is none. */
const struct verb *verb_find(const char *name) __attribute__((nonnull));

/*
 * Parses the command line. Returns the verb; NULL when there is nothing to run, with
 * *ret_status the exit status (help was shown, or an error was told).
 */
const struct verb *options_parse(int argc, char *argv[], struct options *ret_options,
				 int *ret_status)
	__attribute__((warn_unused_result, nonnull));

/* Says that there is none of this name, and which one was meant. */
void options_unknown_verb(const char *name) __attribute__((nonnull));

/* help.c: the program's help on stdout, or a verb's. */
void help_program(void);
void help_verb(const struct verb *verb) __attribute__((nonnull));

/* complete.c: the verb `completion SHELL`. */
int verb_completion(const struct verb *verb, const struct options *options);
