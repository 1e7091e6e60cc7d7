/* The blocks: status, as systemctl shows a unit, and show, of one release. */
#include "output/show.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "output/json_out.h"
#include "output/progress.h"
#include "output/terminal.h"

#define LABEL_COLUMNS 11

/* Where lines end: on a terminal `status` is one line a fact. */
static size_t end_column = SIZE_MAX;

/* Returns the columns left. */
static size_t label(const char *name)
{
	size_t used = LABEL_COLUMNS + strlen(": ");

	(void)printf("%*s: ", LABEL_COLUMNS, name);
	return end_column > used ? end_column - used : 0;
}

/* "  Previous: text" */
static void line(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void line(const char *name, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)terminal_put_cut(stdout, text, label(name));
	(void)putchar('\n');
}

/* "2026-11-23 10:15:00 UTC; 3min ago" */
static const char *when(const char *text, int64_t now, char *ret_text, size_t size)
{
	char time[SHOW_TIME_SIZE], ago[SHOW_TIME_SIZE];

	(void)snprintf(ret_text, size, "%s; %s", show_time(text, time),
		       show_ago(now - names_rfc3339_parse(text), ago));
	return ret_text;
}

/* The state in its colour; the word says the same without. Returns the columns left. */
static size_t put_state(const char *state, size_t columns)
{
	enum terminal_color color = strcmp(state, "live") == 0	     ? COLOR_GOOD
				    : strcmp(state, "degraded") == 0 ? COLOR_BAD
								     : COLOR_STRONG;

	(void)fputs(terminal_color(color), stdout);
	columns = terminal_put_cut(stdout, state, columns);
	(void)fputs(terminal_plain(), stdout);
	return columns;
}

static void print_state(const json_t *status, int64_t now)
{
	const char *state = json_out_text(status, "state"),
		   *reason = json_out_text(status, "reason"),
		   *since = json_out_text(status, "deployed_at");
	char time[160], text[2048];
	size_t columns = put_state(state ? state : "unknown", label("State"));

	(void)snprintf(text, sizeof(text), "%s%s%s%s%s", reason ? " (" : "",
		       reason ? reason : "", reason ? ")" : "", since ? " since " : "",
		       since ? when(since, now, time, sizeof(time)) : "");
	(void)terminal_put_cut(stdout, text, columns);
	(void)putchar('\n');
}

/* "  v2.0 (abc123)", whichever of the two there is. */
static const char *version_of(const json_t *object, char *ret_text, size_t size)
{
	const char *version = json_out_text(object, "version"),
		   *revision = json_out_text(object, "revision");

	(void)snprintf(ret_text, size, "%s%s%s%s%s", version ? "  version " : "",
		       version ? version : "", revision ? "  (" : "",
		       revision ? revision : "", revision ? ")" : "");
	return ret_text;
}

static void print_unit(const json_t *status, int64_t now)
{
	const char *unit_state = json_out_text(status, "unit_state"),
		   *sub_state = json_out_text(status, "unit_sub_state"),
		   *since = json_out_text(status, "active_since");
	json_int_t pid = json_out_int(status, "main_pid", 0);
	char time[160] = "", main_pid[48] = "";

	if (pid > 0)
		(void)snprintf(main_pid, sizeof(main_pid), ", main PID %lld",
			       (long long)pid);
	line("Unit", "%s (%s)%s%s%s", unit_state ? unit_state : "unknown",
	     sub_state ? sub_state : "unknown", main_pid, since ? " since " : "",
	     since ? when(since, now, time, sizeof(time)) : "");
}

static void print_by(const char *name, const json_t *by, const char *at, int64_t now)
{
	const char *user = json_out_text(by, "user");
	char time[160];

	if (!user)
		return;
	line(name, "by %s (uid %lld)%s%s", user, (long long)json_out_int(by, "uid", -1),
	     at ? ", " : "", at ? when(at, now, time, sizeof(time)) : "");
}

static void print_job(const json_t *job)
{
	const char *kind = json_out_text(job, "kind"),
		   *phase = json_out_text(job, "phase"), *id = json_out_text(job, "id");
	json_int_t percent = json_out_int(job, "percent", -1);
	char text[16] = "";

	if (!kind)
		return;
	if (percent >= 0)
		(void)snprintf(text, sizeof(text), " %d%%", (int)percent);
	line("Job", "%s: %s%s (job %s)", kind, phase ? phase : "", text, id ? id : "");
}

static void line_if(const json_t *object, const char *name, const char *key)
{
	const char *text = json_out_text(object, key);

	if (text)
		line(name, "%s", text);
}

