/* The tables: list, releases, history, jobs, the sessions of deployd. The blocks are in
 * look_block.c. */
#include "output/show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deploy/duration.h"
#include "deploy/names.h"
#include "output/json_out.h"
#include "output/progress.h"
#include "output/table.h"
#include "output/terminal.h"

/* "2026-11-23 10:15:00", and where it is from. */
static const char *local_time(const char *text, bool zone,
			      char ret_text[SHOW_TIME_SIZE])
{
	int64_t seconds = text ? names_rfc3339_parse(text) : 0;
	time_t time = (time_t)seconds;
	struct tm local;
	size_t n;

	if (seconds <= 0 || !localtime_r(&time, &local)) {
		(void)snprintf(ret_text, SHOW_TIME_SIZE, "%s", text ? text : "");
		return ret_text;
	}
	n = strftime(ret_text, SHOW_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &local);
	if (zone)
		(void)strftime(ret_text + n, SHOW_TIME_SIZE - n, " %Z", &local);
	return ret_text;
}

const char *show_time(const char *text, char ret_text[SHOW_TIME_SIZE])
{
	return local_time(text, true, ret_text);
}

const char *show_ago(int64_t seconds, char ret_text[SHOW_TIME_SIZE])
{
	static const struct {
		int64_t seconds;
		const char *one, *many;
	} units[] = {
		{INT64_C(365) * 86400, " year", " years"},
		{INT64_C(30) * 86400, " month", " months"},
		{INT64_C(7) * 86400, " week", " weeks"},
		{86400, " day", " days"},
		{3600, "h", "h"},
		{60, "min", "min"},
	};

	if (seconds < 0)
		seconds = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		long long n = (long long)(seconds / units[i].seconds);

		if (n > 0) {
			(void)snprintf(ret_text, SHOW_TIME_SIZE, "%lld%s ago", n,
				       n == 1 ? units[i].one : units[i].many);
			return ret_text;
		}
	}
	(void)snprintf(ret_text, SHOW_TIME_SIZE, "%llds ago", (long long)seconds);
	return ret_text;
}

/* Ends lines at the terminal's edge; elsewhere nothing is ever cut. */
static void finish(struct table *table, const struct options *options)
{
	table_print(table, stdout, !options->no_legend,
		    terminal_stdout() ? terminal_width(STDOUT_FILENO) : 0);
	table_free(table);
}

/* An empty table needs a word, where it is in nobody's way. */
static bool nothing(const json_t *rows, const struct options *options, const char *text)
{
	if (json_array_size(rows) > 0)
		return false;
	if (!options->quiet)
		(void)fprintf(stderr, "%s\n", text);
	return true;
}

static const char *user_of(const json_t *object, const char *key)
{
	return json_out_text(json_object_get(object, key), "user");
}

/* "unpacking 43%" */
static void add_job(struct table *table, const json_t *job)
{
	const char *kind = json_out_text(job, "kind"),
		   *phase = json_out_text(job, "phase");
	json_int_t percent = json_out_int(job, "percent", -1);

	if (!kind)
		table_add(table, NULL);
	else if (percent >= 0)
		table_addf(table, "%s (%s %d%%)", kind, phase ? phase : "",
			   (int)percent);
	else
		table_addf(table, "%s (%s)", kind, phase ? phase : "");
}

/* What there is to know beyond the state: why it is degraded, a hold, a failure. */
static void add_trouble(struct table *table, const json_t *app)
{
	const json_t *failure = json_object_get(app, "failure"),
		     *hold = json_object_get(app, "hold");
	const char *release = json_out_text(failure, "release"),
		   *kind = json_out_text(failure, "kind"),
		   *message = json_out_text(failure, "message"),
		   *reason = json_out_text(hold, "reason");
	char text[2048];

	table_note(table, json_out_text(app, "reason"));
	if (json_is_object(hold)) {
		(void)snprintf(text, sizeof(text), "held: %s", reason ? reason : "");
		table_note(table, text);
	}
	if (json_is_object(failure)) {
		(void)snprintf(text, sizeof(text), "the %s of %s failed: %s",
			       kind ? kind : "job", release ? release : "a release",
			       message ? message : "");
		table_note(table, text);
	}
}

