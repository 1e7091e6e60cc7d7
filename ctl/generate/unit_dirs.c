/* RuntimeDirectory= and its like, and RUNTIME_DIR= of mix_systemd. */
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "generate/unit.h"
#include "setup/tree.h"

static const struct {
	const char *kind, *setting, *root, *variable;
	unsigned int since; /* version of systemd */
} kinds[] = {
	{"runtime", "RuntimeDirectory", "/run", "RUNTIME_DIR", 211},
	{"configuration", "ConfigurationDirectory", "/etc", "CONFIGURATION_DIR", 235},
	{"logs", "LogsDirectory", "/var/log", "LOGS_DIR", 235},
	{"cache", "CacheDirectory", "/var/cache", "CACHE_DIR", 235},
	{"state", "StateDirectory", "/var/lib", "STATE_DIR", 235},
	/* systemd has none of the kind: systemd-tmpfiles makes it. */
	{"tmp", NULL, NULL, "TMP_DIR", 0},
};
#define KINDS	      (sizeof(kinds) / sizeof(*kinds))
#define CONFIGURATION 1

static const char *kind_option(const struct text *text, const char *kind,
			       const char *rest)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s_%s", kind, rest);
	return text_option(text, name);
}

static bool is_wanted(const struct text *text, const char *kind)
{
	return strcmp(kind, "runtime") == 0
		       ? unit_wants_runtime(text)
		       : tree_has_word(text_option(text, "dirs"), kind);
}

/* Below root, and a name that is nothing but itself in such a setting. */
static const char *relative_name(const char *dir, const char *root)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@+=,./-";
	const char *name;

	if (!tree_is_below(dir, root) || strcmp(dir, root) == 0)
		return NULL;
	name = dir + strlen(root) + 1;
	return name[strspn(name, plain)] == '\0' ? name : NULL;
}

static const char *name_of(const struct text *text, size_t i)
{
	if (!kinds[i].setting || unit_systemd_version(text) < kinds[i].since)
		return NULL;
	return relative_name(kind_option(text, kinds[i].kind, "dir"), kinds[i].root);
}

static void put(struct text *text, size_t i)
{
	const char *name = name_of(text, i);
	const char *dir = kind_option(text, kinds[i].kind, "dir");

	if (!name) {
		if (strcmp(kinds[i].kind, "runtime") == 0 &&
		    !tree_has_word(text_option(text, "dirs"), "runtime"))
			text_error(text, "runtime_dir",
				   "'%s' is not below /run, or has an odd name, so "
				   "that systemd cannot make it, and the service needs "
				   "it; add runtime to dirs",
				   dir);
		return;
	}
	text_put(text, "%s=%s\n", kinds[i].setting, name);
	text_put(text, "%sMode=%s\n", kinds[i].setting,
		 kind_option(text, kinds[i].kind, "directory_mode"));
}

void unit_directory(struct text *text, const char *kind)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			put(text, i);
}

/*
 * systemd makes the configuration directory the app's, which could write its own
 * configuration then, and leaves one that is there as it is, perhaps unreadable.
 */
void unit_configuration_owner(struct text *text)
{
	const char *dir = text_option(text, "configuration_dir");
	const struct tree_dir *wanted;
	struct tree tree;

	if (!is_wanted(text, "configuration") || !name_of(text, CONFIGURATION) ||
	    tree_of(text->app, &tree) < 0)
		return;
	wanted = tree_find(&tree, dir);
	text_put(text, "ExecStartPre=+/bin/chown %s:%s ",
		 wanted ? wanted->user : "root",
		 wanted ? wanted->group : text->app->app_group);
	text_argument(text, dir);
	text_put(text, "\n");
	tree_deinit(&tree);
}

void unit_directories(struct text *text)
{
	bool preserve = unit_has_environment(text->app);

	for (size_t i = 0; i < KINDS; i++)
		if (is_wanted(text, kinds[i].kind) && kinds[i].setting)
			put(text, i);
	if (!unit_wants_runtime(text) || unit_systemd_version(text) < 235)
		return;
	text_put(text, "RuntimeDirectoryPreserve=%s\n",
		 preserve ? "yes" : text_option(text, "runtime_directory_preserve"));
}

static bool has_variable(const struct text *text, const char *name)
{
	const char *list = text_option(text, "env_vars");
	bool found = false;
	char *item;

	while ((item = text_next_item(&list))) {
		size_t n = strlen(name);

		found |= strncmp(item, name, n) == 0 && item[n] == '=';
		free(item);
	}
	return found;
}

/* The release is read-only for the app: what its script writes goes elsewhere. */
static void put_script_variable(struct text *text)
{
	const char *name = text_option_is(text, "release_system", "mix")
				   ? "RELEASE_TMP"
				   : "RELEASE_MUTABLE_DIR";

	if (unit_uses_script(text) && !has_variable(text, name))
		text_variable(text, name, text_option(text, "runtime_dir"));
}

void unit_directory_variables(struct text *text)
{
	for (size_t i = 0; i < KINDS; i++)
		if (is_wanted(text, kinds[i].kind))
			text_variable(text, kinds[i].variable,
				      kind_option(text, kinds[i].kind, "dir"));
	put_script_variable(text);
}
