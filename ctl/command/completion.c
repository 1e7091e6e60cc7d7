/*
 * The verb `completion`: what a shell needs to complete our command lines, printed from
 * the table. What follows a verb is read from its usage text.
 */
#include "command/completion.h"

#include <stdio.h>
#include <string.h>

#include "command/option_table.h"
#include "deploy/result.h"
#include "output/terminal.h"

/*
 * The next word of a usage text as what completes it: "app", "release" (APP@RELEASE),
 * "file", "job", "verb", or the choices themselves ("check list"). False at the end.
 */
static bool next_argument(const char **usage, char *ret_what, size_t size)
{
	static const struct {
		const char *word, *what;
	} known[] = {{"APP@RELEASE", "release"}, {"APP", "app"}, {"FILE|-", "file"},
		     {"ARCHIVE", "file"},	 {"JOB", "job"}, {"VERB", "verb"}};
	char word[64];
	size_t n = 0;

	*usage += strspn(*usage, " ");
	if (!**usage)
		return false;
	for (; **usage && **usage != ' '; (*usage)++)
		if (!strchr("[]", **usage) && n < sizeof(word) - 1)
			word[n++] = **usage;
	word[n] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(word, known[i].word) == 0) {
			(void)snprintf(ret_what, size, "%s", known[i].what);
			return true;
		}
	}
	for (char *bar = strchr(word, '|'); bar; bar = strchr(bar, '|'))
		*bar = ' ';
	(void)snprintf(ret_what, size, "%s", word);
	return true;
}

/* NULL: is it of every verb? */
static bool is_offered(const struct verb *verb, const struct option_info *info)
{
	if (!info->name || !verb)
		return info->name && info->flags == 0;
	if ((info->id == OPTION_JSON && (verb->flags & NO_JSON)) ||
	    (info->id == OPTION_HOST && (verb->flags & NO_HOST)))
		return false;
	return option_is_taken(verb, info);
}

/* " --json --quiet ..." of a verb; NULL: those of every verb. */
static void print_options(const struct verb *verb)
{
	for (size_t i = 0; i < OPTION_INFOS; i++)
		if (is_offered(verb, &option_infos[i]))
			(void)printf(" --%s", option_infos[i].name);
}

/* "-H|--host|..." */
static void print_with_values(void)
{
	const char *bar = "";

	for (size_t i = 0; i < OPTION_INFOS; i++) {
		const struct option_info *info = &option_infos[i];

		if (!info->value || option_value_is_optional(info))
			continue;
		if (info->letter)
			(void)printf("%s-%c", bar, info->letter);
		bar = *bar || info->letter ? " | " : bar;
		if (info->name)
			(void)printf("%s--%s", bar, info->name);
		bar = " | ";
	}
}

static const char bash_head[] =
	"# bash completion for deployctl; printed by `deployctl completion bash`\n"
	"_deployctl() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb= app= what= word i whole=\n"
	"\tlocal -a arguments=() given=()\n"
	"\tlocal options=\n"
	"\tlocal last=$((COMP_CWORD - 1))\n"
	"\n"
	"\t# bash cuts --json=short and hello@ID in three; of the latter it replaces "
	"@ID,\n"
	"\t# or all of it where hostcomplete is off and @ cuts nothing.\n"
	"\t[[ $cur != [=@] ]] || { last=$COMP_CWORD; cur=; }\n"
	"\tfor ((i = 1; i <= last; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t= | @) i=$((i + 1)) ;;\n"
	"\t\t--version)\n" /* behind a verb it has a value */
	"\t\t\t[[ -z $verb || ${COMP_WORDS[i + 1]-} == = ]] || i=$((i + 1)) ;;\n";

static const char bash_middle[] =
	"\t\t\t[[ ${COMP_WORDS[i + 1]-} == = ]] || i=$((i + 1)) ;;\n"
	"\t\t-?*) ;;\n"
	"\t\t*)\n"
	"\t\t\tif [[ -z $verb ]]; then verb=$word; else given+=(\"$word\"); fi\n"
	"\t\t\t;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tapp=${given[0]-}\n"
	"\tCOMPREPLY=()\n"
	"\n"
	"\tcase $verb in\n";

