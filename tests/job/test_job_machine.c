#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/job_machine.h"

#define STEPS_MAX 16 /* no job has more */

/* What an event does, said a second time and in another way than core/job_machine.c
 * does. */
struct expected {
	bool valid;
	enum job_state to;
	enum job_action action;
	bool fails;
	bool switches;
	bool reverts;
	bool restores;
};

static bool makes_release(enum job_kind kind)
{
	return kind == JOB_KIND_DEPLOY || kind == JOB_KIND_STAGE;
}

static bool switches_release(enum job_kind kind)
{
	return kind == JOB_KIND_DEPLOY || kind == JOB_KIND_ACTIVATE ||
	       kind == JOB_KIND_ROLLBACK;
}

static bool marks_only(enum job_kind kind)
{
	return kind == JOB_KIND_CONFIRM || kind == JOB_KIND_HOLD ||
	       kind == JOB_KIND_UNHOLD || kind == JOB_KIND_MARK_GOOD ||
	       kind == JOB_KIND_MARK_BAD || kind == JOB_KIND_PIN ||
	       kind == JOB_KIND_UNPIN;
}

static bool starts_unit(enum job_kind kind)
{
	return switches_release(kind) || kind == JOB_KIND_RECOVER ||
	       kind == JOB_KIND_RESTART || kind == JOB_KIND_START;
}

static bool is_before_switch(enum job_state state)
{
	return state == JOB_STATE_QUEUED || state == JOB_STATE_PREPARING ||
	       state == JOB_STATE_UNPACKING || state == JOB_STATE_SEALING ||
	       state == JOB_STATE_PREFLIGHT;
}

static struct expected go(enum job_state to)
{
	static const struct {
		enum job_state state;
		enum job_action action;
	} does[] = {
		{JOB_STATE_PREPARING, JOB_ACTION_PREPARE},
		{JOB_STATE_UNPACKING, JOB_ACTION_UNPACK},
		{JOB_STATE_SEALING, JOB_ACTION_SEAL},
		{JOB_STATE_PREFLIGHT, JOB_ACTION_PREFLIGHT},
		{JOB_STATE_SWITCHING, JOB_ACTION_SWITCH},
		{JOB_STATE_RESTARTING, JOB_ACTION_RESTART},
		{JOB_STATE_CHECKING, JOB_ACTION_CHECK},
		{JOB_STATE_BAKING, JOB_ACTION_BAKE},
		{JOB_STATE_REVERTING, JOB_ACTION_REVERT},
		{JOB_STATE_RESTORING, JOB_ACTION_RESTORE},
		{JOB_STATE_RECHECKING, JOB_ACTION_RECHECK},
		{JOB_STATE_STOPPING, JOB_ACTION_STOP},
		{JOB_STATE_VERIFYING, JOB_ACTION_VERIFY},
		{JOB_STATE_FINISHING, JOB_ACTION_FINISH},
		{JOB_STATE_DISCARDING, JOB_ACTION_DISCARD},
		{JOB_STATE_MARKING, JOB_ACTION_MARK},
		{JOB_STATE_RECORDING, JOB_ACTION_RECORD},
		{JOB_STATE_DONE, JOB_ACTION_REPLY},
	};

	for (size_t i = 0; i < sizeof(does) / sizeof(*does); i++)
		if (does[i].state == to)
			return (struct expected){
				.valid = true, .to = to, .action = does[i].action};
	fail_msg("nothing goes to state %d", (int)to);
	return (struct expected){0};
}

static struct expected fail_to(enum job_state to)
{
	struct expected e = go(to);

	e.fails = true;
	return e;
}

static struct expected on_started(enum job_kind kind, enum job_fallback fallback)
{
	if (makes_release(kind))
		return go(JOB_STATE_PREPARING);
	if (marks_only(kind))
		return go(JOB_STATE_MARKING);
	if (kind == JOB_KIND_REVERT)
		return go(fallback == JOB_FALLBACK_STOP ? JOB_STATE_STOPPING
							: JOB_STATE_REVERTING);
	return go(switches_release(kind) ? JOB_STATE_PREFLIGHT : JOB_STATE_RESTARTING);
}

