#include "command/parse.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "build_config.h"
#include "command/help.h"
#include "command/option_table.h"
#include "command/verb_name.h"
#include "deploy/limits.h"
#include "deploy/names.h"
#include "deploy/result.h"
#include "deploy/suggest.h"
#include "output/failure.h"
#include "output/span.h"

#define CONFIRM_SEC_DEFAULT 300
#define GIVEN_MAX	    64 /* options on one command line whose fit is checked */
#define TIMEOUT_SEC_MAX	    (INT64_C(86400) * 7)
#define LINES_MAX	    1000000

/* With --json, what is wrong with the command line is a result like any other. */
static void complain(const struct options *options, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(const struct options *options, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)failure_tell(options, RESULT_USAGE, "%s", text);
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
static bool refuse_option(const struct verb *verb, const char *option,
			  const struct options *options)
{
	if (strcmp(option, "lines") == 0 && (verb->flags & TAKES_SETUP))
		complain(options,
			 "`%s` takes no --lines (-n); --dry-run only shows what would "
			 "be done",
			 verb->name);
	else
		complain(options, "`%s` takes no --%s; see `deployctl help %s`",
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
		return read_number(value, TIMEOUT_SEC_MAX, &options->timeout_sec);
	case OPTION_LINES:
		return read_number(value, LINES_MAX, &options->lines);
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

static void refuse_value(const struct options *options, const struct option_info *info,
			 const char *value)
{
	char wanted[96];

	switch (info->id) {
	case OPTION_TIMEOUT:
		(void)snprintf(wanted, sizeof(wanted), "seconds, 0 to %lld",
			       (long long)TIMEOUT_SEC_MAX);
		break;
	case OPTION_LINES:
		(void)snprintf(wanted, sizeof(wanted), "a number, 0 to %d", LINES_MAX);
		break;
	case OPTION_STRIP_COMPONENTS:
		(void)snprintf(wanted, sizeof(wanted), "a number, 0 to %d",
			       STRIP_COMPONENTS_MAX);
		break;
	case OPTION_CONFIRM:
		(void)snprintf(wanted, sizeof(wanted), "a time such as 90s, 5m or 2h");
		break;
	case OPTION_UNTIL:
		(void)snprintf(wanted, sizeof(wanted),
			       "a span such as 2h, or a time such as "
			       "2026-11-23T10:15:00Z");
		break;
	case OPTION_JSON:
		(void)snprintf(wanted, sizeof(wanted), "short, pretty or off");
		break;
	case OPTION_HOST:
		(void)snprintf(wanted, sizeof(wanted), "[USER@]HOST");
		break;
	default:
		(void)snprintf(wanted, sizeof(wanted), "%s, not empty", info->value);
	}
	complain(options, "--%s takes %s; '%s' is not that", info->name, wanted, value);
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

	options->app = "";
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
	return !no || refuse_option(verb, no, parse->options);
}

/* The first argument is an app's name, and may be with a release. */
static bool takes_app(const struct verb *verb)
{
	return strncmp(verb->usage, "APP", 3) == 0 ||
	       strncmp(verb->usage, "[APP", 4) == 0;
}

static bool takes_release(const struct verb *verb)
{
	return strstr(verb->usage, "@RELEASE");
}

/* The name in "/srv/hello/", "hello.service", "Hello" and "hello.conf"; or NULL. */
static const char *meant_app(const char *word)
{
	static char name[APP_NAME_MAX + 1];
	size_t end = strlen(word), start;

	while (end > 0 && word[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && word[start - 1] != '/')
		start--;
	if (end - start >= sizeof(name))
		return NULL;
	for (size_t i = start; i < end; i++)
		name[i - start] =
			(char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] - 'A' + 'a'
								: word[i]);
	name[end - start] = '\0';
	name[strcspn(name, ".")] = '\0';
	return names_app_valid(name) ? name : NULL;
}

static bool check_app(const struct verb *verb, const struct options *options)
{
	const char *meant;

	if (!takes_app(verb))
		return true;
	if ((verb->flags & TAKES_ARCHIVE) && !names_app_valid(options->app) &&
	    names_app_valid(options->args[1])) {
		complain(options, "the app comes first: deployctl %s %s %s", verb->name,
			 options->args[1], options->args[0]);
		return false;
	}
	if (!names_app_valid(options->app)) {
		meant = meant_app(options->app);
		if (meant)
			complain(options,
				 "'%s' is not the name of an app; did you mean '%s'?",
				 options->app, meant);
		else
			complain(options,
				 "'%s' is not the name of an app; `deployctl list` "
				 "shows the names",
				 options->app);
		return false;
	}
	if (options->release && !takes_release(verb)) {
		complain(options,
			 "`%s` takes an app, not one of its releases: deployctl "
			 "%s %s",
			 verb->name, verb->name, options->app);
		return false;
	}
	return true;
}

/* What is too much may be the value of an option that needs a '='. */
static void refuse_arguments(const struct verb *verb, const struct parse *parse)
{
	const struct options *options = parse->options;
	const char *first = options->args[verb->max_args];

	if (options->n_args < verb->min_args) {
		complain(options, "usage: deployctl %s%s%s", verb->name,
			 *verb->usage ? " " : "", verb->usage);
		return;
	}
	for (size_t i = 0; i < parse->n_given; i++) {
		const struct option_info *info = find_info(parse->given[i]);

		if (!info || !info->name || !option_value_is_optional(info))
			continue;
		complain(options,
			 "'%s' is one argument too many; if it is the value of --%s, "
			 "write --%s=%s",
			 first, info->name, info->name, first);
		return;
	}
	complain(options, "'%s' is one argument too many; usage: deployctl %s%s%s",
		 first, verb->name, *verb->usage ? " " : "", verb->usage);
}

static const struct verb *check(const struct verb *verb, const struct parse *parse)
{
	struct options *options = parse->options;

	if (!fits(verb, parse))
		return NULL;
	if (options->n_args < verb->min_args || options->n_args > verb->max_args) {
		refuse_arguments(verb, parse);
		return NULL;
	}
	if ((verb->flags & TAKES_DAEMON) && options->daemon == (options->n_args > 0)) {
		complain(options, "usage: deployctl %s APP, or deployctl %s --daemon",
			 verb->name, verb->name);
		return NULL;
	}
	if (options->no_block && was_given(parse, OPTION_TIMEOUT)) {
		complain(options,
			 "--no-block does not wait, --timeout says how long to: "
			 "give one of them");
		return NULL;
	}
	if (options->n_args > 0 && !split_app(options)) {
		if (options->release && options->app[0] != '\0' && takes_release(verb))
			complain(
				options,
				"no release after the '@' of '%s'; `deployctl releases "
				"%s` lists them",
				options->args[0], options->app);
		else
			complain(options,
				 "'%s' is not the name of an app; `deployctl "
				 "list` shows the names",
				 options->args[0]);
		return NULL;
	}
	if (options->n_args > 0 && !check_app(verb, options))
		return NULL;
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

static bool bad_option(const struct options *options, char *argv[], int c)
{
	/* getopt has moved on; for a letter it may not have. */
	const char *word = argv[optind > 1 ? optind - 1 : 1], *meant;

	if (optopt > 0 && optopt < OPTION_HELP) {
		if (c == ':')
			complain(options,
				 "-%c requires a value; see `deployctl --help`",
				 optopt);
		else
			complain(options, "unknown option -%c; see `deployctl --help`",
				 optopt);
		return false;
	}
	if (c == ':') {
		complain(options, "%s requires a value; see `deployctl --help`", word);
		return false;
	}
	meant = optopt == 0 ? meant_option(word) : NULL;
	if (optopt != 0)
		complain(options, "%.*s takes no value; see `deployctl --help`",
			 (int)strcspn(word, "="), word);
	else if (meant)
		complain(options, "unknown option %s; did you mean --%s?", word, meant);
	else
		complain(options, "unknown option %s; see `deployctl --help`", word);
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
			return bad_option(parse->options, argv, c);
		if (verb && !option_is_taken(verb, info))
			return refuse_option(verb, info->name, parse->options);
		if (info->id == OPTION_HELP) {
			parse->help = true;
			continue;
		}
		if (parse->n_given < GIVEN_MAX)
			parse->given[parse->n_given++] = info->id;
		if (!take(parse->options, info->id, optarg, &parse->version)) {
			refuse_value(parse->options, info, optarg ? optarg : "");
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
			(void)verb_tell_unknown(ret_options, argv[0]);
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
			complain(ret_options, "'%s' is one argument too many",
				 argv[optind]);
			return NULL;
		}
		ret_options->args[ret_options->n_args++] = argv[optind];
	}
	if (parse.version) {
		complain(ret_options, "--version goes in front of the verb");
		return NULL;
	}
	return check(verb, &parse);
}