static const char bash_tail[] =
	"\n"
	"\tword=${COMP_WORDS[last]}\n"
	"\t[[ $word != = ]] || word=${COMP_WORDS[last - 1]}\n"
	"\tcase $word in\n"
	"\t--json)\n"
	"\t\t[[ ${COMP_WORDS[last]} != = ]] || what='pretty short off' ;;\n"
	"\t-H | --host)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -A hostname -- \"$cur\")\n"
	"\t\treturn ;;\n"
	"\t--user)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -u -- \"$cur\")\n"
	"\t\treturn ;;\n"
	"\t--socket | --app-file) what=file ;;\n"
	"\t--if-current) what=id ;;\n"
	"\t--sha256 | --revision | --timeout | --message | -m | --lines | -n) return "
	";;\n"
	"\t@) what=id; whole=@ ;;\n"
	"\tesac\n"
	"\t[[ $cur != ?*@* ]] || { what=id; app=${cur%%@*}; whole=$app@; }\n"
	"\tif [[ -z $what && $cur == -* ]]; then\n"
	"\t\twhat=$options\n"
	"\telif [[ -z $what && -z $verb ]]; then\n"
	"\t\twhat=verb\n"
	"\telif [[ -z $what ]]; then\n"
	"\t\twhat=${arguments[${#given[@]}]-}\n"
	"\tfi\n"
	"\tcase $what in\n"
	"\tapp | release)\n"
	"\t\twhat=$(deployctl list --no-legend --no-pager --json=off 2> /dev/null |\n"
	"\t\t\tawk '{print $1}') ;;\n"
	"\tid)\n"
	"\t\twhat=$(deployctl releases \"$app\" --no-legend --no-pager --json=off \\\n"
	"\t\t\t2> /dev/null | awk '{print $1}') ;;\n"
	"\tjob)\n"
	"\t\twhat=$(deployctl jobs --no-legend --no-pager --json=off 2> /dev/null |\n"
	"\t\t\tawk '{print $1}') ;;\n"
	"\tverb) what=$verbs ;;\n"
	"\tfile)\n"
	"\t\tcompopt -o filenames 2> /dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\treturn ;;\n"
	"\tesac\n"
	"\tcur=${cur##*@}\n"
	"\tmapfile -t COMPREPLY < <(compgen -P \"$whole\" -W \"$what\" -- \"$cur\")\n"
	"}\n"
	"complete -F _deployctl deployctl\n";

static void print_bash(const struct verb_table *verbs)
{
	(void)fputs(bash_head, stdout);
	(void)fputs("\t\t", stdout);
	print_with_values();
	(void)puts(")");
	(void)fputs(bash_middle, stdout);
	for (size_t i = 0; i < verbs->n; i++) {
		const char *usage = verbs->rows[i].usage;
		char what[64];

		if (!verbs->rows[i].group)
			continue;
		(void)printf("\t%s)\n\t\toptions='", verbs->rows[i].name);
		print_options(&verbs->rows[i]);
		(void)fputs("'\n\t\targuments=(", stdout);
		while (next_argument(&usage, what, sizeof(what)))
			(void)printf(" '%s'", what);
		(void)puts(" ) ;;");
	}
	(void)fputs("\t*)\n\t\toptions='", stdout);
	print_options(NULL);
	(void)fputs("' ;;\n\tesac\n\tlocal verbs='", stdout);
	for (size_t i = 0; i < verbs->n; i++)
		if (verbs->rows[i].group)
			(void)printf(" %s", verbs->rows[i].name);
	(void)puts("'");
	(void)fputs(bash_tail, stdout);
}

/* Between single quotes, and with what _arguments reads as syntax escaped. */
static void print_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			(void)fputs("'\\''", stdout);
		else if (strchr("[]:", *text))
			(void)printf("\\%c", *text);
		else
			(void)putchar(*text);
	}
}