static enum job_state after_checking(enum job_kind kind)
{
	if (kind == JOB_KIND_ROLLBACK)
		return JOB_STATE_VERIFYING; /* it has verified itself before */
	return kind == JOB_KIND_DEPLOY || kind == JOB_KIND_ACTIVATE ||
			       kind == JOB_KIND_RECOVER
		       ? JOB_STATE_BAKING
		       : JOB_STATE_RECORDING;
}

static struct expected on_ok(enum job_kind kind, enum job_state state)
{
	struct expected e;

	switch (state) {
	case JOB_STATE_PREPARING:
		return go(JOB_STATE_UNPACKING);
	case JOB_STATE_UNPACKING:
		return go(JOB_STATE_SEALING);
	case JOB_STATE_SEALING:
		return go(kind == JOB_KIND_DEPLOY ? JOB_STATE_PREFLIGHT
						  : JOB_STATE_RECORDING);
	case JOB_STATE_PREFLIGHT:
		return go(JOB_STATE_SWITCHING);
	case JOB_STATE_SWITCHING:
		e = go(JOB_STATE_RESTARTING);
		e.switches = true;
		return e;
	case JOB_STATE_RESTARTING:
		return go(starts_unit(kind) ? JOB_STATE_CHECKING : JOB_STATE_RECORDING);
	case JOB_STATE_CHECKING:
		return go(after_checking(kind));
	case JOB_STATE_BAKING:
		return go(JOB_STATE_VERIFYING);
	case JOB_STATE_REVERTING:
		e = fail_to(JOB_STATE_RESTORING);
		e.reverts = true;
		return e;
	case JOB_STATE_RESTORING:
		return go(JOB_STATE_RECHECKING);
	case JOB_STATE_RECHECKING:
		e = go(JOB_STATE_VERIFYING);
		e.restores = true;
		return e;
	case JOB_STATE_STOPPING:
		return fail_to(JOB_STATE_FINISHING);
	case JOB_STATE_VERIFYING:
		return go(JOB_STATE_FINISHING);
	case JOB_STATE_DISCARDING:
	case JOB_STATE_MARKING:
		return go(JOB_STATE_RECORDING);
	case JOB_STATE_FINISHING:
	case JOB_STATE_RECORDING:
	case JOB_STATE_QUEUED:
	case JOB_STATE_DONE:
	case JOB_STATE_COUNT:
		break;
	}
	return go(JOB_STATE_DONE);
}

static enum job_state when_sick(const struct job_machine *machine)
{
	if (!machine->switched)
		return JOB_STATE_RECORDING;
	if (machine->fallback == JOB_FALLBACK_BACK)
		return JOB_STATE_REVERTING;
	return machine->fallback == JOB_FALLBACK_STOP ? JOB_STATE_STOPPING
						      : JOB_STATE_VERIFYING;
}

static struct expected on_failed(const struct job_machine *machine)
{
	switch (machine->state) {
	case JOB_STATE_UNPACKING:
	case JOB_STATE_SEALING:
		return fail_to(JOB_STATE_DISCARDING);
	case JOB_STATE_RESTARTING:
	case JOB_STATE_CHECKING:
	case JOB_STATE_BAKING:
		return fail_to(when_sick(machine));
	case JOB_STATE_RESTORING:
	case JOB_STATE_RECHECKING:
		return fail_to(machine->has_next ? JOB_STATE_REVERTING
						 : JOB_STATE_VERIFYING);
	case JOB_STATE_REVERTING:
	case JOB_STATE_STOPPING:
		return fail_to(JOB_STATE_VERIFYING);
	case JOB_STATE_VERIFYING:
		/* Other code runs: gone back from, unless that was done already. */
		return fail_to(machine->failed || !machine->switched ||
					       machine->fallback == JOB_FALLBACK_NONE
				       ? JOB_STATE_FINISHING
				       : when_sick(machine));
	case JOB_STATE_FINISHING:
	case JOB_STATE_RECORDING:
		return fail_to(JOB_STATE_DONE);
	case JOB_STATE_PREPARING:
	case JOB_STATE_PREFLIGHT:
	case JOB_STATE_SWITCHING:
	case JOB_STATE_DISCARDING:
	case JOB_STATE_MARKING:
	case JOB_STATE_QUEUED:
	case JOB_STATE_DONE:
	case JOB_STATE_COUNT:
		break;
	}
	return fail_to(JOB_STATE_RECORDING);
}

