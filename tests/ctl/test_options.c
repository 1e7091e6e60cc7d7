#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/remote.h"
#include "command/option_table.h"
#include "command/parse.h"
#include "command/verb_name.h"
#include "deploy/right.h"
#include "output/terminal.h"
#include "verbs.h"

#define WORDS_MAX 16

/* Parses a command line whose words are separated by blanks. */
static const struct verb *parse(const char *line, struct options *options, int *status)
{
	static char copy[256];
	static char *argv[WORDS_MAX + 2];
	int argc = 1;

	(void)strcpy(copy, line);
	argv[0] = (char[]){"deployctl"};
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(&verbs, argc, argv, options, status);
}

static void accepted(void **state)
{
	static const struct {
		const char *line, *verb, *app, *release, *second, *version, *message;
		enum json_mode json;
	} cases[] = {
		{"", "list", NULL, NULL, NULL, NULL, NULL, JSON_MODE_OFF},
		{"--json", "list", NULL, NULL, NULL, NULL, NULL, JSON_MODE_SHORT},
		{"-j list", "list", NULL, NULL, NULL, NULL, NULL, JSON_MODE_SHORT},
		{"--json=pretty status a", "status", "a", NULL, NULL, NULL, NULL,
		 JSON_MODE_PRETTY},
		{"status --json a", "status", "a", NULL, NULL, NULL, NULL,
		 JSON_MODE_SHORT},
		{"status a --json=short --json=off", "status", "a", NULL, NULL, NULL,
		 NULL, JSON_MODE_OFF},
		{"deploy a f", "deploy", "a", NULL, "f", NULL, NULL, JSON_MODE_OFF},
		{"deploy --version 2.0 -m x a -", "deploy", "a", NULL, "-", "2.0", "x",
		 JSON_MODE_OFF},
		{"deploy a - --version=2.0 --message=x", "deploy", "a", NULL, "-",
		 "2.0", "x", JSON_MODE_OFF},
		{"--version=3 stage a f", "stage", "a", NULL, "f", "3", NULL,
		 JSON_MODE_OFF},
		{"activate a@r", "activate", "a", "r", NULL, NULL, NULL, JSON_MODE_OFF},
		{"activate a r", "activate", "a", NULL, "r", NULL, NULL, JSON_MODE_OFF},
		{"deploy -- a -f", "deploy", "a", NULL, "-f", NULL, NULL,
		 JSON_MODE_OFF},
		{"can restart a", "can", "restart", NULL, "a", NULL, NULL,
		 JSON_MODE_OFF},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct options options;
		int status = 99;
		const struct verb *verb = parse(cases[i].line, &options, &status);

		print_message("deployctl %s\n", cases[i].line);
		assert_non_null(verb);
		assert_string_equal(verb->name, cases[i].verb);
		assert_int_equal(options.json, cases[i].json);
#define SAME(text, wanted)                                                             \
	do {                                                                           \
		assert_int_equal(!(text), !(wanted));                                  \
		if (wanted)                                                            \
			assert_string_equal(text, wanted);                             \
	} while (0)
		SAME(options.app, cases[i].app);
		SAME(options.release, cases[i].release);
		SAME(options.args[1], cases[i].second);
		SAME(options.version, cases[i].version);
		SAME(options.message, cases[i].message);
	}
}