static void print_hold(const json_t *status)
{
	const json_t *hold = json_object_get(status, "hold");
	const char *reason = json_out_text(hold, "reason"),
		   *until = json_out_text(hold, "until"),
		   *user = json_out_text(json_object_get(hold, "by"), "user");
	char time[SHOW_TIME_SIZE];

	if (!json_is_true(json_object_get(status, "held")))
		return;
	line("Held", "%s%s%s%s%s", reason ? reason : "yes", user ? ", by " : "",
	     user ? user : "", until ? ", until " : "",
	     until ? show_time(until, time) : "");
}

static void print_failure(const json_t *failure, const char *reason, int64_t now)
{
	const char *kind = json_out_text(failure, "kind"),
		   *release = json_out_text(failure, "release"),
		   *user = json_out_text(json_object_get(failure, "by"), "user"),
		   *at = json_out_text(failure, "time"),
		   *message = json_out_text(failure, "message");
	char time[160];

	if (!kind || !at)
		return;
	line("Failed", "%s of %s by %s, %s", kind, release ? release : "a release",
	     user ? user : "somebody", when(at, now, time, sizeof(time)));
	/* An app that is degraded by it has said so above. */
	if (message && (!reason || strcmp(message, reason) != 0))
		line("Why", "%s", message);
}

void show_status(const json_t *status, int64_t now)
{
	const char *app = json_out_text(status, "app"),
		   *unit = json_out_text(status, "unit"),
		   *release = json_out_text(status, "release"),
		   *previous = json_out_text(status, "previous"),
		   *health = json_out_text(status, "health"),
		   *method = json_out_text(status, "restart_method"),
		   *state = json_out_text(status, "state");
	const json_t *verified = json_object_get(status, "verified");
	const char *drift = json_out_text(status, "drift");
	bool live = state && strcmp(state, "live") == 0;
	const char *confirm_by = json_out_text(status, "confirm_by");
	char version[512], time[SHOW_TIME_SIZE], head[512];

	if (terminal_stdout())
		end_column = terminal_width(STDOUT_FILENO);
	(void)fputs(terminal_color(live ? COLOR_GOOD : COLOR_BAD), stdout);
	(void)fputs(terminal_utf8() ? "●" : "*", stdout);
	(void)printf("%s ", terminal_plain());
	(void)snprintf(head, sizeof(head), "%s - %s", app ? app : "", unit ? unit : "");
	(void)terminal_put_cut(stdout, head, end_column - strlen("* "));
	(void)putchar('\n');
	print_state(status, now);
	line("Release", "%s%s", release ? release : "none",
	     version_of(status, version, sizeof(version)));
	if (json_is_boolean(verified))
		line("Running", "%s%s%s",
		     json_is_true(verified) ? "verified to be this release"
					    : "DRIFT: not this release",
		     drift ? ": " : "", drift ? drift : "");
	line("Previous", "%s", previous ? previous : "none");
	print_unit(status, now);
	if (health)
		line("Health", "%s", health);
	print_by("Deployed", json_object_get(status, "deployed_by"),
		 json_out_text(status, "deployed_at"), now);
	if (method)
		line("Restart", "%s", method);
	print_failure(json_object_get(status, "failure"),
		      json_out_text(status, "reason"), now);
	line_if(status, "Flag", "flag_trouble");
	if (confirm_by)
		line("Confirm by", "%s", show_time(confirm_by, time));
	print_hold(status);
	print_job(json_object_get(status, "job"));
}

/* What speaks against a bad release. */
static void print_evidence(const json_t *evidence, bool bad)
{
	const json_t *journal = json_object_get(evidence, "journal");

	line_if(evidence, bad ? "Bad" : "Failed", "reason");
	line_if(evidence, "Unit", "unit_result");
	line_if(evidence, "Check", "check_output");
	for (size_t i = 0; i < json_array_size(journal); i++) {
		(void)label(i == 0 ? "Journal" : "");
		terminal_put(stdout, json_string_value(json_array_get(journal, i)));
		(void)putchar('\n');
	}
}

void show_release(const json_t *release, int64_t now)
{
	json_int_t bytes = json_out_int(release, "bytes", -1),
		   files = json_out_int(release, "files", 0);
	const char *state = json_out_text(release, "state");
	char size[PROGRESS_BYTES_SIZE];

	line_if(release, "Release", "id");
	line_if(release, "State", "state");
	line_if(release, "Version", "version");
	line_if(release, "Revision", "revision");
	line_if(release, "Message", "message");
	line_if(release, "SHA-256", "sha256");
	if (bytes >= 0)
		line("Size", "%s in %lld %s", progress_bytes(bytes, size),
		     (long long)files, files == 1 ? "file" : "files");
	print_by("Deployed", json_object_get(release, "deployed_by"),
		 json_out_text(release, "deployed_at"), now);
	print_evidence(json_object_get(release, "evidence"),
		       state && strcmp(state, "bad") == 0);
	line("Pinned", "%s",
	     json_is_true(json_object_get(release, "pinned")) ? "yes" : "no");
}
