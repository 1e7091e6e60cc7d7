/*
 * Loads the configuration: files in, one immutable set out. Runs before the loop or in
 * a thread; nothing here touches the loop's state.
 */
#include "loop/config_set.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "loop/config_files.h"

#define NSS_BUFFER_BYTES 65536

static bool find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	cleanup_free char *buffer = malloc(NSS_BUFFER_BYTES);
	struct passwd entry, *found = NULL;

	if (!buffer ||
	    getpwnam_r(name, &entry, buffer, NSS_BUFFER_BYTES, &found) != 0 || !found)
		return false;
	*ret_uid = entry.pw_uid;
	*ret_gid = entry.pw_gid;
	return true;
}

static bool find_group(const char *name, gid_t *ret_gid)
{
	cleanup_free char *buffer = malloc(NSS_BUFFER_BYTES);
	struct group entry, *found = NULL;

	if (!buffer ||
	    getgrnam_r(name, &entry, buffer, NSS_BUFFER_BYTES, &found) != 0 || !found)
		return false;
	*ret_gid = entry.gr_gid;
	return true;
}

static bool resolve_user(const char *name, uid_t *ret_uid, void *userdata)
{
	gid_t gid;

	(void)userdata;
	return find_user(name, ret_uid, &gid);
}

static bool resolve_group(const char *name, gid_t *ret_gid, void *userdata)
{
	(void)userdata;
	return find_group(name, ret_gid);
}

/* Where the option was set, so that the message names the line to change. */
static void report_unknown(const struct app_config *app, const char *option,
			   const char *kind, const char *name, struct diag *diag)
{
	const struct app_option *origin = app_config_option(app, option);

	diag_error(diag, origin && origin->file ? origin->file : app->file,
		   origin ? origin->line : 0,
		   "%s: there is no %s '%s'; create it, or name another", option, kind,
		   name);
}

static void resolve_app_users(struct app_config *app, struct diag *diag)
{
	gid_t gid;

	if (!find_user(app->app_user, &app->app_uid, &gid))
		report_unknown(app, "app_user", "user", app->app_user, diag);
	if (!find_user(app->deploy_user, &app->deploy_uid, &gid))
		report_unknown(app, "deploy_user", "user", app->deploy_user, diag);
	if (!find_group(app->app_group, &app->app_gid))
		report_unknown(app, "app_group", "group", app->app_group, diag);
	if (!find_group(app->deploy_group, &app->deploy_gid))
		report_unknown(app, "deploy_group", "group", app->deploy_group, diag);
}

static void load_daemon(struct config_set *set, struct diag *diag)
{
	struct config_file_list files;

	config_files_read("deployd.conf", &files, diag);
	set->daemon = daemon_config_parse(files.texts, files.n_texts, diag);
	config_file_list_deinit(&files);
	if (!set->daemon)
		return;
	if (!find_user(set->daemon->intake_user, &set->intake_uid, &set->intake_gid))
		diag_error(diag, "deployd.conf", 0,
			   "intake_user: there is no user '%s'; run systemd-sysusers",
			   set->daemon->intake_user);
	if (!find_user(set->daemon->unpack_user, &set->unpack_uid, &set->unpack_gid))
		diag_error(diag, "deployd.conf", 0,
			   "unpack_user: there is no user '%s'; run systemd-sysusers",
			   set->daemon->unpack_user);
	if (set->intake_uid == 0 || set->unpack_uid == 0)
		diag_error(diag, "deployd.conf", 0,
			   "intake_user and unpack_user must not be root");
}

/* Two apps that share a tree, a state directory or a unit would undo each other. */
static void check_collisions(const struct config_set *set, struct diag *diag)
{
	for (size_t i = 0; i < set->n_apps; i++) {
		const struct app_config *a = set->apps[i];

		for (size_t j = 0; j < i; j++) {
			const struct app_config *b = set->apps[j];

			if (strcmp(a->app_name, b->app_name) == 0)
				diag_error(diag, a->file, 0,
					   "app_name '%s' is also that of %s",
					   a->app_name, b->file);
			if (strcmp(a->deploy_dir, b->deploy_dir) == 0)
				diag_error(diag, a->file, 0,
					   "deploy_dir '%s' is also that of %s",
					   a->deploy_dir, b->file);
			if (strcmp(a->unit, b->unit) == 0)
				diag_error(diag, a->file, 0,
					   "unit '%s' is also that of %s", a->unit,
					   b->file);
		}
	}
}

static int compare_apps(const void *a, const void *b)
{
	return strcmp((*(struct app_config *const *)a)->app_name,
		      (*(struct app_config *const *)b)->app_name);
}

static void load_apps(struct config_set *set, struct diag *diag)
{
	char **names = config_files_names("apps.d", diag);

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
			resolve_app_users(app, diag);
			set->apps[set->n_apps++] = app;
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

static void load_policy(struct config_set *set, struct diag *diag)
{
	static const struct policy_resolver resolver = {resolve_user, resolve_group,
							NULL};
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

struct config_set *config_set_load(struct diag *diag)
{
	struct config_set *set = calloc(1, sizeof(*set));

	if (!set) {
		diag_error(diag, "/etc/deployd", 0, "out of memory");
		return NULL;
	}
	set->refs = 1;
	load_daemon(set, diag);
	load_apps(set, diag);
	load_policy(set, diag);
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
