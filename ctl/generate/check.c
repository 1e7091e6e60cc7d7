#include "generate/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/errinfo.h"
#include "deploy/names.h"
#include "generate/compare.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"

#define UNIT_BYTES_MAX (1u << 20)

/* Highest first, as systemd has it (systemd.unit(5)). */
static const char *const unit_dirs[] = {
	"/etc/systemd/system",		 "/run/systemd/system",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	"/lib/systemd/system",
};
#define UNIT_DIRS (sizeof(unit_dirs) / sizeof(*unit_dirs))

struct check {
	const char *destdir;
	json_t *units;	     /* one object each */
	json_t *differences; /* of the unit that is compared */
	bool differs;
};

/* 0, -ENOENT, or the errno of another failure. */
static int read_unit(const char *path, char **ret_text)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	cleanup_free char *text = malloc(UNIT_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = 1;

	if (fd < 0 || !text)
		return fd < 0 ? -errno : -ENOMEM;
	while (n > 0 && length < UNIT_BYTES_MAX) {
		n = read(fd, text + length, UNIT_BYTES_MAX - length);
		if (n < 0)
			return -errno;
		length += (size_t)n;
	}
	text[length] = '\0';
	*ret_text = steal_ptr(&text);
	return 0;
}

static int find_unit(const struct check *check, const char *unit,
		     char ret_path[PATH_MAX], char **ret_text)
{
	for (size_t i = 0; i < UNIT_DIRS; i++) {
		char path[PATH_MAX];
		int r;

		(void)snprintf(path, sizeof(path), "%s%s/%s", check->destdir,
			       unit_dirs[i], unit);
		r = read_unit(path, ret_text);
		if (r == -ENOENT)
			continue;
		(void)snprintf(ret_path, PATH_MAX, "%s", path);
		return r;
	}
	return -ENOENT;
}

/* foo@eu.service may be made of foo@.service. */
static int find_installed(const struct check *check, const char *unit,
			  char ret_path[PATH_MAX], char **ret_text)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	char name[UNIT_NAME_MAX + 1];
	int r = find_unit(check, unit, ret_path, ret_text);

	if (r != -ENOENT || !at || !dot)
		return r;
	(void)snprintf(name, sizeof(name), "%.*s%s", (int)(at + 1 - unit), unit, dot);
	return find_unit(check, name, ret_path, ret_text);
}

