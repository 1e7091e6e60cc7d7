#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "build_config.h"
#include "deploy/limits.h"
#include "deploy/result.h"
#include "deploy/suggest.h"
#include "span.h"
#include "terminal.h"

enum option_id {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_JSON,
	OPTION_SHORT_JSON,
	OPTION_QUIET,
	OPTION_NO_BLOCK,
	OPTION_NO_PAGER,
	OPTION_NO_LEGEND,
	OPTION_HOST,
	OPTION_SHA256,
	OPTION_REVISION,
	OPTION_MESSAGE,
	OPTION_IF_CURRENT,
	OPTION_TIMEOUT,
	OPTION_LINES,
	OPTION_FOLLOW,
	OPTION_DAEMON,
	OPTION_USER,
	OPTION_SOCKET,
	OPTION_DRY_RUN,
	OPTION_NOW,
	OPTION_YES,
	OPTION_CONFIG,
	OPTION_APP_FILE,
	OPTION_CONFIRM,
	OPTION_FORCE,
	OPTION_REDEPLOY,
	OPTION_IDEMPOTENCY_KEY,
	OPTION_STRIP_COMPONENTS,
	OPTION_UNTIL,
	OPTION_TO,
	OPTION_SUDOERS,
	OPTION_CHECK,
};

#define CONFIRM_SEC_DEFAULT 300

#define GIVEN_MAX 64 /* options on one command line whose fit is checked */

const struct option_info option_infos[] = {
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
	{"redeploy", 0, NULL, TAKES_REDEPLOY,
	 "Deploy the archive even if it is live already", OPTION_REDEPLOY},
	{"idempotency-key", 0, "KEY", TAKES_ARCHIVE,
	 "Return the result of the earlier request with this key, if it has one",
	 OPTION_IDEMPOTENCY_KEY},
	{"strip-components", 0, "N", TAKES_ARCHIVE,
	 "Leave out the first N parts of the names in the archive",
	 OPTION_STRIP_COMPONENTS},
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
const size_t n_option_infos = sizeof(option_infos) / sizeof(*option_infos);

static void complain(const char *fmt, const char *what)
{
	terminal_error("%s %s; see `deployctl --help`", fmt, what);
}

static int has_arg(const struct option_info *info)
{
	if (!info->value)
		return no_argument;
	/* [USER@]HOST is one argument of which a part is optional. */
	return info->value[0] == '[' && info->value[strlen(info->value) - 1] == ']'
		       ? optional_argument
		       : required_argument;
}

static const struct option_info *find_info(int id)
{
	for (size_t i = 0; i < n_option_infos; i++)
		if (option_infos[i].id == id || option_infos[i].letter == id)
			return &option_infos[i];
	return NULL;
}

static bool is_taken(const struct verb *verb, const struct option_info *info)
{
	return info->flags == 0 || (info->flags & verb->flags);
}

/* False, and says so. */
static bool refuse_option(const struct verb *verb, const char *option)
{
	if (strcmp(option, "lines") == 0 && (verb->flags & TAKES_SETUP))
		terminal_error("`%s` takes no --lines (-n); --dry-run only shows what "
			       "would be done",
			       verb->name);
	else
		terminal_error("`%s` takes no --%s; see `deployctl help %s`",
			       verb->name, option, verb->name);
	return false;
}

static bool read_number(const char *text, int64_t max, int64_t *ret_number)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || number < 0 || number > max)
		return false;
	*ret_number = number;
	return true;
}

static bool read_json(const char *text, enum json_mode *ret_mode)
{
	if (!text || strcmp(text, "short") == 0)
		*ret_mode = JSON_MODE_SHORT;
	else if (strcmp(text, "pretty") == 0)
		*ret_mode = JSON_MODE_PRETTY;
	else if (strcmp(text, "off") == 0)
		*ret_mode = JSON_MODE_OFF;
	else
		return false;
	return true;
}

