/*
 * Whether what is live is well: before it is called so, while it bakes, and again for
 * the release that was gone back to. Also the proof of release, which says what may not
 * be pruned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/daemon.h"
#include "loop/health.h"
#include "loop/operation.h"
#include "loop/proof.h"

static void keep_evidence(struct operation *operation,
			  const struct health_outcome *outcome)
{
	operation_fail(operation, RESULT_FAILED, "%s", outcome->error.what);
	operation->release_bad = operation->op.switched;
	(void)snprintf(operation->unit_result, sizeof(operation->unit_result), "%s",
		       outcome->unit_result);
	free(operation->check_output);
	operation->check_output =
		outcome->check_output ? strdup(outcome->check_output) : NULL;
}

/* The app is up when it answers, not when systemd says so. */
static void extend_gap(struct operation *operation,
		       const struct health_outcome *outcome)
{
	uint64_t from = operation->down_since_mono_usec;

	if (from == 0 || outcome->healthy_mono_usec <= from)
		return;
	operation->have_gap = true;
	operation->gap_ms = (outcome->healthy_mono_usec - from + 999) / 1000;
}

static void on_checked(void *userdata, const struct health_outcome *outcome)
{
	struct operation *operation = userdata;

	operation->health = NULL;
	operation->unit_state = outcome->state;
	if (!outcome->healthy) {
		keep_evidence(operation, outcome);
		operation_fail_with_log(operation);
		return;
	}
	if (operation->op.state == OP_STATE_CHECKING && operation->have_gap)
		extend_gap(operation, outcome);
	operation_step_done(operation, true);
}

static void on_rechecked(void *userdata, const struct health_outcome *outcome)
{
	struct operation *operation = userdata;

	operation->health = NULL;
	operation->unit_state = outcome->state;
	if (outcome->healthy)
		extend_gap(operation, outcome);
	else
		operation->revert_error = outcome->error;
	operation_step_done(operation, outcome->healthy);
}

static void look(struct operation *operation, const struct health_options *options,
		 void (*done)(void *userdata, const struct health_outcome *outcome))
{
	if (operation->settings->activate_method == ACTIVATE_METHOD_NONE &&
	    operation->op.switched) {
		operation_step_done(operation, true); /* the unit is somebody else's */
		return;
	}
	operation->health =
		health_start(operation->daemon->units, options, done, operation);
	if (!operation->health) {
		operation_fail(operation, RESULT_FAILED, "out of memory");
		operation_step_done(operation, false);
	}
}

void operation_check(struct operation *operation)
{
	const struct app_health *health = &operation->settings->health;
	bool switched = operation->op.switched;
	struct health_options options = {
		.settings = operation->settings,
		.baseline = &operation->unit_state,
		.stay_ms = switched ? health->min_healthy_sec * 1000 : 0,
		.checks = true,
		.deadline_ms = health->healthy_deadline_sec * 1000};

	/* A restart without checks is done when systemd says so. */
	if (!switched && health->n_checks == 0)
		operation_step_done(operation, true);
	else
		look(operation, &options, on_checked);
}

void operation_bake(struct operation *operation)
{
	uint64_t bake_ms = operation->settings->health.bake_sec * 1000;
	/* Twice: an operator's own restart in the middle lets the bake begin anew. */
	struct health_options options = {.settings = operation->settings,
					 .baseline = &operation->unit_state,
					 .stay_ms = bake_ms,
					 .checks = false,
					 .deadline_ms = 2 * bake_ms + BAKE_SLACK_MSEC};

	if (bake_ms == 0)
		operation_step_done(operation, true);
	else
		look(operation, &options, on_checked);
}

void operation_recheck(struct operation *operation)
{
	const struct app_health *health = &operation->settings->health;
	struct health_options options = {.settings = operation->settings,
					 .baseline = &operation->unit_state,
					 .stay_ms = health->min_healthy_sec * 1000,
					 .checks = true,
					 .deadline_ms =
						 health->healthy_deadline_sec * 1000};

	look(operation, &options, on_rechecked);
}

/*
 * systemd has ended all earlier processes and started new ones since: those run from
 * the release that was current then. So an app whose processes cannot be examined (for
 * example because deployd-proc does not start) does not keep its releases for ever.
 */
static bool is_started_anew(const struct operation *operation)
{
	const struct unit_state *state = &operation->unit_state;

	return operation->restarted && state->send_sigkill &&
	       (strcmp(state->kill_mode, "control-group") == 0 ||
		strcmp(state->kill_mode, "mixed") == 0);
}

static void on_proof(void *userdata, const struct proof_outcome *outcome)
{
	struct operation *operation = userdata;

	operation->proof = NULL;
	/* What is known to be in use is kept in any case. */
	if (outcome->complete || is_started_anew(operation))
		operation->in_use = json_incref((json_t *)outcome->in_use);
	operation_step_done(operation, outcome->complete);
}

void operation_prove(struct operation *operation)
{
	const char *current = manager_current(operation->app);

	if (current)
		operation->proof =
			proof_start(operation->daemon->units, operation->settings,
				    current, on_proof, operation);
	if (!operation->proof)
		operation_step_done(operation, false);
}
