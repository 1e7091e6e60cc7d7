/*
 * Loads the configuration: files in, one immutable set out. Runs before the loop or in
 * a thread; nothing here touches the loop's state.
 */
#include "base/config_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "util/config_files.h"
#include "util/nss.h"

/* 0, ENOENT when there is none, or an errno of the look-up. */
static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	return -nss_user(-1, name, ret_uid, ret_gid, NULL, 0);
}

static int find_group(const char *name, gid_t *ret_gid)
{
	bool ignored;

	return -nss_group(-1, name, NULL, ret_gid, &ignored);
}

static bool resolve_user(const char *name, uid_t *ret_uid, void *userdata)
{
	gid_t gid;

	(void)userdata;
	return find_user(name, ret_uid, &gid) == 0;
}

static bool resolve_group(const char *name, gid_t *ret_gid, void *userdata)
{
	(void)userdata;
	return find_group(name, ret_gid) == 0;
}

static void report_look_up(const struct app_config *app, const char *option,
			   const char *kind, const char *name, int error,
			   struct diag *diag)
{
	char text[128];

	if (error == ENOENT)
		app_config_error(app, option, diag,
				 "there is no %s '%s'; create it, or name "
				 "another",
				 kind, name);
	else if (error != 0)
		app_config_error(app, option, diag,
				 "the %s '%s' cannot be looked up: %s", kind, name,
				 strerror_r(error, text, sizeof(text)));
}

/* useradd makes the group of a user with the user: one message, not two. */
static void report_group(const struct app_config *app, const char *option,
			 const char *group, const char *user, int error,
			 struct diag *diag)
{
	uid_t uid;
	gid_t gid;

	if (error == ENOENT && strcmp(group, user) == 0 &&
	    find_user(user, &uid, &gid) == ENOENT)
		return;
	report_look_up(app, option, "group", group, error, diag);
}

static void resolve_app_users(struct app_config *app, struct diag *diag)
{
	gid_t gid;

	report_look_up(app, "app_user", "user", app->app_user,
		       find_user(app->app_user, &app->app_uid, &gid), diag);
	report_look_up(app, "deploy_user", "user", app->deploy_user,
		       find_user(app->deploy_user, &app->deploy_uid, &gid), diag);
	report_group(app, "app_group", app->app_group, app->app_user,
		     find_group(app->app_group, &app->app_gid), diag);
	report_group(app, "deploy_group", app->deploy_group, app->deploy_user,
		     find_group(app->deploy_group, &app->deploy_gid), diag);
}

/* Names may lie: it is the number that counts. */
static void check_app_users(const struct config_set *set, const struct app_config *app,
			    struct diag *diag)
{
	const struct {
		const char *option, *name;
		uid_t uid;
	} users[] = {{"app_user", app->app_user, app->app_uid},
		     {"deploy_user", app->deploy_user, app->deploy_uid}};

	if (app->app_uid == 0)
		app_config_error(app, "app_user", diag, "'%s' is root by another name",
				 app->app_user);
	if (app->app_gid == 0)
		app_config_error(app, "app_group", diag,
				 "'%s' is root's group by another name",
				 app->app_group);
	for (size_t i = 0; set->daemon && i < 2; i++)
		if (users[i].uid != (uid_t)-1 &&
		    (users[i].uid == set->intake_uid ||
		     users[i].uid == set->unpack_uid ||
		     users[i].uid == set->users_uid || users[i].uid == set->probe_uid ||
		     users[i].uid == set->proc_uid))
			app_config_error(
				app, users[i].option, diag,
				"'%s' is the user of one of deployd's own processes; "
				"make another",
				users[i].name);
}

