/* What must hold before an operation changes anything. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "loop/clone.h"
#include "loop/clone_review.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/operation.h"

static int64_t number_of(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* "" stands for none. */
static bool is_current(struct operation *operation)
{
	const char *current = manager_current(operation->app);

	if (!operation->if_current ||
	    strcmp(operation->if_current, current ? current : "") == 0)
		return true;
	operation_fail(operation, RESULT_IF_CURRENT,
		       "the current release is %s, not %s; nothing was changed",
		       current ? current : "none",
		       *operation->if_current ? operation->if_current : "none");
	return false;
}

static bool is_not_held(struct operation *operation)
{
	const json_t *hold = manager_hold(operation->app, (int64_t)time(NULL));
	const char *reason = text_of(hold, "reason");
	const char *user = text_of(json_object_get(hold, "by"), "user");
	char until[RFC3339_SIZE];

	if (!hold)
		return true;
	names_rfc3339(number_of(hold, "until_sec"), until);
	operation_fail(operation, RESULT_BUSY,
		       "%s is held by %s%s%s: %s; `deployctl unhold %s` lifts that",
		       operation->settings->app_name, user ? user : "somebody",
		       number_of(hold, "until_sec") > 0 ? " until " : "",
		       number_of(hold, "until_sec") > 0 ? until : "",
		       reason && *reason ? reason : "no reason was given",
		       operation->settings->app_name);
	return false;
}

/* Going back is one of the two answers that it waits for. */
static bool awaits_no_confirmation(struct operation *operation)
{
	const json_t *confirm = manager_confirm(operation->app);
	const char *release = text_of(confirm, "release");
	const char *app = operation->settings->app_name;

	if (!confirm || operation->op.kind == OP_KIND_ROLLBACK)
		return true;
	operation_fail(operation, RESULT_BUSY,
		       "release %s awaits its confirmation: `deployctl confirm %s` "
		       "keeps it, `deployctl rollback %s` goes back",
		       release ? release : "", app, app);
	return false;
}

/* A crash may have left something to be done first. */
static bool is_known(struct operation *operation)
{
	const struct app *app = operation->app;

	if (app->view)
		return true;
	operation_fail(operation, RESULT_FAILED,
		       "the releases of %s are not known, nothing was changed: %s",
		       operation->settings->app_name,
		       *app->problem ? app->problem : "not recovered yet");
	return false;
}

bool operation_may_switch(struct operation *operation)
{
	return is_known(operation) && is_current(operation) && is_not_held(operation) &&
	       awaits_no_confirmation(operation);
}

bool operation_archive_is_welcome(struct operation *operation, const char *sha256)
{
	const json_t *releases = json_object_get(operation->app->view, "releases");
	json_t *release;
	size_t i;

	if (operation->force || operation->op.kind != OP_KIND_DEPLOY)
		return true;
	json_array_foreach (releases, i, release) {
		const char *hash = text_of(release, "sha256");
		const char *state = text_of(release, "state");
		const char *reason =
			text_of(json_object_get(release, "evidence"), "reason");

		if (!hash || strcmp(hash, sha256) != 0 || !state ||
		    strcmp(state, "bad") != 0)
			continue;
		operation_fail(operation, RESULT_REJECTED,
			       "this archive was release %s, which is bad (%.200s); "
			       "--force deploys it all the same",
			       text_of(release, "id"), reason ? reason : "no word why");
		return false;
	}
	return true;
}

/* NULL when a job can be asked of the unit. */
static const char *why_not(const struct unit_state *state)
{
	if (strcmp(state->load_state, "not-found") == 0)
		return "does not exist; install it and run `systemctl daemon-reload`";
	if (strcmp(state->load_state, "masked") == 0)
		return "is masked; `systemctl unmask` it";
	if (strcmp(state->load_state, "bad-setting") == 0 ||
	    strcmp(state->load_state, "error") == 0)
		return "cannot be loaded; `systemctl status` says why";
	return NULL;
}

static void out_of_memory(struct operation *operation)
{
	operation_fail(operation, RESULT_FAILED, "out of memory");
	operation_step_done(operation, false);
}