static void refused(void **state)
{
	static const char *const lines[] = {
		"nonsense",
		"--nonsense",
		"list --nonsense",
		"list a",
		"status",
		"status a b",
		"deploy a",
		"deploy a f g",
		"deploy a f g h i",
		"list --sha256=x",
		"status -n 3 a",
		"restart --if-current=x a",
		"deploy a f -m",
		"deploy a f -x",
		"--json=maybe list",
		"history a -n many",
		"history a -n -1",
		"history a -n 99999999999999999999",
		"deploy a f --timeout=x",
		"deploy a f --timeout=3 --no-block",
		"deploy @r f",
		"activate a@",
		"status a@r",
		"logs a@r",
		"restart a.service",
		"status /srv/a",
		"status A",
		"deploy f.tar.gz a",
		"deploy a f --confirm 5m",
		"list --version=3",
		"list --version",
		"logs a --json",
		"completion bash -H host",
		"-H -oProxyCommand=x list",
		"deploy --no-block=3 a f",
		"deploy a f --version",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct options options;
		int status = 99;

		print_message("deployctl %s\n", lines[i]);
		assert_null(parse(lines[i], &options, &status));
		assert_int_equal(status, 2);
	}
}

static void numbers_and_switches(void **state)
{
	struct options options;
	int status;

	(void)state;
	assert_non_null(parse("deploy a f --timeout=0 -q --no-pager --if-current=none "
			      "--sha256=ab --revision=r -H u@h --socket=/s",
			      &options, &status));
	assert_int_equal(options.timeout_sec, 0);
	assert_true(options.quiet && options.no_pager && !options.no_block);
	assert_string_equal(options.if_current, "");
	assert_string_equal(options.sha256, "ab");
	assert_string_equal(options.revision, "r");
	assert_string_equal(options.host, "u@h");
	assert_string_equal(options.socket, "/s");
	assert_non_null(parse("logs -f -n 0 a", &options, &status));
	assert_int_equal(options.lines, 0);
	assert_int_equal(options.timeout_sec, -1);
	assert_true(options.follow);
	assert_non_null(
		parse("deploy a f --no-block --if-current=r", &options, &status));
	assert_true(options.no_block);
	assert_string_equal(options.if_current, "r");
}

/* -n is --lines, before and behind the verb, and of those alone that take it. */
static void letter_of_one_option(void **state)
{
	struct options options;
	int status;

	(void)state;
	assert_non_null(parse("history a -n 3", &options, &status));
	assert_int_equal(options.lines, 3);
	assert_non_null(parse("-n 3 history a", &options, &status));
	assert_int_equal(options.lines, 3);
	assert_null(parse("init -n a", &options, &status));
	assert_null(parse("init a -n", &options, &status));
	assert_int_equal(status, 2);
	assert_null(parse("-n create-dirs", &options, &status));
	assert_null(parse("-n list", &options, &status));
	assert_null(parse("status -n a", &options, &status));
}

static void set_up_options(void **state)
{
	struct options options;
	int status;

	(void)state;
	assert_non_null(parse("enable a --now --app-file=f.conf", &options, &status));
	assert_true(options.now);
	assert_string_equal(options.app_file, "f.conf");
	assert_non_null(parse("clean-target --yes", &options, &status));
	assert_true(options.yes && !options.dry_run);
	assert_null(options.app);
	assert_non_null(parse("show a --config", &options, &status));
	assert_true(options.config);
	assert_null(parse("init a --yes", &options, &status));
	assert_null(parse("init a --now", &options, &status));
	assert_null(parse("init a -H host", &options, &status));
	assert_null(parse("start a --dry-run", &options, &status));
	assert_null(parse("status a --config", &options, &status));
	assert_null(parse("init a b", &options, &status));
}

/* Help and the version are no errors, and nothing runs. */
static void nothing_to_run(void **state)
{
	static const char *const lines[] = {"--version", "--help", "-h",
					    "deploy --help", "list -h"};
	int out = dup(STDOUT_FILENO);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct options options;
		int status = 99;

		assert_non_null(freopen("/dev/null", "w", stdout));
		assert_null(parse(lines[i], &options, &status));
		(void)fflush(stdout);
		assert_int_equal(status, 0);
	}
	(void)dup2(out, STDOUT_FILENO);
	(void)close(out);
}

/* A name or letter is that of one option. */
static void check_pair(const struct option_info *a, const struct option_info *b)
{
	assert_true(!a->name || !b->name || strcmp(a->name, b->name) != 0);
	assert_true(!a->letter || a->letter != b->letter);
}