static void resolve_process_user(const char *option, const char *name,
				 const struct config_origin *origin, uid_t *ret_uid,
				 gid_t *ret_gid, struct diag *diag)
{
	const char *file = origin->file ? origin->file : "deployd.conf";
	char text[128];
	int r = find_user(name, ret_uid, ret_gid);

	if (r == ENOENT)
		diag_error(diag, file, origin->line,
			   "%s: no user '%s'; run systemd-sysusers", option, name);
	else if (r != 0)
		diag_error(diag, file, origin->line,
			   "%s: the user '%s' cannot be looked up: %s", option, name,
			   strerror_r(r, text, sizeof(text)));
	else if (*ret_uid == 0)
		diag_error(diag, file, origin->line, "%s: must not be root", option);
}

/* PID 1 looks the user up again; a fault is found here before a release is checked.
 */
static void resolve_unit_user(const char *name, const char *consequence, uid_t *ret_uid,
			      struct diag *diag)
{
	gid_t gid;

	if (find_user(name, ret_uid, &gid) == ENOENT)
		diag_warning(diag, "deployd.conf", 0,
			     "no user '%s', so %s; run systemd-sysusers", name,
			     consequence);
}

static void load_daemon(struct config_set *set, struct diag *diag)
{
	const struct config_origin no_origin = {0};
	struct config_file_list files;

	set->intake_uid = set->unpack_uid = set->users_uid = (uid_t)-1;
	set->probe_uid = set->proc_uid = (uid_t)-1;
	resolve_unit_user(CONFIG_PROBE_USER, "no http or tcp check can pass",
			  &set->probe_uid, diag);
	resolve_unit_user(CONFIG_PROC_USER, "no release can be verified",
			  &set->proc_uid, diag);
	set->intake_gid = set->unpack_gid = set->users_gid = (gid_t)-1;
	config_files_read("deployd.conf", &files, diag);
	set->daemon = daemon_config_parse(files.texts, files.n_texts, diag);
	config_file_list_deinit(&files);
	if (!set->daemon)
		return;
	resolve_process_user("intake_user", set->daemon->intake_user,
			     &set->daemon->intake_origin, &set->intake_uid,
			     &set->intake_gid, diag);
	resolve_process_user("unpack_user", set->daemon->unpack_user,
			     &set->daemon->unpack_origin, &set->unpack_uid,
			     &set->unpack_gid, diag);
	resolve_process_user("look-ups of users", CONFIG_USERS_USER, &no_origin,
			     &set->users_uid, &set->users_gid, diag);
	if (set->intake_uid != (uid_t)-1 && set->intake_uid == set->unpack_uid)
		diag_error(diag,
			   set->daemon->unpack_origin.file
				   ? set->daemon->unpack_origin.file
				   : "deployd.conf",
			   set->daemon->unpack_origin.line,
			   "unpack_user: '%s' and '%s' are one user",
			   set->daemon->intake_user, set->daemon->unpack_user);
}

/* Two apps that share a tree or a unit would undo each other. */
static void check_collisions(const struct config_set *set, struct diag *diag)
{
	for (size_t i = 0; i < set->n_apps; i++)
		for (size_t j = 0; j < i; j++)
			app_config_check_pair(set->apps[i], set->apps[j], diag);
}

static int compare_apps(const void *a, const void *b)
{
	return strcmp((*(struct app_config *const *)a)->app_name,
		      (*(struct app_config *const *)b)->app_name);
}

/* The apps whose files have errors, by the names of the files. */
struct refused {
	char *names[CONFIG_FILES_MAX];
	size_t n;
	bool unread; /* a file was not even opened: any app may be in it */
};

static bool is_refused(const char *app, void *userdata)
{
	const struct refused *refused = userdata;

	if (refused->unread)
		return true;
	for (size_t i = 0; i < refused->n; i++)
		if (strcmp(refused->names[i], app) == 0)
			return true;
	return false;
}

static void refuse_app(struct refused *refused, const char *name)
{
	char *copy = strdup(name);

	if (copy && refused->n < CONFIG_FILES_MAX)
		refused->names[refused->n++] = copy;
	else
		free(copy);
}