void show_list(const json_t *apps, const struct options *options)
{
	static const struct table_column columns[] = {
		{"APP", 0},  {"STATE", 0},  {"RELEASE", 0}, {"VERSION", 0},
		{"UNIT", 0}, {"ACTIVE", 0}, {"JOB", 0}};
	struct table *table;

	if (nothing(apps, options, "No apps, or no right on any."))
		return;
	table = table_new(columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < json_array_size(apps); i++) {
		const json_t *app = json_array_get(apps, i);
		const char *state = json_out_text(app, "state");

		table_add(table, json_out_text(app, "app"));
		table_addf(table, "%s%s", state ? state : "-",
			   json_is_object(json_object_get(app, "hold")) ? ",held" : "");
		table_add(table, json_out_text(app, "release"));
		table_add(table, json_out_text(app, "version"));
		table_add(table, json_out_text(app, "unit"));
		table_add(table, json_out_text(app, "unit_state"));
		add_job(table, json_object_get(app, "job"));
		add_trouble(table, app);
	}
	finish(table, options);
}

void show_releases(const json_t *releases, const struct options *options)
{
	static const struct table_column columns[] = {{"RELEASE", 0},
						      {"STATE", 0},
						      {"VERSION", 0},
						      {"REVISION", 0},
						      {"BY", 0},
						      {"DEPLOYED", 0},
						      {"SIZE", TABLE_RIGHT},
						      {"FILES", TABLE_RIGHT},
						      {"MESSAGE", 0}};
	struct table *table;

	if (nothing(releases, options, "No releases."))
		return;
	table = table_new(columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < json_array_size(releases); i++) {
		const json_t *release = json_array_get(releases, i);
		const char *state = json_out_text(release, "state");
		char time[SHOW_TIME_SIZE], bytes[PROGRESS_BYTES_SIZE];
		json_int_t size = json_out_int(release, "bytes", -1),
			   files = json_out_int(release, "files", -1);

		table_add(table, json_out_text(release, "id"));
		table_addf(table, "%s%s", state ? state : "-",
			   json_is_true(json_object_get(release, "pinned")) ? ",pinned"
									    : "");
		table_add(table, json_out_text(release, "version"));
		table_add(table, json_out_text(release, "revision"));
		table_add(table, user_of(release, "deployed_by"));
		table_add(table,
			  show_time(json_out_text(release, "deployed_at"), time));
		table_add(table, size >= 0 ? progress_bytes(size, bytes) : NULL);
		table_addf(table, files >= 0 ? "%lld" : "-", (long long)files);
		table_add(table, json_out_text(release, "message"));
	}
	finish(table, options);
}

void show_history(const json_t *entries, const struct options *options)
{
	/* The first five fit 80 columns; the reason has a line of its own. */
	static const struct table_column columns[] = {
		{"TIME", 0},
		{"KIND", 0},
		{"RELEASE", 0},
		{"RESULT", 0},
		{"BY", 0},
		{"TOOK", TABLE_RIGHT | TABLE_OPTIONAL},
		{"DOWN", TABLE_RIGHT | TABLE_OPTIONAL},
		{"FROM", TABLE_OPTIONAL},
		{"JOB", TABLE_OPTIONAL}};
	struct table *table;

	if (nothing(entries, options, "Nothing was done yet."))
		return;
	table = table_new(columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);
		json_int_t took = json_out_int(entry, "took_ms", -1),
			   gap = json_out_int(entry, "restart_gap_ms", -1);
		char time[SHOW_TIME_SIZE], span[DURATION_TEXT_SIZE];

		table_add(table, local_time(json_out_text(entry, "time"), false, time));
		table_add(table, json_out_text(entry, "kind"));
		table_add(table, json_out_text(entry, "to"));
		table_add(table, json_out_text(entry, "result"));
		table_add(table, user_of(entry, "by"));
		table_add(table, took >= 0 ? duration_text(took, span) : NULL);
		table_add(table, gap >= 0 ? duration_text(gap, span) : NULL);
		table_add(table, json_out_text(entry, "from"));
		table_add(table, json_out_text(entry, "id"));
		table_note(table, json_out_text(entry, "message"));
	}
	finish(table, options);
}