static int is_drop_in(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* They change what counts, but by somebody's wish: told, not counted. */
static json_t *drop_ins(const struct check *check, const char *unit)
{
	json_t *list = json_array();

	for (size_t i = 0; i < UNIT_DIRS; i++) {
		char dir[PATH_MAX / 2], path[PATH_MAX];
		struct dirent **entries;
		int n;

		(void)snprintf(dir, sizeof(dir), "%s%s/%s.d", check->destdir,
			       unit_dirs[i], unit);
		n = scandir(dir, &entries, is_drop_in, alphasort);
		for (int j = 0; j < n; j++) {
			(void)snprintf(path, sizeof(path), "%s/%s", dir,
				       entries[j]->d_name);
			(void)json_array_append_new(list, json_string(path));
			free(entries[j]);
		}
		if (n >= 0)
			free(entries);
	}
	return list;
}

static void on_difference(const struct setting *installed, const struct setting *wanted,
			  void *userdata)
{
	struct check *check = userdata;
	cleanup_free char *is = installed ? terminal_clean(installed->line) : NULL;
	cleanup_free char *would = wanted ? terminal_clean(wanted->line) : NULL;
	cleanup_free char *section =
		terminal_clean(installed ? installed->section : wanted->section);

	(void)json_array_append_new(check->differences,
				    json_pack("{s:s, s:s?, s:s?}", "section", section,
					      "installed", is, "generated", would));
}

static int compare(struct check *check, const char *installed, const char *wanted)
{
	struct settings is, would;
	int r = settings_parse(installed, &is);

	if (r < 0)
		return r;
	r = settings_parse(wanted, &would);
	if (r == 0) {
		r = settings_compare(&is, &would, on_difference, check);
		settings_free(&would);
	}
	settings_free(&is);
	return r;
}

/* text: what it would be; NULL: it would not be there. */
static int check_unit(struct check *check, const char *unit, const char *text,
		      struct errinfo *ei)
{
	char path[PATH_MAX] = "", shown[300];
	cleanup_free char *installed = NULL;
	const char *state = "same";
	int r = find_installed(check, unit, path, &installed);

	if (r < 0 && r != -ENOENT)
		return errinfo_set(ei, r, "cannot read '%s'",
				   names_escape(path, shown, sizeof(shown)));
	if (r == -ENOENT && !text)
		return 0;
	check->differences = json_array();
	if (r == -ENOENT) {
		state = "missing";
	} else if (!text) {
		state = "superfluous";
	} else {
		r = compare(check, installed ? installed : "", text);
		if (r < 0)
			return errinfo_set(ei, r, "cannot compare '%s'", unit);
		state = r > 0 ? "differs" : "same";
	}
	check->differs |= strcmp(state, "same") != 0;
	(void)json_array_append_new(
		check->units,
		json_pack("{s:s, s:s?, s:s, s:o, s:o}", "unit", unit, "path",
			  *path ? path : NULL, "state", state, "differences",
			  check->differences, "drop_ins", drop_ins(check, unit)));
	return 0;
}

static void print_unit(const json_t *unit)
{
	const char *state = json_out_text(unit, "state");
	const char *path = json_out_text(unit, "path"), *section = "";
	const json_t *item;
	size_t i;

	terminal_put(stdout, path ? path : json_out_text(unit, "unit"));
	(void)printf("%s\n", strcmp(state, "same") == 0	     ? ": as generated"
			     : strcmp(state, "missing") == 0 ? ": not installed"
			     : strcmp(state, "differs") == 0
				     ? ": differs (- installed, + generated)"
				     : ": installed, but not generated any more");
	json_array_foreach (json_object_get(unit, "differences"), i, item) {
		const char *in = json_out_text(item, "section");
		const char *is = json_out_text(item, "installed");

		if (strcmp(in, section) != 0)
			(void)printf("  %s\n", in);
		section = in;
		(void)printf("  %c %s\n", is ? '-' : '+',
			     is ? is : json_out_text(item, "generated"));
	}
	json_array_foreach (json_object_get(unit, "drop_ins"), i, item) {
		(void)fputs("  changed by ", stdout);
		terminal_put(stdout, json_string_value(item));
		(void)putchar('\n');
	}
}

static int check_all(struct check *check, const struct app_config *app,
		     const struct generated *generated, struct errinfo *ei)
{
	/* Of mix_systemd; deployd watches the flag itself. */
	static const char *const leftovers[] = {"-restart.path", "-restart.service"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < generated->n_files; i++) {
		const struct generated_file *file = &generated->files[i];
		const char *slash = strrchr(file->path, '/');

		r = check_unit(check, slash ? slash + 1 : file->path, file->text, ei);
	}
	for (size_t i = 0; r == 0 && i < 2; i++) {
		char unit[UNIT_NAME_MAX + 32];

		(void)snprintf(unit, sizeof(unit), "%s%s", app->service_name,
			       leftovers[i]);
		r = check_unit(check, unit, NULL, ei);
	}
	return r;
}

static void print(const struct check *check, const struct options *options,
		  const struct app_config *app)
{
	const json_t *unit;
	size_t i;

	if (options->json != JSON_MODE_OFF) {
		json_t *object = json_pack("{s:i, s:s, s:b, s:O}", "schema",
					   JSON_SCHEMA, "app", app->app_name, "differs",
					   check->differs, "units", check->units);

		json_out_print(object, options->json);
		json_decref(object);
		return;
	}
	json_array_foreach (check->units, i, unit)
		if (!options->quiet)
			print_unit(unit);
}

int check_installed(const struct options *options, const struct app_config *app,
		    const struct generated *generated)
{
	const char *destdir = getenv("DESTDIR");
	struct check check = {.destdir = destdir ? destdir : "", .units = json_array()};
	struct errinfo ei = {0};
	int r = check_all(&check, app, generated, &ei);

	if (r < 0)
		r = failure_tell(options, ei.result, "%s", ei.what);
	else
		print(&check, options, app);
	json_decref(check.units);
	return r != 0 ? r : check.differs;
}
