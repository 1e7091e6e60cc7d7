#include "core/preflight.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof(*(array)))

static const char *const use_names[] = {
	[PREFLIGHT_USE_COMMAND] = "command",
	[PREFLIGHT_USE_ROOT] = "root",
	[PREFLIGHT_USE_DIRECTORY] = "directory",
	[PREFLIGHT_USE_FILE] = "file",
};
static_assert(ARRAY_LENGTH(use_names) == PREFLIGHT_USE_COUNT, "every use has a name");

static const char *const verdict_names[] = {
	[PREFLIGHT_FINE] = "fine",
	[PREFLIGHT_UNCHECKED] = "unchecked",
	[PREFLIGHT_MISSING] = "missing",
	[PREFLIGHT_DENIED] = "denied",
	[PREFLIGHT_NOT_A_FILE] = "not-a-file",
	[PREFLIGHT_NOT_A_DIRECTORY] = "not-a-directory",
	[PREFLIGHT_NOT_EXECUTABLE] = "not-executable",
	[PREFLIGHT_NOEXEC] = "noexec",
	[PREFLIGHT_CRLF] = "crlf",
	[PREFLIGHT_NO_INTERPRETER] = "no-interpreter",
	[PREFLIGHT_WRONG_MACHINE] = "wrong-machine",
	[PREFLIGHT_BAD_FORMAT] = "bad-format",
};
static_assert(ARRAY_LENGTH(verdict_names) == PREFLIGHT_VERDICT_COUNT,
	      "every verdict has a name");

const char *preflight_use_name(enum preflight_use use)
{
	assert(use < PREFLIGHT_USE_COUNT);
	return use_names[use];
}

const char *preflight_verdict_name(enum preflight_verdict verdict)
{
	assert(verdict < PREFLIGHT_VERDICT_COUNT);
	return verdict_names[verdict];
}

static size_t find_name(const char *const *names, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(names[i], name) != 0)
		i++;
	return i;
}

enum preflight_use preflight_use_from_name(const char *name)
{
	return (enum preflight_use)find_name(use_names, PREFLIGHT_USE_COUNT, name);
}

enum preflight_verdict preflight_verdict_from_name(const char *name)
{
	return (enum preflight_verdict)find_name(verdict_names, PREFLIGHT_VERDICT_COUNT,
						 name);
}

bool preflight_is_root(const struct preflight_unit *unit)
{
	return !unit->user || unit->user[0] == '\0' ||
	       strcmp(unit->user, "root") == 0 || strcmp(unit->user, "0") == 0;
}

bool preflight_needs_files(const struct preflight_unit *unit)
{
	return strcmp(unit->load_state, "loaded") == 0 && !unit->need_daemon_reload &&
	       !unit->why_not && unit->n_paths > 0;
}

/* --- the words -------------------------------------------------------------------- */

struct refusal {
	const struct preflight_question *question;
	const struct preflight_path *path;
	struct errinfo *why;
};