/* Every row makes sense: names are unique, and each verb is complete. */
static void table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < verbs.n; i++) {
		const struct verb *verb = &verbs.rows[i];

		assert_ptr_equal(verb_find(&verbs, verb->name), verb);
		assert_non_null(verb->run);
		assert_true(verb->min_args <= verb->max_args);
		assert_true(verb->max_args <= OPTIONS_ARGS_MAX);
		if (verb->right != VERB_FOR_ROOT && *verb->right)
			assert_int_not_equal(right_from_name(verb->right), RIGHT_COUNT);
	}
	for (size_t i = 0; i < OPTION_INFOS; i++)
		for (size_t j = 0; j < i; j++)
			check_pair(&option_infos[i], &option_infos[j]);
}

static char *command_of(const char *line)
{
	struct options options;
	int status;
	const struct verb *verb = parse(line, &options, &status);

	assert_non_null(verb);
	return remote_command(verb, &options, JSON_MODE_SHORT);
}

static void remote_command_has_every_option(void **state)
{
	char *command = command_of("deploy a file -q --no-block --sha256=s --version "
				   "v --revision r -m m "
				   "--if-current=none -H host --socket=/s");

	(void)state;
	assert_string_equal(
		command, "deployctl deploy --json=short --quiet --no-block --no-pager "
			 "--sha256=s --version=v --revision=r --message=m "
			 "--if-current=none --socket=/s -- a -");
	free(command);
	command = command_of("logs -f -n 3 a -H host");
	assert_string_equal(
		command,
		"deployctl logs --json=short --follow --no-pager --lines=3 -- a");
	free(command);
	command = command_of("can restart a --user=u");
	assert_string_equal(
		command, "deployctl can --json=short --no-pager --user=u -- restart a");
	free(command);
	command = command_of("attach j --timeout=3");
	assert_string_equal(
		command, "deployctl attach --json=short --no-pager --timeout=3 -- j");
	free(command);
	command = command_of("releases a --no-legend");
	assert_string_equal(
		command, "deployctl releases --json=short --no-legend --no-pager -- a");
	free(command);
}

/* A shell makes of the command the very words that went in, whatever they are. */
static void remote_command_is_quoted(void **state)
{
	static const char *const nasty[] = {
		"it's",	    "$(touch /tmp/x)",
		"`id`",	    "a b",
		"\"",	    "\\",
		"*",	    ";true",
		"a\nb",	    "",
		"~",	    "!!",
		"#x",	    "'''",
		"\xc3\xa4", "&& false",
		"-x",	    "=x",
		"{a,b}",    "a'b'c\\'d",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nasty) / sizeof(*nasty); i++) {
		struct options options = {.lines = -1, .timeout_sec = -1};
		char *command, *script = NULL, got[256];
		size_t n;
		FILE *file;

		options.message = nasty[i];
		options.args[0] = nasty[i];
		options.n_args = 1;
		command = remote_command(verb_find(&verbs, "list"), &options,
					 JSON_MODE_SHORT);
		assert_non_null(command);
		assert_true(asprintf(&script,
				     "deployctl() { printf '%%s' \"$4|$6\"; }; %s",
				     command) > 0);
		file = popen(script, "r");
		assert_non_null(file);
		n = fread(got, 1, sizeof(got) - 1, file);
		got[n] = '\0';
		assert_int_equal(pclose(file), 0);
		print_message("%s\n", command);
		free(script);
		assert_true(asprintf(&script, "--message=%s|%s", nasty[i], nasty[i]) >
			    0);
		assert_string_equal(got, script);
		free(script);
		free(command);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(numbers_and_switches),
		cmocka_unit_test(letter_of_one_option),
		cmocka_unit_test(set_up_options),
		cmocka_unit_test(nothing_to_run),
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(remote_command_has_every_option),
		cmocka_unit_test(remote_command_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