static struct expected expect(const struct job_machine *machine, enum job_event event)
{
	enum job_state state = machine->state;
	struct expected stay = {.valid = true, .to = state, .action = JOB_ACTION_NONE};
	bool early = is_before_switch(state);

	if (state == JOB_STATE_DONE)
		return (struct expected){0};
	if (state == JOB_STATE_QUEUED) {
		if (event == JOB_EVENT_STARTED)
			return on_started(machine->kind, machine->fallback);
		if (event == JOB_EVENT_ABANDON)
			return fail_to(JOB_STATE_DONE);
		return (struct expected){0};
	}
	switch (event) {
	case JOB_EVENT_STEP_OK:
		if (early && machine->failed)
			return fail_to(state == JOB_STATE_PREFLIGHT
					       ? JOB_STATE_RECORDING
					       : JOB_STATE_DISCARDING);
		return on_ok(machine->kind, state);
	case JOB_EVENT_STEP_FAILED:
		return on_failed(machine);
	case JOB_EVENT_UNCHANGED:
		if (state == JOB_STATE_PREPARING)
			return go(JOB_STATE_RECORDING);
		if (state == JOB_STATE_UNPACKING)
			return go(JOB_STATE_DISCARDING);
		break;
	case JOB_EVENT_ABANDON:
		stay.fails = early;
		if (early)
			stay.action = JOB_ACTION_KILL;
		return stay;
	case JOB_EVENT_STARTED:
	case JOB_EVENT_COUNT:
		break;
	}
	return (struct expected){0};
}

static void check_step(const struct job_machine *before, enum job_event event)
{
	const enum job_action untouched = JOB_ACTION_COUNT;
	struct expected e = expect(before, event);
	enum job_action action = untouched;
	struct job_machine machine = *before;

	if (job_machine_step(&machine, event, &action) != e.valid)
		fail_msg("%s in state %s, event %s: %s", job_kind_name(before->kind),
			 job_state_name(before->state), job_event_name(event),
			 e.valid ? "refused" : "taken");
	assert_int_equal(machine.kind, before->kind);
	if (!e.valid) {
		assert_memory_equal(&machine, before, sizeof(machine));
		assert_int_equal(action, untouched);
		return;
	}
	if (machine.state != e.to || action != e.action ||
	    machine.fallback != before->fallback ||
	    machine.failed != (before->failed || e.fails) ||
	    machine.switched != (before->switched || e.switches) ||
	    machine.reverted != (before->reverted || e.reverts) ||
	    machine.restored != (before->restored || e.restores))
		fail_msg("%s in state %s, event %s: goes to %s, action %d",
			 job_kind_name(before->kind), job_state_name(before->state),
			 job_event_name(event), job_state_name(machine.state),
			 (int)action);
}

static void every_event_in_every_state_of_every_kind(void **context)
{
	unsigned int n = 0;

	(void)context;
	for (unsigned int k = 0; k < JOB_KIND_COUNT; k++)
		for (unsigned int s = 0; s < JOB_STATE_COUNT; s++)
			for (unsigned int e = 0; e < JOB_EVENT_COUNT; e++)
				for (unsigned int flags = 0; flags < 96; flags++, n++) {
					struct job_machine machine = {
						.kind = (enum job_kind)k,
						.state = (enum job_state)s,
						.fallback = (enum job_fallback)(flags /
										16 % 3),
						.has_next = flags >= 48,
						.failed = flags & 1,
						.switched = flags & 2,
						.reverted = flags & 4,
						.restored = flags & 8};

					check_step(&machine, (enum job_event)e);
				}
	print_message("%u steps\n", n);
}

