#include "setup/app_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/ini.h"
#include "deploy/names.h"
#include "deploy/suggest.h"
#include "output/failure.h"
#include "output/terminal.h"
#include "util/config_files.h"

static const struct {
	const char *variable, *section, *option;
} overrides[] = {
	{"APP_USER", "users", "app_user"},
	{"APP_GROUP", "users", "app_group"},
	{"DEPLOY_USER", "users", "deploy_user"},
	{"DEPLOY_GROUP", "users", "deploy_group"},
	{"MIX_ENV", "app", "mix_env"},
};
#define N_OVERRIDES (sizeof(overrides) / sizeof(*overrides))

bool app_file_override(const char *section, const char *option, const char *value,
		       char ret_text[APP_FILE_OVERRIDE_SIZE])
{
	/* Braces would be expanded, quotes and newlines would be syntax. */
	static const char fit[] = "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+-";
	int n = snprintf(ret_text, APP_FILE_OVERRIDE_SIZE, "[%s]\n%s = %s\n", section,
			 option, value);

	return *value && value[strspn(value, fit)] == '\0' && n > 0 &&
	       n < APP_FILE_OVERRIDE_SIZE;
}

/* The app of one file, and what is wrong with it. */
struct candidate {
	struct config_file_list files;
	struct app_config *app; /* NULL: its file has errors */
	struct diag diag;
	char name[256]; /* the file's, without .conf */
};

static void candidate_deinit(struct candidate *candidate)
{
	config_file_list_deinit(&candidate->files);
	app_config_free(candidate->app);
	diag_deinit(&candidate->diag);
}

static void parse(struct candidate *candidate, bool with_environment)
{
	size_t n = candidate->files.n_texts, n_all = n;
	char texts[N_OVERRIDES][APP_FILE_OVERRIDE_SIZE];
	struct config_text *all = calloc(n + N_OVERRIDES, sizeof(*all));

	if (!all) {
		diag_error(&candidate->diag, candidate->name, 0, "out of memory");
		return;
	}
	memcpy(all, candidate->files.texts, n * sizeof(*all));
	for (size_t i = 0; with_environment && i < N_OVERRIDES; i++) {
		const char *value = getenv(overrides[i].variable);

		if (!value || !*value)
			continue;
		if (!app_file_override(overrides[i].section, overrides[i].option, value,
				       texts[i])) {
			diag_error(&candidate->diag, overrides[i].variable, 0,
				   "the environment variable is no name");
			continue;
		}
		all[n_all++] = (struct config_text){overrides[i].variable, texts[i],
						    strlen(texts[i])};
	}
	candidate->app =
		app_config_parse(candidate->name, all, n_all, &candidate->diag);
	if (candidate->diag.has_errors && candidate->app) {
		app_config_free(candidate->app);
		candidate->app = NULL;
	}
	free(all);
}

static int tell_errors(const struct options *options, const struct candidate *candidate)
{
	json_t *parameters, *messages = json_array();
	int status;

	for (size_t i = 0; i < candidate->diag.n_messages; i++)
		(void)json_array_append_new(messages,
					    json_string(candidate->diag.messages[i]));
	parameters = json_pack("{s:o, s:s}", "messages", messages, "message",
			       "the app's configuration has errors");
	status = failure_show(options, RESULT_BAD_CONFIG, parameters);
	json_decref(parameters);
	return status;
}

/* The app is handed on, or its errors are told. */
static int settle(const struct options *options, struct candidate *candidate,
		  struct app_config **ret_app)
{
	if (!candidate->app)
		return tell_errors(options, candidate);
	for (size_t i = 0; i < candidate->diag.n_messages; i++)
		terminal_error("%s", candidate->diag.messages[i]);
	*ret_app = steal_ptr(&candidate->app);
	return 0;
}