static void on_clone(void *userdata, const struct errinfo *error)
{
	struct operation *operation = userdata;

	if (operation->op.failed) {
		operation_step_done(operation, false); /* abandoned meanwhile */
	} else if (error->result != RESULT_OK) {
		operation_fail(operation, error->result, "%.400s; nothing was changed",
			       error->what);
		operation_step_done(operation, false);
	} else {
		operation->with_unit(operation);
	}
}

/*
 * Once the release is current, a check that cannot be run would be held against it. A
 * rollback is needed now, whether or not its checks can be run.
 */
static void with_copy(struct operation *operation)
{
	const struct app_config *settings = operation->settings;

	if (operation->op.kind == OP_KIND_ROLLBACK || !clone_review_check(settings)) {
		operation->with_unit(operation);
	} else if (!clone_query(operation->daemon->units, settings->unit, on_clone,
				operation)) {
		out_of_memory(operation);
	}
}

static void query_unit(struct operation *operation, unit_state_fn done)
{
	operation->unit_query = units_query(operation->daemon->units,
					    operation->settings->unit, done, operation);
	if (!operation->unit_query)
		out_of_memory(operation);
}

static bool must_reread(const struct operation *operation,
			const struct unit_state *state)
{
	return state && state->need_daemon_reload &&
	       operation->settings->daemon_reload && !operation->reread &&
	       !operation->op.failed;
}

static void reread(struct operation *operation, unit_done_fn done)
{
	journal_log(LOG_NOTICE,
		    "%s: the unit file of %s has changed, systemd reads all unit "
		    "files again (daemon_reload = yes)",
		    operation->settings->app_name, operation->settings->unit);
	operation->reread = true;
	operation->unit_op = units_act(
		operation->daemon->units, UNIT_ACTION_REREAD, operation->settings->unit,
		operation->settings->job_timeout_sec * 1000, done, operation);
	if (!operation->unit_op)
		out_of_memory(operation);
}

/* False: the step has failed. */
static bool is_reread(struct operation *operation, const struct unit_outcome *outcome)
{
	operation->unit_op = NULL;
	if (outcome->result != RESULT_OK)
		operation_fail(operation, outcome->result, "%s; nothing was changed",
			       outcome->error.what);
	if (outcome->result == RESULT_OK && !operation->op.failed)
		return true;
	operation_step_done(operation, false);
	return false;
}

static void on_unit_state(void *userdata, int error, const struct unit_state *state);

static void on_reread_before(void *userdata, const struct unit_outcome *outcome)
{
	struct operation *operation = userdata;

	if (is_reread(operation, outcome))
		query_unit(operation, on_unit_state); /* what it is now */
}

static void on_unit_state(void *userdata, int error, const struct unit_state *state)
{
	struct operation *operation = userdata;
	/* Without a bus the job waits for it, too; nothing is known against the unit.
	 */
	const char *why = error < 0 || !state ? NULL : why_not(state);

	operation->unit_query = NULL;
	if (error == 0 && must_reread(operation, state)) {
		reread(operation, on_reread_before);
	} else if (operation->op.failed) {
		operation_step_done(operation, false); /* abandoned meanwhile */
	} else if (why) {
		operation_fail(operation, RESULT_FAILED,
			       "unit %s %s; nothing was changed",
			       operation->settings->unit, why);
		operation_step_done(operation, false);
	} else {
		with_copy(operation);
	}
}

void operation_with_unit(struct operation *operation,
			 void (*go_on)(struct operation *operation))
{
	if (operation->settings->activate_method == ACTIVATE_METHOD_NONE) {
		go_on(operation);
		return;
	}
	operation->with_unit = go_on;
	query_unit(operation, on_unit_state);
}

static void on_reread(void *userdata, const struct unit_outcome *outcome)
{
	struct operation *operation = userdata;

	if (is_reread(operation, outcome))
		operation->with_unit(operation);
}

static void on_unit_file_state(void *userdata, int error,
			       const struct unit_state *state)
{
	struct operation *operation = userdata;

	operation->unit_query = NULL;
	if (error == 0 && must_reread(operation, state))
		reread(operation, on_reread);
	else
		operation->with_unit(operation);
}

void operation_with_unit_file(struct operation *operation,
			      void (*go_on)(struct operation *operation))
{
	if (!operation->settings->daemon_reload) {
		go_on(operation);
		return;
	}
	operation->with_unit = go_on;
	query_unit(operation, on_unit_file_state);
}