/* Bit i of outcomes is how the i-th step ends. */
static void run_to_the_end(struct job_machine machine, unsigned int outcomes)
{
	enum job_action action = JOB_ACTION_NONE;
	unsigned int steps = 0;

	if (machine.state == JOB_STATE_QUEUED)
		assert_true(job_machine_step(&machine, JOB_EVENT_STARTED, &action));
	for (; machine.state != JOB_STATE_DONE; steps++, outcomes >>= 1) {
		assert_true(steps < STEPS_MAX);
		assert_true(job_machine_step(&machine,
					     outcomes & 1 ? JOB_EVENT_STEP_FAILED
							  : JOB_EVENT_STEP_OK,
					     &action));
		assert_true(machine.failed || !(outcomes & 1));
	}
	assert_true(action == JOB_ACTION_REPLY || steps == 0);
}

static void every_way_ends(void **context)
{
	(void)context;
	for (unsigned int k = 0; k < JOB_KIND_COUNT; k++)
		for (unsigned int f = 0; f < JOB_FALLBACK_COUNT; f++)
			for (unsigned int ends = 0; ends < 1u << STEPS_MAX; ends++) {
				struct job_machine machine;

				job_machine_init(&machine, (enum job_kind)k);
				machine.fallback = (enum job_fallback)f;
				run_to_the_end(machine, ends);
			}
}

static void check_way(enum job_kind kind, const enum job_state *states)
{
	enum job_action action;
	struct job_machine machine;

	job_machine_init(&machine, kind);
	assert_int_equal(machine.state, JOB_STATE_QUEUED);
	assert_true(job_machine_step(&machine, JOB_EVENT_STARTED, &action));
	for (; *states != JOB_STATE_DONE; states++) {
		assert_int_equal(machine.state, *states);
		assert_true(job_machine_step(&machine, JOB_EVENT_STEP_OK, &action));
	}
	assert_int_equal(machine.state, JOB_STATE_DONE);
	assert_int_equal(action, JOB_ACTION_REPLY);
	assert_int_equal(machine.failed, kind == JOB_KIND_REVERT);
	assert_int_equal(machine.switched, switches_release(kind) ||
						   kind == JOB_KIND_RECOVER ||
						   kind == JOB_KIND_REVERT);
}

