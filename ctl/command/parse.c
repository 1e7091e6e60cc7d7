#include "command/parse.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "build_config.h"
#include "command/help.h"
#include "command/option_table.h"
#include "command/verb_name.h"
#include "deploy/result.h"
#include "deploy/suggest.h"
#include "output/span.h"
#include "output/terminal.h"

#define CONFIRM_SEC_DEFAULT 300
#define GIVEN_MAX	    64 /* options on one command line whose fit is checked */

static void complain(const char *fmt, const char *what)
{
	terminal_error("%s %s; see `deployctl --help`", fmt, what);
}

static int has_arg(const struct option_info *info)
{
	if (!info->value)
		return no_argument;
	return option_value_is_optional(info) ? optional_argument : required_argument;
}

static const struct option_info *find_info(int id)
{
	for (size_t i = 0; i < OPTION_INFOS; i++)
		if (option_infos[i].id == id || option_infos[i].letter == id)
			return &option_infos[i];
	return NULL;
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
	for (size_t i = 0; i < OPTION_INFOS; i++) {
		const struct option_info *info = &option_infos[i];
		int arg = has_arg(info);

		/* Of what the verb does not take, no value is missing. */
		if (verb && !option_is_taken(verb, info))
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

		if (info && !option_is_taken(verb, info))
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
	const char *names[OPTION_INFOS + 1];
	char name[64];
	size_t n = 0;

	if (strncmp(word, "--", 2) != 0)
		return NULL;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="),
		       word + 2);
	for (size_t i = 0; i < OPTION_INFOS; i++)
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

/* Reads options, with verb those behind it. argv[0] is passed over. */
static bool read_options(int argc, char *argv[], const struct verb *verb,
			 struct parse *parse)
{
	struct option long_options[OPTION_INFOS + 1];
	char short_options[2 * OPTION_INFOS + 3];
	int c;

	make_getopt(verb, long_options, short_options);
	opterr = 0;
	optind = 0; /* GNU: begin anew */
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_info *info =
			c == '?' || c == ':' ? NULL : find_info(c);

		if (!info)
			return bad_option(argv, c);
		if (verb && !option_is_taken(verb, info))
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

static const struct verb *done(int *ret_status)
{
	*ret_status = 0;
	return NULL;
}

const struct verb *options_parse(const struct verb_table *verbs, int argc, char *argv[],
				 struct options *ret_options, int *ret_status)
{
	struct parse parse = {.options = ret_options};
	const struct verb *verb = NULL;

	*ret_options = (struct options){OPTIONS_NONE, .verbs = verbs};
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
		verb = verb_find(verbs, argv[0]);
		if (!verb) {
			verb_tell_unknown(verbs, argv[0]);
			return NULL;
		}
		if (!read_options(argc, argv, verb, &parse))
			return NULL;
	}
	if (parse.help) {
		if (verb)
			help_verb(verb);
		else
			help_program(verbs);
		return done(ret_status);
	}
	if (!verb)
		verb = verb_find(verbs, "list");
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