static bool refuse(const struct refusal *refusal, enum deploy_result result,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static bool refuse(const struct refusal *refusal, enum deploy_result result,
		   const char *fmt, ...)
{
	const struct preflight_question *question = refusal->question;
	char what[sizeof(refusal->why->what)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)errinfo_refuse(refusal->why, result, "%s could not start: %s",
			     question->unit, what);
	(void)names_trim_utf8(refusal->why->what);
	return false;
}

/* What the archive has to hold, for a path below current; else the path. */
static const char *in_archive(const struct preflight_question *question,
			      const char *path)
{
	size_t length = strlen(question->current_dir);

	if (strncmp(path, question->current_dir, length) == 0 && path[length] == '/')
		return path + length + 1;
	return path;
}

static bool is_below_current(const struct refusal *refusal)
{
	return in_archive(refusal->question, refusal->path->path) !=
	       refusal->path->path;
}

static enum deploy_result whose(const struct refusal *refusal)
{
	return refusal->path->in_release || is_below_current(refusal) ? RESULT_REJECTED
								      : RESULT_FAILED;
}

/* What executes it, or what is to be executed. */
static const char *shown(const struct preflight_path *path)
{
	return *path->file ? path->file : path->path;
}

static bool refuse_missing(const struct refusal *refusal)
{
	const struct preflight_question *question = refusal->question;
	const struct preflight_path *path = refusal->path;

	if (path->in_top)
		return refuse(refusal, RESULT_REJECTED,
			      "'%.100s' does not exist in the release: the archive "
			      "has everything in a directory '%.60s'; set "
			      "strip_components = 1 in the app's file (or deploy with "
			      "--strip-components=1), or pack what is in that "
			      "directory: mkdir new && tar -xf ARCHIVE -C new "
			      "--strip-components=1 && tar -czf NEW.tar.gz -C new .",
			      path->path, question->top);
	if (is_below_current(refusal))
		return refuse(refusal, RESULT_REJECTED,
			      "'%.150s' does not exist in the release; add '%.100s' "
			      "to the archive, or change %s= in the unit",
			      path->path, in_archive(question, path->path),
			      path->setting);
	if (path->use == PREFLIGHT_USE_DIRECTORY)
		return refuse(refusal, RESULT_FAILED,
			      "its working directory '%.150s' does not exist; create "
			      "it, or change WorkingDirectory= in the unit",
			      path->path);
	if (path->use == PREFLIGHT_USE_FILE)
		return refuse(refusal, RESULT_FAILED,
			      "its environment file '%.150s' does not exist; create "
			      "it, or write EnvironmentFile=-%.100s if it is optional",
			      path->path, path->path);
	return refuse(refusal, RESULT_FAILED,
		      "'%.150s' does not exist on this machine; install it, or change "
		      "%s= in the unit",
		      path->path, path->setting);
}

/* The user exists, but what it needs belongs to others. */
static bool refuse_denied(const struct refusal *refusal, const char *closed)
{
	const struct preflight_question *question = refusal->question;
	const char *user = question->facts->user;

	return refuse(refusal, RESULT_FAILED,
		      "its user '%.60s' may not enter or read '%.150s'; set "
		      "User=%.60s and Group=%.60s in the unit, or add "
		      "SupplementaryGroups=%.60s",
		      user, closed, question->app_user, question->app_group,
		      question->app_group);
}

static bool refuse_path(const struct refusal *refusal)
{
	const struct preflight_question *question = refusal->question;
	const struct preflight_path *path = refusal->path;
	const char *name = shown(path);

	switch (path->verdict) {
	case PREFLIGHT_FINE:
	case PREFLIGHT_UNCHECKED:
	case PREFLIGHT_VERDICT_COUNT:
		return true;
	case PREFLIGHT_MISSING:
		return refuse_missing(refusal);
	case PREFLIGHT_DENIED:
		/* Root may. */
		if (preflight_is_root(question->facts))
			return true;
		return refuse_denied(refusal, *path->detail ? path->detail : name);
	case PREFLIGHT_NOT_A_FILE:
		return refuse(refusal, whose(refusal),
			      "'%.150s' is not a regular file; change %s= in the unit",
			      name, path->setting);
	case PREFLIGHT_NOT_A_DIRECTORY:
		return refuse(refusal, whose(refusal),
			      "its working directory '%.150s' is not a directory; "
			      "change WorkingDirectory= in the unit",
			      name);
	case PREFLIGHT_NOT_EXECUTABLE:
		return refuse(
			refusal, whose(refusal),
			"'%.150s' is not executable; run `chmod +x %.100s` before "
			"you pack the archive",
			name, in_archive(question, name));
	case PREFLIGHT_NOEXEC:
		return refuse(
			refusal, RESULT_FAILED,
			"'%.150s' is on a file system that is mounted with noexec; "
			"mount it with exec, or set base_dir= in the app's file to "
			"a directory elsewhere",
			name);
	case PREFLIGHT_CRLF:
		return refuse(
			refusal, whose(refusal),
			"the first line of '%.150s' ends in CR LF, as on Windows, "
			"so its interpreter is not found; run `sed -i 's/\\r$//' "
			"%.100s` before you pack the archive",
			name, in_archive(question, name));
	case PREFLIGHT_NO_INTERPRETER:
		return refuse(refusal, whose(refusal),
			      "'%.150s' needs '%.100s', which does not exist; install "
			      "it, or build the release for this machine",
			      name, path->detail);
	case PREFLIGHT_WRONG_MACHINE:
		return refuse(
			refusal, whose(refusal),
			"'%.150s' is a program for another machine (%.60s); build "
			"the release for this one",
			name, path->detail);
	case PREFLIGHT_BAD_FORMAT:
		return refuse(refusal, whose(refusal),
			      "'%.150s' cannot be executed: it is %.60s; a script "
			      "begins with `#!` and its interpreter",
			      name, path->detail);
	}
	return true;
}

/* --- the decision ----------------------------------------------------------------- */

static bool identity_exists(const struct refusal *refusal)
{
	const struct preflight_unit *unit = refusal->question->facts;

	if (refusal->question->identity_status == PREFLIGHT_EXIT_OF_USER)
		return refuse(refusal, RESULT_FAILED,
			      "User=%.60s does not exist; create that user, or change "
			      "User= in the unit (the app's file has app_user = %.60s)",
			      unit->user ? unit->user : "",
			      refusal->question->app_user);
	if (refusal->question->identity_status == PREFLIGHT_EXIT_OF_GROUP)
		return refuse(refusal, RESULT_FAILED,
			      "one of its groups (Group=%.60s, SupplementaryGroups=) "
			      "does not exist; create it, or change the unit",
			      unit->group ? unit->group : "");
	return true;
}

static bool is_missing_file(const struct preflight_path *path)
{
	return path->verdict == PREFLIGHT_MISSING && !path->in_release;
}

/* What another unit makes before this one starts, or what ends a noexec. */
static bool is_excused(const struct refusal *refusal)
{
	const struct preflight_unit *unit = refusal->question->facts;

	if (refusal->path->verdict == PREFLIGHT_NOEXEC)
		return unit->exec_paths;
	return is_missing_file(refusal->path) && !is_below_current(refusal) &&
	       unit->pulls_in_services;
}

bool preflight_permits(const struct preflight_question *question,
		       struct errinfo *ret_why)
{
	const struct preflight_unit *unit = question->facts;
	struct refusal refusal = {.question = question, .why = ret_why};

	if (unit->need_daemon_reload) {
		(void)errinfo_refuse(
			ret_why, RESULT_FAILED,
			"the unit file of %s has changed since systemd read it, so it "
			"is "
			"not known what would start; run `systemctl daemon-reload` (or "
			"set daemon_reload = yes in the app's file), then try again",
			question->unit);
		return false;
	}
	if (!identity_exists(&refusal))
		return false;
	if (!preflight_needs_files(unit))
		return true;
	if (*question->closed && !preflight_is_root(unit))
		return refuse_denied(&refusal, question->closed);
	for (size_t i = 0; i < unit->n_paths; i++) {
		refusal.path = &unit->paths[i];
		if (!is_excused(&refusal) && !refuse_path(&refusal))
			return false;
	}
	return true;
}