static void load_apps(struct config_set *set, bool strict, struct refused *ret_refused,
		      struct diag *diag)
{
	bool had_errors = diag->has_errors;
	char **names;

	diag->has_errors = false;
	names = config_files_names("apps.d", diag);
	ret_refused->unread = diag->has_errors;
	diag->has_errors = diag->has_errors || had_errors;
	if (!names)
		return;
	set->apps = calloc(CONFIG_FILES_MAX + 1, sizeof(struct app_config *));
	for (char **p = names; *p; p++) {
		struct config_file_list files;
		struct app_config *app = NULL;
		char path[512], name[512];

		(void)snprintf(path, sizeof(path), "apps.d/%s", *p);
		(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(*p) - 5), *p);
		config_files_read(path, &files, diag);
		if (set->apps && files.n_texts > 0)
			app = app_config_parse(name, files.texts, files.n_texts, diag);
		if (app) {
			app_config_report_undone(app, strict, diag);
			resolve_app_users(app, diag);
			check_app_users(set, app, diag);
			set->apps[set->n_apps++] = app;
		} else {
			refuse_app(ret_refused, name);
		}
		config_file_list_deinit(&files);
		free(*p);
	}
	free(names);
	if (set->apps)
		qsort(set->apps, set->n_apps, sizeof(*set->apps), compare_apps);
	else
		diag_error(diag, "apps.d", 0, "out of memory");
	check_collisions(set, diag);
}

static void load_policy(struct config_set *set, struct refused *refused,
			struct diag *diag)
{
	const struct policy_resolver resolver = {
		.user = resolve_user,
		.group = resolve_group,
		.is_refused = is_refused,
		.userdata = refused,
	};
	struct config_file_list all = {0};
	char **names = config_files_names("policy.d", diag);

	for (char **p = names; p && *p; p++) {
		struct config_file_list files;
		struct config_text *texts;
		char path[512];

		(void)snprintf(path, sizeof(path), "policy.d/%s", *p);
		config_files_read(path, &files, diag);
		texts = realloc(all.texts,
				(all.n_texts + files.n_texts + 1) * sizeof(*texts));
		if (texts) {
			all.texts = texts;
			memcpy(texts + all.n_texts, files.texts,
			       files.n_texts * sizeof(*texts));
			all.n_texts += files.n_texts;
			free(files.texts);
		} else {
			config_file_list_deinit(&files);
			diag_error(diag, path, 0, "out of memory");
		}
		free(*p);
	}
	free(names);
	set->policy = policy_parse(all.texts, all.n_texts, set->apps, set->n_apps,
				   &resolver, diag);
	config_file_list_deinit(&all);
}

struct config_set *config_set_load(bool strict, struct diag *diag)
{
	struct config_set *set = calloc(1, sizeof(*set));
	struct refused refused = {0};

	if (!set) {
		diag_error(diag, "/etc/deployd", 0, "out of memory");
		return NULL;
	}
	set->refs = 1;
	load_daemon(set, diag);
	load_apps(set, strict, &refused, diag);
	load_policy(set, &refused, diag);
	for (size_t i = 0; i < refused.n; i++)
		free(refused.names[i]);
	if (diag->has_errors || !set->daemon || !set->policy) {
		config_set_unref(set);
		return NULL;
	}
	return set;
}

struct config_set *config_set_ref(struct config_set *set)
{
	set->refs++;
	return set;
}

void config_set_unref(struct config_set *set)
{
	if (!set || --set->refs > 0)
		return;
	for (size_t i = 0; i < set->n_apps; i++)
		app_config_free(set->apps[i]);
	free(set->apps);
	policy_free(set->policy);
	daemon_config_free(set->daemon);
	free(set);
}

const struct app_config *config_set_app(const struct config_set *set, const char *name)
{
	for (size_t i = 0; i < set->n_apps; i++)
		if (strcmp(set->apps[i]->app_name, name) == 0)
			return set->apps[i];
	return NULL;
}