void show_jobs(const json_t *jobs, const struct options *options)
{
	static const struct table_column columns[] = {
		{"JOB", 0},	{"APP", 0}, {"KIND", 0},   {"PHASE", 0},
		{"STARTED", 0}, {"BY", 0},  {"RESULT", 0}, {"RELEASE", 0}};
	struct table *table;

	if (nothing(jobs, options, "No jobs."))
		return;
	table = table_new(columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < json_array_size(jobs); i++) {
		const json_t *job = json_array_get(jobs, i);
		const char *phase = json_out_text(job, "phase");
		const char *waits_for = json_out_text(job, "waits_for");
		json_int_t percent = json_out_int(job, "percent", -1);
		char time[SHOW_TIME_SIZE];

		table_add(table, json_out_text(job, "id"));
		table_add(table, json_out_text(job, "app"));
		table_add(table, json_out_text(job, "kind"));
		if (percent >= 0)
			table_addf(table, "%s %d%%", phase ? phase : "", (int)percent);
		else if (waits_for)
			table_addf(table, "waits for %s", waits_for);
		else
			table_add(table, phase);
		table_add(table, show_time(json_out_text(job, "started_at"), time));
		table_add(table, user_of(job, "by"));
		table_add(table, json_out_text(job, "result"));
		table_add(table, json_out_text(job, "release"));
	}
	finish(table, options);
}

static unsigned int count_sessions(const json_t *sessions, const char *state)
{
	unsigned int n = 0;

	for (size_t i = 0; i < json_array_size(sessions); i++) {
		const char *is = json_out_text(json_array_get(sessions, i), "state");

		if (is && strcmp(is, state) == 0)
			n++;
	}
	return n;
}

static void print_session_counts(const json_t *sessions)
{
	static const char *const states[] = {"connected", "idle", "hung", "ended"};
	const char *comma = "";

	(void)fputs("Sessions: ", stdout);
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		unsigned int n = count_sessions(sessions, states[i]);

		if (n == 0)
			continue;
		(void)printf("%s%u %s", comma, n, states[i]);
		comma = ", ";
	}
	(void)puts(*comma ? "" : "none");
	if (count_sessions(sessions, "hung") > 0)
		(void)puts(
			"A hung session is stuck on a file from its client that does "
			"not respond. It cannot\nbe killed and still counts as one of "
			"the user's connections, but it holds up nothing\nelse.");
}

void show_daemon(const json_t *daemon, const struct options *options)
{
	static const struct table_column columns[] = {{"USER", 0},
						      {"UID", TABLE_RIGHT},
						      {"PID", TABLE_RIGHT},
						      {"STATE", 0},
						      {"SINCE", 0}};
	const json_t *sessions = json_object_get(daemon, "sessions");
	const char *version = json_out_text(daemon, "version");
	struct table *table;

	(void)fputs("deployd ", stdout);
	terminal_put(stdout, version ? version : "");
	(void)printf(", PID %lld\n", (long long)json_out_int(daemon, "pid", 0));
	print_session_counts(sessions);
	if (json_array_size(sessions) == 0)
		return;
	(void)putchar('\n');
	table = table_new(columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < json_array_size(sessions); i++) {
		const json_t *session = json_array_get(sessions, i);
		json_int_t uid = json_out_int(session, "uid", -1),
			   pid = json_out_int(session, "pid", -1);
		char time[SHOW_TIME_SIZE];

		table_add(table, json_out_text(session, "user"));
		if (uid >= 0)
			table_addf(table, "%lld", (long long)uid);
		else
			table_add(table, NULL);
		if (pid >= 0)
			table_addf(table, "%lld", (long long)pid);
		else
			table_add(table, NULL);
		table_add(table, json_out_text(session, "state"));
		table_add(table, show_time(json_out_text(session, "since"), time));
	}
	finish(table, options);
}