static void successful_ways(void **context)
{
	static const enum job_state deploy[] = {
		JOB_STATE_PREPARING, JOB_STATE_UNPACKING, JOB_STATE_SEALING,
		JOB_STATE_PREFLIGHT, JOB_STATE_SWITCHING, JOB_STATE_RESTARTING,
		JOB_STATE_CHECKING,  JOB_STATE_BAKING,	  JOB_STATE_VERIFYING,
		JOB_STATE_FINISHING, JOB_STATE_DONE};
	static const enum job_state stage[] = {JOB_STATE_PREPARING, JOB_STATE_UNPACKING,
					       JOB_STATE_SEALING, JOB_STATE_RECORDING,
					       JOB_STATE_DONE};
	static const enum job_state activate[] = {
		JOB_STATE_PREFLIGHT, JOB_STATE_SWITCHING, JOB_STATE_RESTARTING,
		JOB_STATE_CHECKING,  JOB_STATE_BAKING,	  JOB_STATE_VERIFYING,
		JOB_STATE_FINISHING, JOB_STATE_DONE};
	static const enum job_state rollback[] = {
		JOB_STATE_PREFLIGHT, JOB_STATE_SWITCHING, JOB_STATE_RESTARTING,
		JOB_STATE_CHECKING,  JOB_STATE_VERIFYING, JOB_STATE_FINISHING,
		JOB_STATE_DONE};
	static const enum job_state recover[] = {
		JOB_STATE_RESTARTING, JOB_STATE_CHECKING,  JOB_STATE_BAKING,
		JOB_STATE_VERIFYING,  JOB_STATE_FINISHING, JOB_STATE_DONE};
	static const enum job_state revert[] = {
		JOB_STATE_REVERTING, JOB_STATE_RESTORING, JOB_STATE_RECHECKING,
		JOB_STATE_VERIFYING, JOB_STATE_FINISHING, JOB_STATE_DONE};
	static const enum job_state start[] = {JOB_STATE_RESTARTING, JOB_STATE_CHECKING,
					       JOB_STATE_RECORDING, JOB_STATE_DONE};
	static const enum job_state unit[] = {JOB_STATE_RESTARTING, JOB_STATE_RECORDING,
					      JOB_STATE_DONE};
	static const enum job_state mark[] = {JOB_STATE_MARKING, JOB_STATE_RECORDING,
					      JOB_STATE_DONE};

	(void)context;
	check_way(JOB_KIND_DEPLOY, deploy);
	check_way(JOB_KIND_STAGE, stage);
	check_way(JOB_KIND_ACTIVATE, activate);
	check_way(JOB_KIND_ROLLBACK, rollback);
	check_way(JOB_KIND_RECOVER, recover);
	check_way(JOB_KIND_REVERT, revert);
	check_way(JOB_KIND_RESTART, start);
	check_way(JOB_KIND_START, start);
	check_way(JOB_KIND_RELOAD, unit);
	check_way(JOB_KIND_STOP, unit);
	check_way(JOB_KIND_ENABLE, unit);
	check_way(JOB_KIND_DISABLE, unit);
	check_way(JOB_KIND_FLAG, unit);
	check_way(JOB_KIND_CONFIRM, mark);
	check_way(JOB_KIND_HOLD, mark);
	check_way(JOB_KIND_UNHOLD, mark);
	check_way(JOB_KIND_MARK_GOOD, mark);
	check_way(JOB_KIND_MARK_BAD, mark);
	check_way(JOB_KIND_PIN, mark);
	check_way(JOB_KIND_UNPIN, mark);
}

/* However an abandoned step ends, nothing is switched after it. */
static void abandoned_before_the_switch_never_switches(void **context)
{
	(void)context;
	for (unsigned int k = 0; k < JOB_KIND_COUNT; k++)
		for (unsigned int s = 0; s < JOB_STATE_COUNT; s++)
			for (unsigned int ends = 0; ends < 1u << STEPS_MAX; ends++) {
				struct job_machine machine = {
					.kind = (enum job_kind)k,
					.state = (enum job_state)s};
				enum job_action action;

				if (!job_machine_is_before_switch(&machine))
					continue;
				assert_true(job_machine_step(
					&machine, JOB_EVENT_ABANDON, &action));
				for (unsigned int i = 0;
				     machine.state != JOB_STATE_DONE; i++) {
					assert_int_not_equal(machine.state,
							     JOB_STATE_SWITCHING);
					assert_true(job_machine_step(
						&machine,
						ends & 1u << i ? JOB_EVENT_STEP_FAILED
							       : JOB_EVENT_STEP_OK,
						&action));
				}
				assert_true(machine.failed);
				assert_false(machine.switched);
			}
}

static void abandoned_late_goes_on(void **context)
{
	enum job_action action;

	(void)context;
	for (unsigned int s = JOB_STATE_SWITCHING; s < JOB_STATE_DONE; s++) {
		struct job_machine machine = {.kind = JOB_KIND_DEPLOY,
					      .state = (enum job_state)s};

		assert_false(job_machine_is_before_switch(&machine));
		assert_true(job_machine_step(&machine, JOB_EVENT_ABANDON, &action));
		assert_int_equal(action, JOB_ACTION_NONE);
		assert_int_equal(machine.state, s);
		assert_false(machine.failed);
	}
}

