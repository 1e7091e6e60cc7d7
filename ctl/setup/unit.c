/* enable: the app's unit, its socket, and nothing else. */
#include "setup/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "process/tool.h"
#include "setup/place.h"

#define SYSTEMCTL_TIMEOUT_SEC 30
#define JOB_TIMEOUT_SEC	      300 /* starting may take as long as the unit lets it */
#define ARGUMENTS_MAX	      8

/* Highest first, as systemd has it (systemd.unit(5)). */
static const char *const unit_dirs[] = {
	"/etc/systemd/system",		 "/run/systemd/system",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	"/lib/systemd/system",
};

static int systemctl(const struct setup *setup, unsigned int timeout_sec,
		     char *ret_output, struct errinfo *ei, const char *const words[])
{
	cleanup_free char *root = NULL;
	const char *argv[ARGUMENTS_MAX + 2] = {"systemctl"};
	size_t n = 1;

	if (*setup->destdir) {
		if (asprintf(&root, "--root=%s", setup->destdir) < 0) {
			root = NULL;
			return errinfo_set(ei, ENOMEM, "cannot run systemctl");
		}
		argv[n++] = root;
	}
	while (*words && n <= ARGUMENTS_MAX)
		argv[n++] = *words++;
	return ret_output ? tool_run(argv, NULL, timeout_sec, ret_output, ei)
			  : tool_must(argv, NULL, timeout_sec, ei);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The first line of what systemctl says; its exit status says little. */
static int ask(const struct setup *setup, const char *question, const char *unit,
	       char *ret_word, size_t size, struct errinfo *ei)
{
	char output[TOOL_OUTPUT_SIZE];
	int r = systemctl(setup, SYSTEMCTL_TIMEOUT_SEC, output, ei,
			  WORDS(question, "--", unit));

	if (r < 0)
		return r;
	output[strcspn(output, "\n")] = '\0';
	(void)snprintf(ret_word, size, "%s", output);
	return 0;
}

/* 1 when a unit file of that name is where systemd searches, else 0. */
static int is_installed(struct setup *setup, const char *unit, struct errinfo *ei)
{
	for (size_t i = 0; i < sizeof(unit_dirs) / sizeof(*unit_dirs); i++) {
		char path[512];
		struct stat st;
		int r;

		(void)snprintf(path, sizeof(path), "%s/%s", unit_dirs[i], unit);
		r = place_stat(setup, path, &st, ei);
		if (r != -ENOENT)
			return r < 0 ? r : 1;
	}
	return 0;
}

/* foo@eu.service is made of foo@.service. */
static void template_of(const char *unit, char *ret_name, size_t size)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	if (at && dot && at < dot)
		(void)snprintf(ret_name, size, "%.*s%s", (int)(at + 1 - unit), unit,
			       dot);
	else
		(void)snprintf(ret_name, size, "%s", unit);
}

static int has_unit(struct setup *setup, const char *unit, struct errinfo *ei)
{
	char name[256];
	int r = is_installed(setup, unit, ei);

	if (r != 0)
		return r;
	template_of(unit, name, sizeof(name));
	return strcmp(name, unit) == 0 ? 0 : is_installed(setup, name, ei);
}

/*
 * A unit that was deployed into etc_dir is linked from there, when it is root's: what
 * another can write would be run as root at the next boot.
 */
static int link_unit(struct setup *setup, const char *unit, bool *ret_found,
		     struct errinfo *ei)
{
	char source[512], path[512], name[256];
	struct stat st;
	int r;

	template_of(unit, name, sizeof(name));
	(void)snprintf(source, sizeof(source), "%s/%s", setup->app->etc_dir, name);
	(void)snprintf(path, sizeof(path), "%s/%s", unit_dirs[0], name);
	*ret_found = false;
	r = place_stat(setup, source, &st, ei);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!S_ISREG(st.st_mode) || (setup->is_root && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'%s%s' can be written by others than root, who "
				      "could run what they like with it; run: chown "
				      "root '%s%s' && chmod go-w '%s%s'",
				      setup->destdir, source, setup->destdir, source,
				      setup->destdir, source);
	r = place_check_dirs(setup, setup->app->etc_dir, ei);
	if (r < 0)
		return r;
	*ret_found = true;
	return place_link(setup, path, source, ei);
}