/* False: the value is of no use. */
static bool take(struct options *options, int id, const char *value, bool *ret_version)
{
	switch (id) {
	case OPTION_JSON:
		return read_json(value, &options->json);
	case OPTION_SHORT_JSON:
		options->json = JSON_MODE_SHORT;
		return true;
	case OPTION_QUIET:
		options->quiet = true;
		return true;
	case OPTION_NO_BLOCK:
		options->no_block = true;
		return true;
	case OPTION_NO_PAGER:
		options->no_pager = true;
		return true;
	case OPTION_NO_LEGEND:
		options->no_legend = true;
		return true;
	case OPTION_HOST:
		options->host = value;
		return value[0] != '\0' && value[0] != '-';
	case OPTION_SHA256:
		options->sha256 = value;
		return true;
	case OPTION_VERSION:
		*ret_version = !value;
		options->version = value;
		return true;
	case OPTION_REVISION:
		options->revision = value;
		return true;
	case OPTION_MESSAGE:
		options->message = value;
		return true;
	case OPTION_IF_CURRENT:
		options->if_current = strcmp(value, "none") == 0 ? "" : value;
		return true;
	case OPTION_TIMEOUT:
		return read_number(value, INT64_C(86400) * 7, &options->timeout_sec);
	case OPTION_LINES:
		return read_number(value, 1000000, &options->lines);
	case OPTION_FOLLOW:
		options->follow = true;
		return true;
	case OPTION_USER:
		options->user = value;
		return true;
	case OPTION_SOCKET:
		options->socket = value;
		return true;
	case OPTION_DRY_RUN:
		options->dry_run = true;
		return true;
	case OPTION_NOW:
		options->now = true;
		return true;
	case OPTION_YES:
		options->yes = true;
		return true;
	case OPTION_CONFIG:
		options->config = true;
		return true;
	case OPTION_CONFIRM:
		options->confirm_sec = CONFIRM_SEC_DEFAULT;
		return !value || span_parse(value, &options->confirm_sec);
	case OPTION_FORCE:
		options->force = true;
		return true;
	case OPTION_REDEPLOY:
		options->redeploy = true;
		return true;
	case OPTION_IDEMPOTENCY_KEY:
		options->idempotency_key = value;
		return value[0] != '\0';
	case OPTION_STRIP_COMPONENTS:
		options->strip_given = true;
		return read_number(value, STRIP_COMPONENTS_MAX,
				   &options->strip_components);
	case OPTION_UNTIL:
		return span_parse_end(value, (int64_t)time(NULL), &options->until_sec);
	case OPTION_TO:
		options->to = value;
		return value[0] != '\0';
	case OPTION_SUDOERS:
		options->sudoers = true;
		return true;
	case OPTION_DAEMON:
		options->daemon = true;
		return true;
	case OPTION_CHECK:
		options->check = true;
		return true;
	case OPTION_APP_FILE:
		options->app_file = value;
		return value[0] != '\0';
	default:
		return false;
	}
}

/*
 * What getopt needs, made of the table. Behind a verb that ships an archive --version
 * has a value: the release's.
 */
static void make_getopt(const struct verb *verb, struct option *ret_long,
			char *ret_short)
{
	size_t n = 0;

	/* In front of the verb: stop there. Errors are ours to tell. */
	if (!verb)
		*ret_short++ = '+';
	*ret_short++ = ':';
	for (size_t i = 0; i < n_option_infos; i++) {
		const struct option_info *info = &option_infos[i];
		int arg = has_arg(info);

		/* Of what the verb does not take, no value is missing. */
		if (verb && !is_taken(verb, info))
			arg = info->name ? optional_argument : no_argument;
		if (info->id == OPTION_VERSION && verb && (verb->flags & TAKES_ARCHIVE))
			arg = required_argument;
		if (info->name)
			ret_long[n++] =
				(struct option){info->name, arg, NULL, info->id};
		if (info->letter) {
			*ret_short++ = info->letter;
			if (arg == required_argument)
				*ret_short++ = ':';
		}
	}
	ret_long[n] = (struct option){0};
	*ret_short = '\0';
}

static bool split_app(struct options *options)
{
	static char copy[512];
	char *at;

	if (strlen(options->args[0]) >= sizeof(copy))
		return false;
	(void)strcpy(copy, options->args[0]);
	at = strchr(copy, '@');
	if (at) {
		*at = '\0';
		options->release = at + 1;
	}
	options->app = copy;
	return copy[0] != '\0' && (!at || at[1] != '\0');
}

/* What one command line says, while it is read. */
struct parse {
	struct options *options;
	int given[GIVEN_MAX]; /* ids of the options */
	size_t n_given;
	bool version, help;
};

static bool was_given(const struct parse *parse, int id)
{
	for (size_t i = 0; i < parse->n_given; i++)
		if (parse->given[i] == id)
			return true;
	return false;
}

/* Options given that the verb does not take are mistakes, not decoration. */
static bool fits(const struct verb *verb, const struct parse *parse)
{
	const char *no = NULL;

	for (size_t i = 0; i < parse->n_given; i++) {
		const struct option_info *info = find_info(parse->given[i]);

		if (info && !is_taken(verb, info))
			no = info->name;
	}
	if ((verb->flags & NO_JSON) && parse->options->json != JSON_MODE_OFF)
		no = "json";
	if ((verb->flags & NO_HOST) && parse->options->host)
		no = "host";
	if (parse->options->version && !(verb->flags & TAKES_ARCHIVE))
		no = "version";
	return !no || refuse_option(verb, no);
}

static const struct verb *check(const struct verb *verb, const struct parse *parse)
{
	struct options *options = parse->options;

	if (!fits(verb, parse))
		return NULL;
	if (options->n_args < verb->min_args || options->n_args > verb->max_args) {
		terminal_error("usage: deployctl %s%s%s", verb->name,
			       *verb->usage ? " " : "", verb->usage);
		return NULL;
	}
	if ((verb->flags & TAKES_DAEMON) && options->daemon == (options->n_args > 0)) {
		terminal_error("usage: deployctl %s APP, or deployctl %s --daemon",
			       verb->name, verb->name);
		return NULL;
	}
	if (options->no_block && was_given(parse, OPTION_TIMEOUT)) {
		terminal_error("--no-block does not wait, --timeout says how long to: "
			       "give one of them");
		return NULL;
	}
	if (options->n_args > 0 && !split_app(options)) {
		complain("not an app:", options->args[0]);
		return NULL;
	}
	return verb;
}

