#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_config.h"
#include "deploy/result.h"

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
	OPTION_USER,
	OPTION_SOCKET,
};

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
	{"timeout", 0, "SEC", TAKES_WAIT, "Stop waiting after this time; the job goes on",
	 OPTION_TIMEOUT},
	{"if-current", 0, "ID", TAKES_IF_CURRENT,
	 "Refuse unless this release is current (none: no release is)", OPTION_IF_CURRENT},
	{"sha256", 0, "HEX", TAKES_ARCHIVE, "Refuse an archive with another hash",
	 OPTION_SHA256},
	{"revision", 0, "REV", TAKES_ARCHIVE, "What it was built from", OPTION_REVISION},
	{"message", 'm', "TEXT", TAKES_ARCHIVE, "A note for the history", OPTION_MESSAGE},
	{"lines", 'n', "N", TAKES_LINES, "How many of the newest lines", OPTION_LINES},
	{"follow", 'f', NULL, TAKES_FOLLOW, "Show new lines as they come", OPTION_FOLLOW},
	{"user", 0, "USER", TAKES_USER, "Ask for another user (root)", OPTION_USER},
	{"socket", 0, "PATH", 0, "Another socket, whoever serves it", OPTION_SOCKET},
};
const size_t n_option_infos = sizeof(option_infos) / sizeof(*option_infos);

static void complain(const char *fmt, const char *what)
{
	(void)fprintf(stderr, "deployctl: ");
	(void)fprintf(stderr, "%s %s", fmt, what);
	(void)fprintf(stderr, "; see `deployctl --help`\n");
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
		return read_number(value, 86400 * 7, &options->timeout_sec);
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
	default:
		return false;
	}
}

/* What getopt needs, made of the table. */
static void make_getopt(struct option *ret_long, char *ret_short)
{
	size_t n = 0;

	for (size_t i = 0; i < n_option_infos; i++) {
		const struct option_info *info = &option_infos[i];

		if (info->name)
			ret_long[n++] = (struct option){info->name, has_arg(info), NULL,
							info->id};
		if (info->letter) {
			*ret_short++ = info->letter;
			if (has_arg(info) == required_argument)
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

/* Options given that the verb does not take are mistakes, not decoration. */
static bool fits(const struct verb *verb, const int *given, size_t n_given)
{
	for (size_t i = 0; i < n_given; i++) {
		const struct option_info *info = find_info(given[i]);

		if (info && info->flags != 0 && !(info->flags & verb->flags)) {
			(void)fprintf(stderr,
				      "deployctl: `%s` takes no --%s; see `deployctl help "
				      "%s`\n",
				      verb->name, info->name, verb->name);
			return false;
		}
	}
	return true;
}

static const struct verb *check(const struct verb *verb, struct options *options,
				const int *given, size_t n_given)
{
	if (!fits(verb, given, n_given))
		return NULL;
	if (options->version && !(verb->flags & TAKES_ARCHIVE)) {
		complain("--version=V belongs to deploy and stage, not to", verb->name);
		return NULL;
	}
	if (options->n_args < verb->min_args || options->n_args > verb->max_args) {
		(void)fprintf(stderr, "deployctl: usage: deployctl %s%s%s\n", verb->name,
			      *verb->usage ? " " : "", verb->usage);
		return NULL;
	}
	if (options->n_args > 0 && !split_app(options)) {
		complain("not an app:", options->args[0]);
		return NULL;
	}
	return verb;
}

const struct verb *options_parse(int argc, char *argv[], struct options *ret_options,
				 int *ret_status)
{
	struct option long_options[32];
	char short_options[64];
	const struct verb *verb = NULL;
	int given[64];
	size_t n_given = 0;
	bool version = false, help = false;
	int c;

	*ret_options = (struct options){.lines = -1, .timeout_sec = -1};
	*ret_status = result_exit_status(RESULT_USAGE);
	make_getopt(long_options, short_options);
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		const struct option_info *info = c == '?' ? NULL : find_info(c);

		if (!info)
			return NULL; /* getopt has complained */
		if (info->id == OPTION_HELP) {
			help = true;
			continue;
		}
		if (n_given < sizeof(given) / sizeof(*given))
			given[n_given++] = info->id;
		if (!take(ret_options, info->id, optarg, &version)) {
			complain("bad value of option:", optarg ? optarg : "");
			return NULL;
		}
	}
	if (version) {
		(void)printf("deployctl %s\n", DEPLOYD_VERSION);
		*ret_status = 0;
		return NULL;
	}
	if (optind < argc) {
		verb = verb_find(argv[optind]);
		if (!verb) {
			complain("unknown verb:", argv[optind]);
			return NULL;
		}
		optind++;
	}
	if (help) {
		if (verb)
			help_verb(verb);
		else
			help_program();
		*ret_status = 0;
		return NULL;
	}
	if (!verb)
		verb = verb_find("list");
	while (optind < argc && ret_options->n_args < 4)
		ret_options->args[ret_options->n_args++] = argv[optind++];
	return optind < argc ? (complain("too many arguments:", argv[optind]), NULL)
			     : check(verb, ret_options, given, n_given);
}
