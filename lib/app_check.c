/* What the options of an app must be to each other. */
#include <string.h>

#include "app_parse.h"

/* Is path strictly below dir? */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path[1] != '\0';
	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static bool is_child(const char *path, const char *dir)
{
	return is_below(path, dir) && !strchr(path + strlen(dir) + 1, '/');
}

static bool overlap(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || is_below(a, b) || is_below(b, a);
}

static void check_deploy_dir(const struct option_set *options)
{
	const char *deploy_dir = option_text(options, "deploy_dir");

	/* It becomes root:app_group 0750, which nothing else survives. */
	if (strcmp(deploy_dir, "/") == 0 ||
	    strcmp(deploy_dir, option_text(options, "base_dir")) == 0 ||
	    is_below(option_text(options, "base_dir"), deploy_dir))
		option_error(options, "deploy_dir",
			     "'%s' must be the app's own directory, not base_dir or "
			     "one above it",
			     deploy_dir);
}

/* The switch is one rename within deploy_dir. */
static void check_switched(const struct option_set *options)
{
	const char *deploy_dir = option_text(options, "deploy_dir");
	const char *releases_dir = option_text(options, "releases_dir");
	const char *current_dir = option_text(options, "current_dir");

	if (!is_child(releases_dir, deploy_dir))
		option_error(options, "releases_dir",
			     "'%s' must be directly below deploy_dir, '%s'",
			     releases_dir, deploy_dir);
	if (!is_child(current_dir, deploy_dir))
		option_error(options, "current_dir",
			     "'%s' must be directly below deploy_dir, '%s'",
			     current_dir, deploy_dir);
	if (strcmp(releases_dir, current_dir) == 0)
		option_error(options, "current_dir", "must not be releases_dir too");
}

/* Directories with owners of their own must not hold each other. */
static void check_apart(const struct option_set *options)
{
	static const char *const beside[] = {"flags_dir", "scripts_dir", "etc_dir"};
	static const char *const others[] = {"releases_dir", "current_dir", "flags_dir",
					     "scripts_dir", "etc_dir"};
	const char *deploy_dir = option_text(options, "deploy_dir");

	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		const char *dir = option_text(options, beside[i]);

		if (strcmp(dir, deploy_dir) == 0 || is_below(deploy_dir, dir))
			option_error(options, beside[i],
				     "'%s' must not be deploy_dir or above it", dir);
		/* Each pair once: the last 3 of others are those of beside. */
		for (size_t j = 0; j < 2 + i; j++)
			if (overlap(dir, option_text(options, others[j])))
				option_error(options, beside[i],
					     "'%s' must not be, hold or lie in %s", dir,
					     others[j]);
	}
}

static void check_users(const struct option_set *options)
{
	const char *app_user = option_text(options, "app_user");
	const char *app_group = option_text(options, "app_group");

	if (strcmp(app_user, "root") == 0)
		option_error(options, "app_user",
			     "must not be root: whoever may deploy the app would "
			     "decide what root runs; make a user for it");
	else if (strcmp(app_group, "root") == 0)
		option_error(options, "app_group",
			     "must not be root: releases are readable by root and "
			     "app_group only, so %s could not read them",
			     app_user);
}

static void check_health(const struct option_set *options)
{
	if (option_number(options, "min_healthy_sec") >=
	    option_number(options, "healthy_deadline_sec"))
		option_error(options, "min_healthy_sec",
			     "must be less than healthy_deadline_sec, %s",
			     option_text(options, "healthy_deadline_sec"));
}

void app_check(const struct option_set *options)
{
	check_users(options);
	check_deploy_dir(options);
	check_switched(options);
	check_apart(options);
	check_health(options);
}
