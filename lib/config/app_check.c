/* What the options of an app must be to each other. */
#include <string.h>

#include "app_parse.h"
#include "deploy/limits.h"

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

/* The value of an option without a fault; NULL otherwise. */
static const char *known(const struct option_set *options, const char *name)
{
	return option_known(options, name) ? option_text(options, name) : NULL;
}

/* An app's directory gets the app's owner: none that others live in too. */
static void check_not_shared(const struct option_set *options, const char *name)
{
	static const char *const shared[] = {"/bin",	     "/boot",
					     "/dev",	     "/etc",
					     "/home",	     "/lib",
					     "/lib32",	     "/lib64",
					     "/libx32",	     "/media",
					     "/mnt",	     "/opt",
					     "/proc",	     "/root",
					     "/run",	     "/run/lock",
					     "/sbin",	     "/srv",
					     "/sys",	     "/tmp",
					     "/usr",	     "/usr/bin",
					     "/usr/lib",     "/usr/sbin",
					     "/usr/local",   "/usr/share",
					     "/var",	     "/var/cache",
					     "/var/lib",     "/var/lock",
					     "/var/log",     "/var/mail",
					     "/var/opt",     "/var/run",
					     "/var/spool",   "/var/tmp",
					     "/etc/deployd", "/var/lib/deployd",
					     "/run/deployd"};
	const char *dir = known(options, name);

	for (size_t i = 0; dir && i < sizeof(shared) / sizeof(*shared); i++)
		if (strcmp(dir, shared[i]) == 0)
			option_error(options, name,
				     "'%s' is a directory of the system; name one of "
				     "the app's own",
				     dir);
}

static void check_deploy_dir(const struct option_set *options)
{
	const char *deploy_dir = known(options, "deploy_dir");
	const char *base_dir = known(options, "base_dir");

	check_not_shared(options, "deploy_dir");
	/* It becomes root:app_group 0750, which nothing else survives. */
	if (deploy_dir && base_dir &&
	    (strcmp(deploy_dir, "/") == 0 || strcmp(deploy_dir, base_dir) == 0 ||
	     is_below(base_dir, deploy_dir)))
		option_error(options, "deploy_dir",
			     "'%s' must be the app's own directory, not base_dir or "
			     "one above it",
			     deploy_dir);
}

/* The switch is one rename within deploy_dir. */
static void check_switched(const struct option_set *options)
{
	static const char *const names[] = {"releases_dir", "current_dir"};
	const char *deploy_dir = known(options, "deploy_dir");
	const char *dirs[2];

	for (size_t i = 0; i < 2; i++) {
		dirs[i] = known(options, names[i]);
		if (deploy_dir && dirs[i] && !is_child(dirs[i], deploy_dir))
			option_error(options, names[i],
				     "'%s' must be directly below deploy_dir, '%s'",
				     dirs[i], deploy_dir);
	}
	if (dirs[0] && dirs[1] && strcmp(dirs[0], dirs[1]) == 0)
		option_error(options, "current_dir", "must not be releases_dir too");
}

/* Directories with owners of their own must not hold each other. */
static void check_apart(const struct option_set *options)
{
	static const char *const beside[] = {"flags_dir", "scripts_dir", "etc_dir"};
	static const char *const others[] = {"releases_dir", "current_dir", "flags_dir",
					     "scripts_dir", "etc_dir"};
	const char *deploy_dir = known(options, "deploy_dir");

	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		const char *dir = known(options, beside[i]);

		if (!dir)
			continue;
		check_not_shared(options, beside[i]);
		if (deploy_dir &&
		    (strcmp(dir, deploy_dir) == 0 || is_below(deploy_dir, dir)))
			option_error(options, beside[i],
				     "'%s' must not be deploy_dir or above it", dir);
		/* Each pair once: the last 3 of others are those of beside. */
		for (size_t j = 0; j < 2 + i; j++) {
			const char *other = known(options, others[j]);

			if (other && overlap(dir, other))
				option_error(options, beside[i],
					     "'%s' must not be, hold or lie in %s", dir,
					     others[j]);
		}
	}
}

static void check_users(const struct option_set *options)
{
	const char *app_user = known(options, "app_user");
	const char *app_group = known(options, "app_group");

	if (app_user && strcmp(app_user, "root") == 0)
		option_error(options, "app_user",
			     "must not be root: whoever may deploy the app would "
			     "decide what root runs; make a user for it");
	else if (app_group && strcmp(app_group, "root") == 0)
		option_error(options, "app_group",
			     "must not be root: releases are readable by root and "
			     "app_group only, so the app's user could not read them");
}

static void check_service(const struct option_set *options)
{
	const char *service = known(options, "service_name");
	const char *type = known(options, "service_type");

	if (service && strcmp(service, "deployd") == 0)
		option_error(
			options, "service_name",
			"must not be deployd's own: a deploy would stop it midway");
	if (type && strcmp(type, "notify-reload") == 0 &&
	    option_known(options, "systemd_version") &&
	    option_number(options, "systemd_version") < 253)
		option_error(options, "service_type",
			     "notify-reload needs systemd 253, which falls back to "
			     "simple before; set systemd_version, or another type");
}

static void check_health(const struct option_set *options)
{
	if (option_known(options, "min_healthy_sec") &&
	    option_known(options, "healthy_deadline_sec") &&
	    option_number(options, "min_healthy_sec") >=
		    option_number(options, "healthy_deadline_sec"))
		option_error(options, "min_healthy_sec",
			     "must be less than healthy_deadline_sec, %s",
			     option_text(options, "healthy_deadline_sec"));
}

/* They become parts of requests and arguments of the helpers. */
static void check_lengths(const struct option_set *options)
{
	static const char *const names[] = {"base_dir",	   "deploy_dir", "releases_dir",
					    "current_dir", "flags_dir",	 "scripts_dir",
					    "etc_dir"};
	const struct option_slot *files = option_slot(options, "require_files");
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *dir = known(options, names[i]);

		if (!dir || strlen(dir) <= APP_DIR_MAX)
			continue;
		option_error(options, names[i], "is longer than %d bytes", APP_DIR_MAX);
		break; /* the others are below it, as a rule */
	}
	for (size_t i = 0; option_known(options, "require_files") && i < files->n_items;
	     i++)
		bytes += strlen(files->items[i].text);
	if (bytes > REQUIRE_FILES_MAX)
		option_error(
			options, "require_files",
			"names more than %d bytes of paths; fewer files that stand "
			"for the rest will do",
			REQUIRE_FILES_MAX);
}

/* mix_deploy's default is 235; deployd itself does not run there. */
static void check_systemd(const struct option_set *options)
{
	if (option_known(options, "systemd_version") &&
	    option_number(options, "systemd_version") < SYSTEMD_VERSION_MIN)
		option_error(
			options, "systemd_version",
			"deployd needs systemd %d or later, so that no app of it can "
			"be for an older one; remove the line, or name the version "
			"that the target has",
			SYSTEMD_VERSION_MIN);
}

void app_check(const struct option_set *options)
{
	check_systemd(options);
	check_lengths(options);
	check_users(options);
	check_deploy_dir(options);
	check_switched(options);
	check_apart(options);
	check_service(options);
	check_health(options);
}
