#include "core/blame.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

/* Exit statuses of systemd.exec(5) that may be about a file of the release. */
#define STEP_CHDIR     200
#define STEP_EXEC      203
#define STEP_NAMESPACE 226
/* Others that are taken after the change of user. */
#define STEP_NO_NEW_PRIVILEGES 227
#define STEP_SECCOMP	       228

#define STEP_UNKNOWN 0

#define STEP_FIRST 200
#define STEP_LAST  245

static const char *const kind_names[] = {
	[FAILURE_RAN] = "ran",
	[FAILURE_OWN] = "own-file",
	[FAILURE_SETUP] = "set-up",
	[FAILURE_MACHINE] = "machine",
};
static_assert(sizeof(kind_names) / sizeof(*kind_names) == FAILURE_KIND_COUNT,
	      "every kind of failure has a name");

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

const char *failure_kind_name(enum failure_kind kind)
{
	assert(kind < FAILURE_KIND_COUNT);
	return kind_names[kind];
}

enum failure_kind failure_kind_from_name(const char *name)
{
	for (int kind = 0; kind < FAILURE_KIND_COUNT; kind++)
		if (is(name, kind_names[kind]))
			return (enum failure_kind)kind;
	return FAILURE_MACHINE;
}

bool blame_needs_journal(const char *result, int32_t exec_main_code,
			 int32_t exec_main_status)
{
	if (!is(result, "exit-code"))
		return false;
	/* Of a command such as ExecStartPre= there is no status. */
	return exec_main_code == 0 ||
	       (exec_main_code == CLD_EXITED && exec_main_status >= STEP_FIRST &&
		exec_main_status <= STEP_LAST);
}

/* "Failed at step CHDIR spawning ...": those steps that matter here. */
static int32_t step_of(const struct blame_facts *facts, const struct blame_line *spawn)
{
	static const struct {
		const char *text;
		int32_t step;
	} steps[] = {
		{" step CHDIR ", STEP_CHDIR},
		{" step EXEC ", STEP_EXEC},
		{" step NAMESPACE ", STEP_NAMESPACE},
		{" step NO_NEW_PRIVILEGES ", STEP_NO_NEW_PRIVILEGES},
		{" step SECCOMP ", STEP_SECCOMP},
	};

	if (facts->exec_main_code != 0)
		return facts->exec_main_status;
	for (size_t i = 0; spawn->message && i < sizeof(steps) / sizeof(*steps); i++)
		if (strstr(spawn->message, steps[i].text))
			return steps[i].step;
	return STEP_UNKNOWN;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* "!" in front of WorkingDirectory=: it may be missing. */
static bool is_own(const struct blame_facts *facts, const char *path)
{
	path += *path == '!';
	return is_below(path, facts->current_dir) || is_below(path, facts->release_dir);
}

static bool names(const char *message, const char *dir)
{
	size_t n = strlen(dir);
	const char *at = message;

	while ((at = strstr(at, dir))) {
		if (at[n] == '/' || at[n] == ':' || at[n] == ' ' || at[n] == '\0')
			return true;
		at += n;
	}
	return false;
}

/*
 * "Failed to set up mount namespacing: /run/systemd/unit-root/srv/hello/current/tmp: No
 * such file or directory": the entry of the failed spawn names only the program.
 */
static bool namespace_names_own(const struct blame_facts *facts)
{
	for (size_t i = 0; i < facts->n_lines; i++) {
		const struct blame_line *line = &facts->lines[i];

		if (line->from_root && !line->is_spawn && line->message &&
		    (names(line->message, facts->current_dir) ||
		     names(line->message, facts->release_dir)))
			return true;
	}
	return false;
}

static bool is_about_own_file(const struct blame_facts *facts,
			      const struct blame_line *spawn)
{
	switch (step_of(facts, spawn)) {
	case STEP_CHDIR:
		return is_own(facts, facts->working_dir);
	case STEP_EXEC:
		return spawn->path && is_own(facts, spawn->path);
	case STEP_NAMESPACE:
		return namespace_names_own(facts);
	default:
		return false;
	}
}

/*
 * These come after the change of user, so the entry is written by the app's own. An app
 * that forges it is still rolled back; only its release is not marked bad.
 */
static bool is_after_user(int32_t step)
{
	return step == STEP_CHDIR || step == STEP_EXEC ||
	       step == STEP_NO_NEW_PRIVILEGES || step == STEP_SECCOMP;
}

static const struct blame_line *find_spawn(const struct blame_facts *facts)
{
	for (size_t i = facts->n_lines; i-- > 0;) {
		const struct blame_line *line = &facts->lines[i];

		if (line->is_spawn &&
		    (line->from_root || is_after_user(step_of(facts, line))))
			return line;
	}
	return NULL;
}

static struct failure judge_step(const struct blame_facts *facts)
{
	const struct blame_line *spawn = find_spawn(facts);

	if (!spawn)
		return (struct failure){.kind = FAILURE_RAN};
	return (struct failure){.kind = is_about_own_file(facts, spawn) ? FAILURE_OWN
									: FAILURE_SETUP,
				.step = step_of(facts, spawn),
				.errnum = spawn->errnum};
}

static bool is_out_of_machine_memory(const struct blame_facts *facts)
{
	if (!is(facts->result, "oom-kill"))
		return false;
	return !facts->has_memory_limit ||
	       (facts->have_memory_events && !facts->memory_limit_is_hit);
}

struct failure blame_judge(const struct blame_facts *facts)
{
	if (facts->never_started || !is(facts->load_state, "loaded") ||
	    is(facts->result, "resources") || is_out_of_machine_memory(facts))
		return (struct failure){.kind = FAILURE_MACHINE};
	if (blame_needs_journal(facts->result, facts->exec_main_code,
				facts->exec_main_status))
		return judge_step(facts);
	return (struct failure){.kind = FAILURE_RAN};
}

bool blame_is_alike(const struct failure *failure, const struct failure *back)
{
	if (failure->kind == FAILURE_RAN || back->kind == FAILURE_RAN)
		return false;
	return failure->step == back->step && failure->errnum == back->errnum;
}

bool blame_is_release(const struct failure *failure, const struct failure *back)
{
	switch (failure->kind) {
	case FAILURE_RAN:
		return true;
	case FAILURE_OWN:
		return !back || !blame_is_alike(failure, back);
	case FAILURE_SETUP:
	case FAILURE_MACHINE:
	case FAILURE_KIND_COUNT:
		break;
	}
	return false;
}
