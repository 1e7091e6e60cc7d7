#include "scripts/validate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/call.h"
#include "client/connection.h"
#include "command/verb_name.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "process/program.h"

#define INTERVAL_MSEC 250
#define JOB_SEC_MAX   3600 /* CodeDeploy's own limit for a hook */

/* One unit that stays up: another one, or none, begins anew. */
struct watch {
	char active_since[64]; /* "": it is not up */
	int64_t up_ms;	       /* when we first saw it so */
};

static bool is_word(const json_t *status, const char *key, const char *word)
{
	const char *text = json_out_text(status, key);

	return text && strcmp(text, word) == 0;
}

static void see(struct watch *watch, const json_t *status, int64_t now_ms)
{
	const char *since = json_out_text(status, "active_since");
	bool is_up = since && is_word(status, "unit_state", "active") &&
		     is_word(status, "health", "healthy");

	if (!is_up) {
		watch->active_since[0] = '\0';
		return;
	}
	if (strcmp(watch->active_since, since) == 0)
		return;
	(void)snprintf(watch->active_since, sizeof(watch->active_since), "%s", since);
	watch->up_ms = now_ms;
}

static void tell(const struct app_config *app, const json_t *status)
{
	const char *health = json_out_text(status, "health");
	const char *reason = json_out_text(status, "reason");
	const char *unit_state = json_out_text(status, "unit_state");

	terminal_error("%s is not healthy: %s, %s is %s%s%s; see `deployctl status %s` "
		       "and `journalctl -u %s`",
		       app->app_name, health ? health : "unknown", app->unit,
		       unit_state ? unit_state : "unknown", reason ? ": " : "",
		       reason ? reason : "", app->app_name, app->unit);
}

int validate(const struct verb_table *verbs, const struct app_config *app)
{
	static const struct timespec interval = {.tv_nsec = INTERVAL_MSEC * 1000000L};
	const struct options options = {OPTIONS_NONE, .verbs = verbs};
	const struct verb *verb = verb_find(verbs, "status");
	int64_t begin_ms = program_now_ms(), now_ms = begin_ms;
	int64_t min_ms = (int64_t)app->health.min_healthy_sec * 1000;
	int64_t deadline_ms =
		begin_ms + (int64_t)app->health.healthy_deadline_sec * 1000;
	struct watch watch = {0};

	for (;;) {
		json_t *status = NULL;
		int r = call_ask(verb, &options, "io.deployd.Status",
				 json_pack("{s:s}", "app", app->app_name), "status",
				 &status);
		bool is_busy, has_failed;

		if (r != 0)
			return r;
		now_ms = program_now_ms();
		see(&watch, status, now_ms);
		is_busy = json_is_object(json_object_get(status, "job"));
		has_failed = !is_busy && (is_word(status, "health", "failed") ||
					  is_word(status, "health", "none"));
		if (!is_busy && *watch.active_since && now_ms - watch.up_ms >= min_ms) {
			(void)printf("%s is healthy: release %s\n", app->app_name,
				     json_out_text(status, "release"));
			json_decref(status);
			return 0;
		}
		if (has_failed || now_ms - begin_ms > JOB_SEC_MAX * 1000L ||
		    (!is_busy && now_ms > deadline_ms)) {
			tell(app, status);
			json_decref(status);
			return result_exit_status(RESULT_FAILED);
		}
		json_decref(status);
		(void)nanosleep(&interval, NULL);
	}
}