/* Where a sick release leads, from each step that can find it so. */
static void sick_release_is_gone_back_from(void **context)
{
	static const enum job_state found[] = {JOB_STATE_RESTARTING, JOB_STATE_CHECKING,
					       JOB_STATE_BAKING};

	(void)context;
	for (size_t i = 0; i < sizeof(found) / sizeof(*found); i++)
		for (unsigned int restored = 0; restored < 2; restored++) {
			struct job_machine machine = {.kind = JOB_KIND_DEPLOY,
						      .state = found[i],
						      .fallback = JOB_FALLBACK_BACK,
						      .switched = true};
			enum job_action action;

			assert_true(job_machine_step(&machine, JOB_EVENT_STEP_FAILED,
						     &action));
			assert_int_equal(action, JOB_ACTION_REVERT);
			assert_true(
				job_machine_step(&machine, JOB_EVENT_STEP_OK, &action));
			assert_int_equal(action, JOB_ACTION_RESTORE);
			assert_true(
				job_machine_step(&machine, JOB_EVENT_STEP_OK, &action));
			assert_int_equal(action, JOB_ACTION_RECHECK);
			assert_true(job_machine_step(&machine,
						     restored ? JOB_EVENT_STEP_OK
							      : JOB_EVENT_STEP_FAILED,
						     &action));
			assert_int_equal(action, JOB_ACTION_VERIFY);
			assert_true(machine.failed);
			assert_true(machine.reverted);
			assert_int_equal(machine.restored, restored);
		}
}

static void sick_first_release_is_stopped(void **context)
{
	struct job_machine machine = {.kind = JOB_KIND_DEPLOY,
				      .state = JOB_STATE_CHECKING,
				      .fallback = JOB_FALLBACK_STOP,
				      .switched = true};
	enum job_action action;

	(void)context;
	assert_true(job_machine_step(&machine, JOB_EVENT_STEP_FAILED, &action));
	assert_int_equal(action, JOB_ACTION_STOP);
	assert_true(job_machine_step(&machine, JOB_EVENT_STEP_OK, &action));
	assert_int_equal(action, JOB_ACTION_FINISH);
	assert_true(machine.failed);
	assert_false(machine.reverted);
}

/* A unit's own restart that fails says nothing about which release should be live. */
static void failed_restart_switches_nothing(void **context)
{
	(void)context;
	for (unsigned int f = 0; f < JOB_FALLBACK_COUNT; f++) {
		struct job_machine machine = {.kind = JOB_KIND_RESTART,
					      .state = JOB_STATE_RESTARTING,
					      .fallback = (enum job_fallback)f};
		enum job_action action;

		assert_true(job_machine_step(&machine, JOB_EVENT_STEP_FAILED, &action));
		assert_int_equal(action, JOB_ACTION_RECORD);
	}
}

static void finished_op_takes_no_event(void **context)
{
	(void)context;
	for (unsigned int e = 0; e < JOB_EVENT_COUNT; e++) {
		struct job_machine machine = {.kind = JOB_KIND_DEPLOY,
					      .state = JOB_STATE_DONE};
		enum job_action action;

		assert_false(job_machine_step(&machine, (enum job_event)e, &action));
	}
}

static void names_differ(void **context)
{
	(void)context;
	for (unsigned int a = 0; a < JOB_KIND_COUNT; a++)
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(job_kind_name((enum job_kind)a),
						job_kind_name((enum job_kind)b));
	for (unsigned int a = 0; a < JOB_STATE_COUNT; a++)
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(job_state_name((enum job_state)a),
						job_state_name((enum job_state)b));
	assert_string_equal(job_kind_name(JOB_KIND_ROLLBACK), "rollback");
	assert_string_equal(job_state_name(JOB_STATE_UNPACKING), "unpacking");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_of_every_kind),
		cmocka_unit_test(every_way_ends),
		cmocka_unit_test(successful_ways),
		cmocka_unit_test(abandoned_before_the_switch_never_switches),
		cmocka_unit_test(abandoned_late_goes_on),
		cmocka_unit_test(sick_release_is_gone_back_from),
		cmocka_unit_test(sick_first_release_is_stopped),
		cmocka_unit_test(failed_restart_switches_nothing),
		cmocka_unit_test(finished_op_takes_no_event),
		cmocka_unit_test(names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
