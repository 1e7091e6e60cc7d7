#include "core/verification.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *verification_verdict_name(enum verification_verdict verdict)
{
	switch (verdict) {
	case VERIFICATION_VERIFIED:
		return "verified";
	case VERIFICATION_DRIFT:
		return "drift";
	case VERIFICATION_UNKNOWN:
		return "unknown";
	}
	return "unknown";
}

/* Below releases_dir: what follows it; else NULL. */
static const char *below(const char *releases_dir, const char *path)
{
	size_t n = strlen(releases_dir);

	if (!path || strncmp(path, releases_dir, n) != 0 || path[n] != '/')
		return NULL;
	return path + n + 1;
}

static bool is_in(const char *releases_dir, const char *path, const char *release)
{
	const char *rest = below(releases_dir, path);
	size_t n = strlen(release);

	/* The kernel writes " (deleted)" behind the name of what is gone. */
	return rest && strncmp(rest, release, n) == 0 &&
	       (rest[n] == '\0' || rest[n] == '/' || rest[n] == ' ');
}

static bool is_elsewhere(const char *releases_dir, const char *path,
			 const char *release)
{
	return below(releases_dir, path) && !is_in(releases_dir, path, release);
}

bool verification_release_of(const char *releases_dir, const char *path,
			     char ret_id[RELEASE_ID_SIZE])
{
	const char *rest = below(releases_dir, path);
	char id[RELEASE_ID_SIZE];
	size_t n;

	if (!rest)
		return false;
	n = strcspn(rest, "/ ");
	if (n >= sizeof(id))
		return false;
	memcpy(id, rest, n);
	id[n] = '\0';
	if (!names_release_valid(id))
		return false;
	memcpy(ret_id, id, n + 1);
	return true;
}

static void say(char ret_reason[VERIFICATION_REASON_SIZE],
		const struct verification_process *process, const char *what,
		const char *path)
{
	char comm[32], shown[160];

	names_escape(process->comm ? process->comm : "?", comm, sizeof(comm));
	names_escape(path, shown, sizeof(shown));
	(void)snprintf(ret_reason, VERIFICATION_REASON_SIZE,
		       "pid %" PRId64 " (%s) %s%s", process->pid, comm, what, shown);
}

/* The path by which the process uses another release, NULL when it uses none. */
static const char *elsewhere(const struct verification_process *process,
			     const char *dir, const char *release)
{
	if (is_elsewhere(dir, process->exe, release))
		return process->exe;
	if (is_elsewhere(dir, process->cwd, release))
		return process->cwd;
	for (size_t i = 0; i < process->n_mapped; i++)
		if (is_elsewhere(dir, process->mapped[i], release))
			return process->mapped[i];
	return NULL;
}

/*
 * A program outside of the releases may be replaced by an upgrade of its package: that
 * is no drift.
 */
static const char *deleted(const struct verification_process *process, const char *dir)
{
	if (!process->deleted)
		return NULL;
	if (below(dir, process->exe))
		return process->exe;
	return below(dir, process->cwd) ? process->cwd : NULL;
}

static bool uses(const struct verification_process *process, const char *dir,
		 const char *release)
{
	if (is_in(dir, process->exe, release) || is_in(dir, process->cwd, release))
		return true;
	for (size_t i = 0; i < process->n_mapped; i++)
		if (is_in(dir, process->mapped[i], release))
			return true;
	return false;
}

static bool find_drift(const struct verification_report *report, const char *release,
		       char ret_reason[VERIFICATION_REASON_SIZE])
{
	for (size_t i = 0; i < report->n_processes; i++) {
		const struct verification_process *process = &report->processes[i];
		const char *path = elsewhere(process, report->releases_dir, release);

		if (path) {
			say(ret_reason, process, "runs from ", path);
			return true;
		}
		path = deleted(process, report->releases_dir);
		if (path) {
			say(ret_reason, process, "runs from what was deleted: ", path);
			return true;
		}
	}
	return false;
}

static const struct verification_process *
unreadable(const struct verification_report *report)
{
	for (size_t i = 0; i < report->n_processes; i++)
		if (!report->processes[i].readable)
			return &report->processes[i];
	return NULL;
}

bool verification_complete(const struct verification_report *report)
{
	return !report->truncated && !unreadable(report);
}

enum verification_verdict verification_judge(const struct verification_report *report,
					     const char *release,
					     char ret_reason[VERIFICATION_REASON_SIZE])
{
	const struct verification_process *main_process = NULL,
					  *hidden = unreadable(report);

	if (find_drift(report, release, ret_reason))
		return VERIFICATION_DRIFT;
	for (size_t i = 0; i < report->n_processes; i++)
		if (report->processes[i].pid == report->main_pid)
			main_process = &report->processes[i];
	if (report->main_pid == 0 || !main_process)
		(void)snprintf(ret_reason, VERIFICATION_REASON_SIZE,
			       "the unit has no main process to examine");
	else if (hidden)
		say(ret_reason, hidden, "could not be examined", "");
	else if (report->truncated)
		(void)snprintf(
			ret_reason, VERIFICATION_REASON_SIZE,
			"the unit has more processes than deployd-proc examines");
	else if (!uses(main_process, report->releases_dir, release))
		say(ret_reason, main_process, "has no file of a release in use", "");
	else
		return VERIFICATION_VERIFIED;
	return VERIFICATION_UNKNOWN;
}