/* The long option that was meant by "--jsno=x". */
static const char *meant_option(const char *word)
{
	const char *names[sizeof(option_infos) / sizeof(*option_infos) + 1];
	char name[64];
	size_t n = 0;

	if (strncmp(word, "--", 2) != 0)
		return NULL;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="),
		       word + 2);
	for (size_t i = 0; i < n_option_infos; i++)
		if (option_infos[i].name)
			names[n++] = option_infos[i].name;
	names[n] = NULL;
	return suggest_word(name, names);
}

static bool bad_option(char *argv[], int c)
{
	/* getopt has moved on; for a letter it may not have. */
	const char *word = argv[optind > 1 ? optind - 1 : 1], *meant;

	if (optopt > 0 && optopt < OPTION_HELP) {
		terminal_error(c == ':' ? "-%c requires a value; see `deployctl --help`"
					: "unknown option -%c; see `deployctl --help`",
			       optopt);
		return false;
	}
	if (c == ':') {
		terminal_error("%s requires a value; see `deployctl --help`", word);
		return false;
	}
	meant = optopt == 0 ? meant_option(word) : NULL;
	if (optopt != 0)
		terminal_error("%.*s takes no value; see `deployctl --help`",
			       (int)strcspn(word, "="), word);
	else if (meant)
		terminal_error("unknown option %s; did you mean --%s?", word, meant);
	else
		complain("unknown option", word);
	return false;
}

/* Reads options, with verb those behind it. argv[0] is not looked at. */
static bool read_options(int argc, char *argv[], const struct verb *verb,
			 struct parse *parse)
{
	struct option long_options[sizeof(option_infos) / sizeof(*option_infos) + 1];
	char short_options[2 * sizeof(option_infos) / sizeof(*option_infos) + 3];
	int c;

	make_getopt(verb, long_options, short_options);
	opterr = 0;
	optind = 0; /* GNU: begin anew */
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_info *info =
			c == '?' || c == ':' ? NULL : find_info(c);

		if (!info)
			return bad_option(argv, c);
		if (verb && !is_taken(verb, info))
			return refuse_option(verb, info->name);
		if (info->id == OPTION_HELP) {
			parse->help = true;
			continue;
		}
		if (parse->n_given < GIVEN_MAX)
			parse->given[parse->n_given++] = info->id;
		if (!take(parse->options, info->id, optarg, &parse->version)) {
			terminal_error("bad value '%s' of --%s; see `deployctl --help`",
				       optarg ? optarg : "", info->name);
			return false;
		}
	}
	return true;
}

void options_unknown_verb(const char *name)
{
	const char **names = calloc(n_verbs + 1, sizeof(*names)), *meant = NULL;

	for (size_t i = 0; names && i < n_verbs; i++)
		names[i] = verbs[i].name;
	if (names)
		meant = suggest_word(name, names);
	if (meant)
		terminal_error("no verb '%s'; did you mean '%s'?", name, meant);
	else
		terminal_error("no verb '%s'; `deployctl help` lists them", name);
	free(names);
}

static const struct verb *done(int *ret_status)
{
	*ret_status = 0;
	return NULL;
}

const struct verb *options_parse(int argc, char *argv[], struct options *ret_options,
				 int *ret_status)
{
	struct parse parse = {.options = ret_options};
	const struct verb *verb = NULL;

	*ret_options = (struct options){.lines = -1, .timeout_sec = -1};
	*ret_status = result_exit_status(RESULT_USAGE);
	if (!read_options(argc, argv, NULL, &parse))
		return NULL;
	if (parse.version) {
		(void)printf("deployctl %s\n", DEPLOYD_VERSION);
		return done(ret_status);
	}
	if (optind < argc) {
		argc -= optind;
		argv += optind;
		verb = verb_find(argv[0]);
		if (!verb) {
			options_unknown_verb(argv[0]);
			return NULL;
		}
		if (!read_options(argc, argv, verb, &parse))
			return NULL;
	}
	if (parse.help) {
		if (verb)
			help_verb(verb);
		else
			help_program();
		return done(ret_status);
	}
	if (!verb)
		verb = verb_find("list");
	for (; optind < argc; optind++) {
		if (ret_options->n_args == OPTIONS_ARGS_MAX) {
			complain("too many arguments:", argv[optind]);
			return NULL;
		}
		ret_options->args[ret_options->n_args++] = argv[optind];
	}
	if (parse.version) {
		terminal_error("--version goes in front of the verb");
		return NULL;
	}
	return check(verb, &parse);
}