static const char *zsh_action(const struct option_info *info)
{
	static const struct {
		const char *name, *action;
	} known[] = {{"json", "(pretty short off)"},
		     {"host", "_hosts"},
		     {"user", "_users"},
		     {"socket", "_files"},
		     {"app-file", "_files"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (info->name && strcmp(info->name, known[i].name) == 0)
			return known[i].action;
	return " ";
}

static void print_zsh_option(const struct option_info *info)
{
	for (int is_long = 0; is_long < 2; is_long++) {
		if (is_long ? !info->name : !info->letter)
			continue;
		(void)fputs("\t\t'", stdout);
		if (is_long)
			(void)printf("--%s%s", info->name,
				     !info->value		      ? ""
				     : option_value_is_optional(info) ? "=-"
								      : "=");
		else
			(void)printf("-%c%s", info->letter, info->value ? "+" : "");
		(void)putchar('[');
		print_zsh_text(info->help);
		(void)putchar(']');
		if (info->value)
			(void)printf("%s:value:%s",
				     option_value_is_optional(info) ? ":" : "",
				     zsh_action(info));
		(void)puts("'");
	}
}

static const char zsh_head[] =
	"#compdef deployctl\n"
	"# zsh completion for deployctl; printed by `deployctl completion zsh`\n"
	"_deployctl_column() {\n"
	"\tlocal -a found\n"
	"\tfound=(${(f)\"$(deployctl \"$@\" --no-legend --no-pager --json=off \\\n"
	"\t\t2> /dev/null | awk '{print $1}')\"})\n"
	"\tcompadd -a found\n"
	"}\n"
	"_deployctl() {\n"
	"\tlocal curcontext=$curcontext state what verb\n"
	"\tlocal -a line verbs options arguments\n"
	"\tlocal -i i n=1\n"
	"\n"
	"\toptions=(\n";

/* Which of the verb's arguments it is: options and their values are none. */
static const char zsh_middle[] = "\t)\n"
				 "\t_arguments -C -S $options '1:verb:->verb' "
				 "'*:argument:->argument' && return\n"
				 "\tfor ((i = 2; i < CURRENT; i++)); do\n"
				 "\t\tcase $words[i] in\n"
				 "\t\t(";

static const char zsh_verbs[] = ") ((i++)) ;;\n"
				"\t\t(--version) [[ -z $verb ]] || ((i++)) ;;\n"
				"\t\t(-?*) ;;\n"
				"\t\t(*) if [[ -z $verb ]]; then verb=$words[i]; "
				"else ((n++)); fi ;;\n"
				"\t\tesac\n"
				"\tdone\n"
				"\tif [[ $state == argument ]]; then\n"
				"\t\tcase $verb in\n";

static const char zsh_tail[] =
	"\t\tesac\n"
	"\t\twhat=$arguments[n]\n"
	"\telse\n"
	"\t\twhat=verb\n"
	"\tfi\n"
	"\tcase $what in\n"
	"\tverb) _describe verb verbs ;;\n"
	"\tapp) _deployctl_column list ;;\n"
	"\trelease)\n"
	"\t\tif compset -P '*@'; then\n"
	"\t\t\t_deployctl_column releases ${${words[CURRENT]}%%@*}\n"
	"\t\telse\n"
	"\t\t\t_deployctl_column list\n"
	"\t\tfi ;;\n"
	"\tjob) _deployctl_column jobs ;;\n"
	"\tfile) _files ;;\n"
	"\t*) compadd -- ${=what} ;;\n"
	"\tesac\n"
	"}\n"
	"_deployctl \"$@\"\n";

static void print_zsh(const struct verb_table *verbs)
{
	(void)fputs(zsh_head, stdout);
	for (size_t i = 0; i < OPTION_INFOS; i++)
		print_zsh_option(&option_infos[i]);
	(void)puts("\t)\n\tverbs=(");
	for (size_t i = 0; i < verbs->n; i++) {
		if (!verbs->rows[i].group)
			continue;
		(void)printf("\t\t'%s:", verbs->rows[i].name);
		print_zsh_text(verbs->rows[i].help);
		(void)puts("'");
	}
	(void)fputs(zsh_middle, stdout);
	print_with_values();
	(void)fputs(zsh_verbs, stdout);
	for (size_t i = 0; i < verbs->n; i++) {
		const char *usage = verbs->rows[i].usage;
		char what[64];

		if (!verbs->rows[i].group)
			continue;
		(void)printf("\t\t%s) arguments=(", verbs->rows[i].name);
		while (next_argument(&usage, what, sizeof(what)))
			(void)printf(" '%s'", what);
		(void)puts(" ) ;;");
	}
	(void)fputs(zsh_tail, stdout);
}

int verb_completion(const struct verb *verb, const struct options *options)
{
	(void)verb;
	if (strcmp(options->args[0], "bash") == 0) {
		print_bash(options->verbs);
		return 0;
	}
	if (strcmp(options->args[0], "zsh") == 0) {
		print_zsh(options->verbs);
		return 0;
	}
	terminal_error("there are completions for bash and zsh, not for '%s'",
		       options->args[0]);
	return result_exit_status(RESULT_USAGE);
}