static int read_whole(const char *path, struct config_file_list *list, int *ret_err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	char *text = malloc(INI_FILE_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = -1;

	while (fd >= 0 && text && length <= INI_FILE_BYTES_MAX) {
		n = read(fd, text + length, INI_FILE_BYTES_MAX + 1 - length);
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	*ret_err = n < 0 ? errno : length > INI_FILE_BYTES_MAX ? EFBIG : 0;
	list->texts = calloc(1, sizeof(*list->texts));
	if (*ret_err != 0 || !list->texts) {
		free(text);
		return -1;
	}
	list->texts[0] = (struct config_text){strdup(path), text, length};
	list->n_texts = 1;
	return list->texts[0].file ? 0 : -1;
}

/* --app-file: whoever names it answers for who may write it. */
static int load_named_file(const struct options *options, bool with_environment,
			   struct app_config **ret_app)
{
	const char *base = strrchr(options->app_file, '/');
	struct candidate candidate = {0};
	int status, error = 0;
	size_t n;

	base = base ? base + 1 : options->app_file;
	n = strlen(base);
	if (n > 5 && strcmp(base + n - 5, ".conf") == 0)
		n -= 5;
	(void)snprintf(candidate.name, sizeof(candidate.name), "%.*s", (int)n, base);
	if (options->app && options->n_args > 0)
		(void)snprintf(candidate.name, sizeof(candidate.name), "%s",
			       options->app);
	if (read_whole(options->app_file, &candidate.files, &error) < 0) {
		config_file_list_deinit(&candidate.files);
		return failure_tell(options,
				    error == ENOENT ? RESULT_NOT_FOUND : RESULT_FAILED,
				    "cannot read '%s': %s", options->app_file,
				    strerror(error ? error : ENOMEM));
	}
	parse(&candidate, with_environment);
	status = settle(options, &candidate, ret_app);
	candidate_deinit(&candidate);
	return status;
}

/* Of the names in known, each behind a blank. */
static char *nearest(const char *wrong, const char *known)
{
	const char *words[CONFIG_FILES_MAX + 1];
	cleanup_free char *copy = strdup(known);
	const char *meant;
	char *at = copy, *word;
	size_t n = 0;

	while (n < CONFIG_FILES_MAX && (word = strsep(&at, " ")))
		if (*word)
			words[n++] = word;
	words[n] = NULL;
	meant = suggest_word(wrong, words);
	return meant ? strdup(meant) : NULL;
}

static int tell_none(const struct options *options, const char *known)
{
	cleanup_free char *meant = NULL;
	char shown[128];

	if (!options->app && !*known)
		return failure_tell(options, RESULT_NOT_FOUND,
				    "no app is configured; write "
				    "/etc/deployd/apps.d/APP.conf (deployd.app(5)), or "
				    "name a file with --app-file");
	if (!options->app)
		return failure_tell(options, RESULT_USAGE,
				    "which app? There are several:%s", known);
	meant = nearest(options->app, known);
	if (meant)
		return failure_tell(options, RESULT_NOT_FOUND,
				    "there is no app '%s'; did you mean '%s'?",
				    names_escape(options->app, shown, sizeof(shown)),
				    meant);
	return failure_tell(
		options, RESULT_NOT_FOUND,
		"there is no app '%s'%s%s; write /etc/deployd/apps.d/%s.conf "
		"(deployd.app(5)), or name a file with --app-file",
		names_escape(options->app, shown, sizeof(shown)),
		*known ? ", only" : "", known,
		names_app_valid(options->app) ? options->app : "APP");
}

/* Which one is meant? An app may have another name than its file. */
static bool is_meant(const struct options *options, const struct candidate *candidate)
{
	if (!options->app)
		return true;
	if (candidate->app)
		return strcmp(candidate->app->app_name, options->app) == 0;
	return strcmp(candidate->name, options->app) == 0;
}

/* All of them, as deployd has them: one app must not be in another's way. */
struct installed {
	struct candidate *all;
	size_t n;
	struct candidate *meant; /* the first that is */
	size_t n_meant;
	char known[512]; /* their names */
};

static void read_installed(const struct options *options, bool with_environment,
			   char **names, struct installed *installed)
{
	size_t length = 0;

	for (char **p = names; *p; p++) {
		struct candidate *candidate = &installed->all[installed->n++];
		char path[300];

		(void)snprintf(path, sizeof(path), "apps.d/%s", *p);
		(void)snprintf(candidate->name, sizeof(candidate->name), "%.*s",
			       (int)(strlen(*p) - 5), *p);
		config_files_read(path, &candidate->files, &candidate->diag);
		if (candidate->files.n_texts > 0)
			parse(candidate, with_environment);
		if (length < sizeof(installed->known))
			length += (size_t)snprintf(
				installed->known + length,
				sizeof(installed->known) - length, " %s",
				candidate->app ? candidate->app->app_name
					       : candidate->name);
		if (is_meant(options, candidate) && installed->n_meant++ == 0)
			installed->meant = candidate;
	}
}

static void check_pairs(struct installed *installed)
{
	struct candidate *meant = installed->meant;

	for (size_t i = 0; meant->app && i < installed->n; i++)
		if (&installed->all[i] != meant && installed->all[i].app)
			app_config_check_pair(meant->app, installed->all[i].app,
					      &meant->diag);
	if (meant->diag.has_errors) {
		app_config_free(meant->app);
		meant->app = NULL;
	}
}

static int choose(const struct options *options, struct installed *installed,
		  const struct diag *diag, struct app_config **ret_app)
{
	if (installed->n_meant > 0 && (options->app || installed->n_meant == 1)) {
		check_pairs(installed);
		return settle(options, installed->meant, ret_app);
	}
	if (diag->has_errors && installed->n == 0)
		return failure_tell(options, RESULT_BAD_CONFIG, "%s",
				    diag->messages[0]);
	return tell_none(options, installed->known);
}

static int load_installed(const struct options *options, bool with_environment,
			  struct app_config **ret_app)
{
	struct installed installed = {0};
	struct diag diag = {0};
	char **names = config_files_names("apps.d", &diag);
	int status;

	installed.all = calloc(CONFIG_FILES_MAX, sizeof(*installed.all));
	if (names && installed.all)
		read_installed(options, with_environment, names, &installed);
	status = choose(options, &installed, &diag, ret_app);
	for (size_t i = 0; i < installed.n; i++)
		candidate_deinit(&installed.all[i]);
	for (char **p = names; p && *p; p++)
		free(*p);
	free(names);
	free(installed.all);
	diag_deinit(&diag);
	return status;
}

int app_file_load(const struct options *options, bool with_environment,
		  struct app_config **ret_app)
{
	return options->app_file ? load_named_file(options, with_environment, ret_app)
				 : load_installed(options, with_environment, ret_app);
}

static int settle_all(const struct options *options, struct installed *installed,
		      struct app_config **apps, size_t *ret_n)
{
	int status = 0;

	if (installed->n == 0)
		return tell_none(options, "");
	for (size_t i = 0; status == 0 && i < installed->n; i++) {
		installed->meant = &installed->all[i];
		if (installed->meant->app)
			check_pairs(installed);
		status = settle(options, installed->meant, &apps[*ret_n]);
		*ret_n += status == 0;
	}
	return status;
}

int app_file_load_all(const struct options *options, struct app_config ***ret_apps,
		      size_t *ret_n)
{
	struct app_config **apps =
		calloc(CONFIG_FILES_MAX, sizeof(struct app_config *));
	struct installed installed = {0};
	struct diag diag = {0};
	char **names;
	int status;

	*ret_n = 0;
	*ret_apps = apps;
	if (!apps)
		return failure_tell(options, RESULT_FAILED, "out of memory");
	if (options->app) {
		status = app_file_load(options, false, &apps[0]);
		*ret_n = status == 0;
		return status;
	}
	names = config_files_names("apps.d", &diag);
	installed.all = calloc(CONFIG_FILES_MAX, sizeof(*installed.all));
	if (names && installed.all)
		read_installed(options, false, names, &installed);
	status = settle_all(options, &installed, apps, ret_n);
	for (size_t i = 0; i < installed.n; i++)
		candidate_deinit(&installed.all[i]);
	for (char **p = names; p && *p; p++)
		free(*p);
	free(names);
	free(installed.all);
	diag_deinit(&diag);
	return status;
}
