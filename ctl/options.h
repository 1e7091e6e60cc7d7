#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a command line says: plain data, which every room of deployctl may read.
 * ctl/command/parse.h fills it.
 */

struct verb_table;

enum json_mode {
	JSON_MODE_OFF,
	JSON_MODE_SHORT,
	JSON_MODE_PRETTY,
};

#define OPTIONS_ARGS_MAX 4

struct options {
	const struct verb_table *verbs; /* of the program */
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

/* The fields whose "not given" is not 0: (struct options){OPTIONS_NONE, ...}. */
#define OPTIONS_NONE .lines = -1, .timeout_sec = -1