int unit_reload(struct setup *setup, struct errinfo *ei)
{
	return *setup->destdir || setup->dry_run
		       ? 0
		       : systemctl(setup, SYSTEMCTL_TIMEOUT_SEC, NULL, ei,
				   WORDS("daemon-reload"));
}

/* Has systemd another version of the file in memory? */
static int reload_if_needed(struct setup *setup, const char *unit, struct errinfo *ei)
{
	char output[TOOL_OUTPUT_SIZE];
	int r;

	if (*setup->destdir)
		return 0;
	r = systemctl(setup, SYSTEMCTL_TIMEOUT_SEC, output, ei,
		      WORDS("show", "-P", "NeedDaemonReload", "--", unit));
	if (r != 0 || strncmp(output, "yes", 3) != 0)
		return r < 0 ? r : 0;
	setup_say(setup, "run", "systemctl daemon-reload", "the unit file has changed");
	return unit_reload(setup, ei);
}

static int enable_unit(struct setup *setup, const char *unit, struct errinfo *ei)
{
	char is[64] = "";
	int r = ask(setup, "is-enabled", unit, is, sizeof(is), ei);

	if (r < 0)
		return r;
	/* Without [Install] there is nothing to enable; others start it. */
	if (strncmp(is, "enabled", 7) == 0 || strcmp(is, "static") == 0 ||
	    strcmp(is, "alias") == 0 || strcmp(is, "generated") == 0)
		return 0;
	if (strcmp(is, "masked") == 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "%s is masked; `systemctl unmask %s` if it may "
				      "run again",
				      unit, unit);
	setup_say(setup, "enable", unit, "is %s",
		  *is && !strchr(is, ' ') ? is : "not enabled");
	if (setup->dry_run)
		return 0;
	return systemctl(setup, SYSTEMCTL_TIMEOUT_SEC, NULL, ei,
			 WORDS("enable", "--", unit));
}

static int start_unit(struct setup *setup, const char *unit, struct errinfo *ei)
{
	char is[64] = "";
	int r;

	if (*setup->destdir)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "--now starts a unit; in a DESTDIR none runs");
	r = ask(setup, "is-active", unit, is, sizeof(is), ei);
	if (r < 0 || strcmp(is, "active") == 0 || strcmp(is, "reloading") == 0)
		return r;
	setup_say(setup, "start", unit, "is %s", is);
	if (setup->dry_run)
		return 0;
	return systemctl(setup, JOB_TIMEOUT_SEC, NULL, ei, WORDS("start", "--", unit));
}

/* Units of mix_systemd that deployd stands in for. Never enabled: bug 13 was one. */
static int note_leftovers(struct setup *setup, struct errinfo *ei)
{
	static const char *const suffixes[] = {"-restart.path", "-restart.service"};

	for (size_t i = 0; i < 2; i++) {
		char unit[300];
		int r;

		(void)snprintf(unit, sizeof(unit), "%s%s", setup->app->service_name,
			       suffixes[i]);
		r = is_installed(setup, unit, ei);
		if (r < 0)
			return r;
		if (r > 0)
			setup_note(setup,
				   "%s is of mix_systemd; deployd watches the flag "
				   "itself. Run: systemctl disable --now %s",
				   unit, unit);
	}
	return 0;
}

static int socket_of(struct setup *setup, char *ret_unit, size_t size,
		     struct errinfo *ei)
{
	(void)snprintf(ret_unit, size, "%s.socket", setup->app->service_name);
	return has_unit(setup, ret_unit, ei);
}

/* With --dry-run: would copy-files, which comes first in init, install it? */
static bool will_be_copied(const struct setup *setup, const char *unit)
{
	const struct app_config *app = setup->app;

	if (setup->dry_run && strcmp(unit, app->unit) == 0 &&
	    setup_has_generated_unit(setup))
		return true;
	for (size_t i = 0; setup->dry_run && i < app->n_copy_files; i++) {
		const char *dst = app->copy_files[i].dst;
		const char *base = strrchr(app->copy_files[i].src, '/');

		base = base ? base + 1 : app->copy_files[i].src;
		for (size_t j = 0; app->copy_files[i].enabled &&
				   j < sizeof(unit_dirs) / sizeof(*unit_dirs);
		     j++) {
			size_t n = strlen(unit_dirs[j]);

			if (strncmp(dst, unit_dirs[j], n) == 0 &&
			    (dst[n] == '\0' ? strcmp(base, unit) == 0 ||
						      strpbrk(base, "*?[") != NULL
					    : strcmp(dst + n + 1, unit) == 0))
				return true;
		}
	}
	return false;
}

static int find_or_link(struct setup *setup, const char *unit, struct errinfo *ei)
{
	bool found;
	int r = has_unit(setup, unit, ei);

	if (r != 0)
		return r < 0 ? r : 0;
	r = link_unit(setup, unit, &found, ei);
	if (r < 0 || found || will_be_copied(setup, unit))
		return r;
	return errinfo_refuse(
		ei, RESULT_NOT_FOUND,
		"there is no unit %s%s%s; make it (`deployctl generate`), "
		"or have it copied to /etc/systemd/system by a "
		"[copy_file] section",
		unit, *setup->destdir ? " in " : "", setup->destdir);
}

int setup_enable(struct setup *setup, struct errinfo *ei)
{
	const char *unit = setup->app->unit;
	char socket[300];
	int has_socket, r;

	if (setup->options->now && *setup->destdir)
		return start_unit(setup, unit, ei);
	r = find_or_link(setup, unit, ei);
	if (r < 0)
		return r;
	has_socket = socket_of(setup, socket, sizeof(socket), ei);
	if (has_socket < 0)
		return has_socket;
	r = reload_if_needed(setup, unit, ei);
	if (r == 0 && has_socket)
		r = reload_if_needed(setup, socket, ei);
	if (r == 0)
		r = enable_unit(setup, unit, ei);
	if (r == 0 && has_socket)
		r = enable_unit(setup, socket, ei);
	if (r == 0 && setup->options->now && has_socket)
		r = start_unit(setup, socket, ei);
	if (r == 0 && setup->options->now)
		r = start_unit(setup, unit, ei);
	return r < 0 ? r : note_leftovers(setup, ei);
}

static int disable_one(struct setup *setup, const char *unit, bool stop,
		       struct errinfo *ei)
{
	char is[64] = "";
	int r = ask(setup, "is-enabled", unit, is, sizeof(is), ei);

	if (r == 0 && strncmp(is, "enabled", 7) == 0) {
		setup_say(setup, "disable", unit, "is %s", is);
		if (!setup->dry_run)
			r = systemctl(setup, SYSTEMCTL_TIMEOUT_SEC, NULL, ei,
				      WORDS("disable", "--", unit));
	}
	if (r < 0 || !stop || *setup->destdir)
		return r;
	r = ask(setup, "is-active", unit, is, sizeof(is), ei);
	if (r < 0 || strcmp(is, "inactive") == 0 || strcmp(is, "failed") == 0 ||
	    strcmp(is, "unknown") == 0)
		return r;
	setup_say(setup, "stop", unit, "is %s", is);
	return setup->dry_run ? 0
			      : systemctl(setup, JOB_TIMEOUT_SEC, NULL, ei,
					  WORDS("stop", "--", unit));
}

int unit_disable(struct setup *setup, bool stop, struct errinfo *ei)
{
	char socket[300];
	int r = socket_of(setup, socket, sizeof(socket), ei);

	if (r > 0)
		r = disable_one(setup, socket, stop, ei);
	if (r < 0)
		return r;
	r = has_unit(setup, setup->app->unit, ei);
	return r > 0 ? disable_one(setup, setup->app->unit, stop, ei) : r;
}
