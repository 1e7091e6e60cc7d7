#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/op.h"

#define STEPS_MAX 12 /* no operation has more */

/* What an event does, said a second time and in another way than core/op.c does. */
struct expected {
	bool valid;
	enum op_state to;
	enum op_action action;
	bool fails;
	bool switches;
	bool reverts;
	bool restores;
};

static bool makes_release(enum op_kind kind)
{
	return kind == OP_KIND_DEPLOY || kind == OP_KIND_STAGE;
}

static bool switches_release(enum op_kind kind)
{
	return kind == OP_KIND_DEPLOY || kind == OP_KIND_ACTIVATE ||
	       kind == OP_KIND_ROLLBACK;
}

static bool marks_only(enum op_kind kind)
{
	return kind == OP_KIND_CONFIRM || kind == OP_KIND_HOLD ||
	       kind == OP_KIND_UNHOLD;
}

static bool starts_unit(enum op_kind kind)
{
	return switches_release(kind) || kind == OP_KIND_RECOVER ||
	       kind == OP_KIND_RESTART || kind == OP_KIND_START;
}

static bool is_before_switch(enum op_state state)
{
	return state == OP_STATE_QUEUED || state == OP_STATE_PREPARING ||
	       state == OP_STATE_UNPACKING || state == OP_STATE_SEALING;
}

static struct expected go(enum op_state to)
{
	static const struct {
		enum op_state state;
		enum op_action action;
	} does[] = {
		{OP_STATE_PREPARING, OP_ACTION_PREPARE},
		{OP_STATE_UNPACKING, OP_ACTION_UNPACK},
		{OP_STATE_SEALING, OP_ACTION_SEAL},
		{OP_STATE_SWITCHING, OP_ACTION_SWITCH},
		{OP_STATE_ACTING, OP_ACTION_ACT},
		{OP_STATE_CHECKING, OP_ACTION_CHECK},
		{OP_STATE_BAKING, OP_ACTION_BAKE},
		{OP_STATE_REVERTING, OP_ACTION_REVERT},
		{OP_STATE_RESTORING, OP_ACTION_RESTORE},
		{OP_STATE_RECHECKING, OP_ACTION_RECHECK},
		{OP_STATE_STOPPING, OP_ACTION_STOP},
		{OP_STATE_PROVING, OP_ACTION_PROVE},
		{OP_STATE_FINISHING, OP_ACTION_FINISH},
		{OP_STATE_DISCARDING, OP_ACTION_DISCARD},
		{OP_STATE_MARKING, OP_ACTION_MARK},
		{OP_STATE_RECORDING, OP_ACTION_RECORD},
		{OP_STATE_DONE, OP_ACTION_REPLY},
	};

	for (size_t i = 0; i < sizeof(does) / sizeof(*does); i++)
		if (does[i].state == to)
			return (struct expected){
				.valid = true, .to = to, .action = does[i].action};
	fail_msg("nothing goes to state %d", (int)to);
	return (struct expected){0};
}

static struct expected fail_to(enum op_state to)
{
	struct expected e = go(to);

	e.fails = true;
	return e;
}

static struct expected on_started(enum op_kind kind, enum op_fallback fallback)
{
	if (makes_release(kind))
		return go(OP_STATE_PREPARING);
	if (marks_only(kind))
		return go(OP_STATE_MARKING);
	if (kind == OP_KIND_REVERT)
		return go(fallback == OP_FALLBACK_STOP ? OP_STATE_STOPPING
						       : OP_STATE_REVERTING);
	return go(switches_release(kind) ? OP_STATE_SWITCHING : OP_STATE_ACTING);
}

static enum op_state after_checking(enum op_kind kind)
{
	if (kind == OP_KIND_ROLLBACK)
		return OP_STATE_PROVING; /* it has proven itself before */
	return kind == OP_KIND_DEPLOY || kind == OP_KIND_ACTIVATE ||
			       kind == OP_KIND_RECOVER
		       ? OP_STATE_BAKING
		       : OP_STATE_RECORDING;
}

static struct expected on_ok(enum op_kind kind, enum op_state state)
{
	struct expected e;

	switch (state) {
	case OP_STATE_PREPARING:
		return go(OP_STATE_UNPACKING);
	case OP_STATE_UNPACKING:
		return go(OP_STATE_SEALING);
	case OP_STATE_SEALING:
		return go(kind == OP_KIND_DEPLOY ? OP_STATE_SWITCHING
						 : OP_STATE_RECORDING);
	case OP_STATE_SWITCHING:
		e = go(OP_STATE_ACTING);
		e.switches = true;
		return e;
	case OP_STATE_ACTING:
		return go(starts_unit(kind) ? OP_STATE_CHECKING : OP_STATE_RECORDING);
	case OP_STATE_CHECKING:
		return go(after_checking(kind));
	case OP_STATE_BAKING:
		return go(OP_STATE_PROVING);
	case OP_STATE_REVERTING:
		e = fail_to(OP_STATE_RESTORING);
		e.reverts = true;
		return e;
	case OP_STATE_RESTORING:
		return go(OP_STATE_RECHECKING);
	case OP_STATE_RECHECKING:
		e = go(OP_STATE_PROVING);
		e.restores = true;
		return e;
	case OP_STATE_STOPPING:
		return fail_to(OP_STATE_FINISHING);
	case OP_STATE_PROVING:
		return go(OP_STATE_FINISHING);
	case OP_STATE_DISCARDING:
	case OP_STATE_MARKING:
		return go(OP_STATE_RECORDING);
	case OP_STATE_FINISHING:
	case OP_STATE_RECORDING:
	case OP_STATE_QUEUED:
	case OP_STATE_DONE:
	case OP_STATE_COUNT:
		break;
	}
	return go(OP_STATE_DONE);
}

static enum op_state when_sick(const struct op *op)
{
	if (!op->switched)
		return OP_STATE_RECORDING;
	if (op->fallback == OP_FALLBACK_BACK)
		return OP_STATE_REVERTING;
	return op->fallback == OP_FALLBACK_STOP ? OP_STATE_STOPPING : OP_STATE_PROVING;
}

static struct expected on_failed(const struct op *op)
{
	switch (op->state) {
	case OP_STATE_UNPACKING:
	case OP_STATE_SEALING:
		return fail_to(OP_STATE_DISCARDING);
	case OP_STATE_ACTING:
	case OP_STATE_CHECKING:
	case OP_STATE_BAKING:
		return fail_to(when_sick(op));
	case OP_STATE_REVERTING:
	case OP_STATE_RESTORING:
	case OP_STATE_RECHECKING:
	case OP_STATE_STOPPING:
		return fail_to(OP_STATE_PROVING);
	case OP_STATE_PROVING:
		return go(OP_STATE_FINISHING);
	case OP_STATE_FINISHING:
	case OP_STATE_RECORDING:
		return fail_to(OP_STATE_DONE);
	case OP_STATE_PREPARING:
	case OP_STATE_SWITCHING:
	case OP_STATE_DISCARDING:
	case OP_STATE_MARKING:
	case OP_STATE_QUEUED:
	case OP_STATE_DONE:
	case OP_STATE_COUNT:
		break;
	}
	return fail_to(OP_STATE_RECORDING);
}

static struct expected expect(const struct op *op, enum op_event event)
{
	enum op_state state = op->state;
	struct expected stay = {.valid = true, .to = state, .action = OP_ACTION_NONE};
	bool early = is_before_switch(state);

	if (state == OP_STATE_DONE)
		return (struct expected){0};
	if (state == OP_STATE_QUEUED) {
		if (event == OP_EVENT_STARTED)
			return on_started(op->kind, op->fallback);
		if (event == OP_EVENT_ABANDON)
			return fail_to(OP_STATE_DONE);
		return (struct expected){0};
	}
	switch (event) {
	case OP_EVENT_STEP_OK:
		if (early && op->failed)
			return fail_to(OP_STATE_DISCARDING);
		return on_ok(op->kind, state);
	case OP_EVENT_STEP_FAILED:
		return on_failed(op);
	case OP_EVENT_ABANDON:
		stay.fails = early;
		if (early)
			stay.action = OP_ACTION_KILL;
		return stay;
	case OP_EVENT_STARTED:
	case OP_EVENT_COUNT:
		break;
	}
	return (struct expected){0};
}

static void check_step(const struct op *before, enum op_event event)
{
	const enum op_action untouched = OP_ACTION_COUNT;
	struct expected e = expect(before, event);
	enum op_action action = untouched;
	struct op op = *before;

	if (op_step(&op, event, &action) != e.valid)
		fail_msg("%s in state %s, event %s: %s", op_kind_name(before->kind),
			 op_state_name(before->state), op_event_name(event),
			 e.valid ? "refused" : "taken");
	assert_int_equal(op.kind, before->kind);
	if (!e.valid) {
		assert_memory_equal(&op, before, sizeof(op));
		assert_int_equal(action, untouched);
		return;
	}
	if (op.state != e.to || action != e.action || op.fallback != before->fallback ||
	    op.failed != (before->failed || e.fails) ||
	    op.switched != (before->switched || e.switches) ||
	    op.reverted != (before->reverted || e.reverts) ||
	    op.restored != (before->restored || e.restores))
		fail_msg("%s in state %s, event %s: goes to %s, action %d",
			 op_kind_name(before->kind), op_state_name(before->state),
			 op_event_name(event), op_state_name(op.state), (int)action);
}

static void every_event_in_every_state_of_every_kind(void **context)
{
	unsigned int n = 0;

	(void)context;
	for (unsigned int k = 0; k < OP_KIND_COUNT; k++)
		for (unsigned int s = 0; s < OP_STATE_COUNT; s++)
			for (unsigned int e = 0; e < OP_EVENT_COUNT; e++)
				for (unsigned int flags = 0; flags < 48; flags++, n++) {
					struct op op = {.kind = (enum op_kind)k,
							.state = (enum op_state)s,
							.fallback = (enum op_fallback)(
								flags / 16),
							.failed = flags & 1,
							.switched = flags & 2,
							.reverted = flags & 4,
							.restored = flags & 8};

					check_step(&op, (enum op_event)e);
				}
	print_message("%u steps\n", n);
}

/* Bit i of outcomes is how the i-th step ends. */
static void run_to_the_end(struct op op, unsigned int outcomes)
{
	enum op_action action = OP_ACTION_NONE;
	unsigned int steps = 0;

	if (op.state == OP_STATE_QUEUED)
		assert_true(op_step(&op, OP_EVENT_STARTED, &action));
	for (; op.state != OP_STATE_DONE; steps++, outcomes >>= 1) {
		/* Who runs what could not be told: no fault of the release. */
		bool harmless = op.state == OP_STATE_PROVING;

		assert_true(steps < STEPS_MAX);
		assert_true(op_step(
			&op, outcomes & 1 ? OP_EVENT_STEP_FAILED : OP_EVENT_STEP_OK,
			&action));
		assert_true(op.failed || harmless || !(outcomes & 1));
	}
	assert_true(action == OP_ACTION_REPLY || steps == 0);
}

static void every_way_ends(void **context)
{
	(void)context;
	for (unsigned int k = 0; k < OP_KIND_COUNT; k++)
		for (unsigned int f = 0; f < OP_FALLBACK_COUNT; f++)
			for (unsigned int ends = 0; ends < 1u << STEPS_MAX; ends++) {
				struct op op;

				op_init(&op, (enum op_kind)k);
				op.fallback = (enum op_fallback)f;
				run_to_the_end(op, ends);
			}
}

static void check_way(enum op_kind kind, const enum op_state *states)
{
	enum op_action action;
	struct op op;

	op_init(&op, kind);
	assert_int_equal(op.state, OP_STATE_QUEUED);
	assert_true(op_step(&op, OP_EVENT_STARTED, &action));
	for (; *states != OP_STATE_DONE; states++) {
		assert_int_equal(op.state, *states);
		assert_true(op_step(&op, OP_EVENT_STEP_OK, &action));
	}
	assert_int_equal(op.state, OP_STATE_DONE);
	assert_int_equal(action, OP_ACTION_REPLY);
	assert_int_equal(op.failed, kind == OP_KIND_REVERT);
	assert_int_equal(op.switched, switches_release(kind) ||
					      kind == OP_KIND_RECOVER ||
					      kind == OP_KIND_REVERT);
}

static void successful_ways(void **context)
{
	static const enum op_state deploy[] = {OP_STATE_PREPARING, OP_STATE_UNPACKING,
					       OP_STATE_SEALING,   OP_STATE_SWITCHING,
					       OP_STATE_ACTING,	   OP_STATE_CHECKING,
					       OP_STATE_BAKING,	   OP_STATE_PROVING,
					       OP_STATE_FINISHING, OP_STATE_DONE};
	static const enum op_state stage[] = {OP_STATE_PREPARING, OP_STATE_UNPACKING,
					      OP_STATE_SEALING, OP_STATE_RECORDING,
					      OP_STATE_DONE};
	static const enum op_state activate[] = {OP_STATE_SWITCHING, OP_STATE_ACTING,
						 OP_STATE_CHECKING,  OP_STATE_BAKING,
						 OP_STATE_PROVING,   OP_STATE_FINISHING,
						 OP_STATE_DONE};
	static const enum op_state rollback[] = {OP_STATE_SWITCHING, OP_STATE_ACTING,
						 OP_STATE_CHECKING,  OP_STATE_PROVING,
						 OP_STATE_FINISHING, OP_STATE_DONE};
	static const enum op_state recover[] = {OP_STATE_ACTING,    OP_STATE_CHECKING,
						OP_STATE_BAKING,    OP_STATE_PROVING,
						OP_STATE_FINISHING, OP_STATE_DONE};
	static const enum op_state revert[] = {OP_STATE_REVERTING,  OP_STATE_RESTORING,
					       OP_STATE_RECHECKING, OP_STATE_PROVING,
					       OP_STATE_FINISHING,  OP_STATE_DONE};
	static const enum op_state start[] = {OP_STATE_ACTING, OP_STATE_CHECKING,
					      OP_STATE_RECORDING, OP_STATE_DONE};
	static const enum op_state unit[] = {OP_STATE_ACTING, OP_STATE_RECORDING,
					     OP_STATE_DONE};
	static const enum op_state mark[] = {OP_STATE_MARKING, OP_STATE_RECORDING,
					     OP_STATE_DONE};

	(void)context;
	check_way(OP_KIND_DEPLOY, deploy);
	check_way(OP_KIND_STAGE, stage);
	check_way(OP_KIND_ACTIVATE, activate);
	check_way(OP_KIND_ROLLBACK, rollback);
	check_way(OP_KIND_RECOVER, recover);
	check_way(OP_KIND_REVERT, revert);
	check_way(OP_KIND_RESTART, start);
	check_way(OP_KIND_START, start);
	check_way(OP_KIND_RELOAD, unit);
	check_way(OP_KIND_STOP, unit);
	check_way(OP_KIND_ENABLE, unit);
	check_way(OP_KIND_DISABLE, unit);
	check_way(OP_KIND_FLAG, unit);
	check_way(OP_KIND_CONFIRM, mark);
	check_way(OP_KIND_HOLD, mark);
	check_way(OP_KIND_UNHOLD, mark);
}

/* However an abandoned step ends, nothing is switched after it. */
static void abandoned_before_the_switch_never_switches(void **context)
{
	(void)context;
	for (unsigned int k = 0; k < OP_KIND_COUNT; k++)
		for (unsigned int s = 0; s < OP_STATE_COUNT; s++)
			for (unsigned int ends = 0; ends < 1u << STEPS_MAX; ends++) {
				struct op op = {.kind = (enum op_kind)k,
						.state = (enum op_state)s};
				enum op_action action;

				if (!op_is_before_switch(&op))
					continue;
				assert_true(op_step(&op, OP_EVENT_ABANDON, &action));
				for (unsigned int i = 0; op.state != OP_STATE_DONE;
				     i++) {
					assert_int_not_equal(op.state,
							     OP_STATE_SWITCHING);
					assert_true(op_step(
						&op,
						ends & 1u << i ? OP_EVENT_STEP_FAILED
							       : OP_EVENT_STEP_OK,
						&action));
				}
				assert_true(op.failed);
				assert_false(op.switched);
			}
}

static void abandoned_late_goes_on(void **context)
{
	enum op_action action;

	(void)context;
	for (unsigned int s = OP_STATE_SWITCHING; s < OP_STATE_DONE; s++) {
		struct op op = {.kind = OP_KIND_DEPLOY, .state = (enum op_state)s};

		assert_false(op_is_before_switch(&op));
		assert_true(op_step(&op, OP_EVENT_ABANDON, &action));
		assert_int_equal(action, OP_ACTION_NONE);
		assert_int_equal(op.state, s);
		assert_false(op.failed);
	}
}

/* Where a sick release leads, from each step that can find it so. */
static void sick_release_is_gone_back_from(void **context)
{
	static const enum op_state found[] = {OP_STATE_ACTING, OP_STATE_CHECKING,
					      OP_STATE_BAKING};

	(void)context;
	for (size_t i = 0; i < sizeof(found) / sizeof(*found); i++)
		for (unsigned int restored = 0; restored < 2; restored++) {
			struct op op = {.kind = OP_KIND_DEPLOY,
					.state = found[i],
					.fallback = OP_FALLBACK_BACK,
					.switched = true};
			enum op_action action;

			assert_true(op_step(&op, OP_EVENT_STEP_FAILED, &action));
			assert_int_equal(action, OP_ACTION_REVERT);
			assert_true(op_step(&op, OP_EVENT_STEP_OK, &action));
			assert_int_equal(action, OP_ACTION_RESTORE);
			assert_true(op_step(&op, OP_EVENT_STEP_OK, &action));
			assert_int_equal(action, OP_ACTION_RECHECK);
			assert_true(op_step(
				&op, restored ? OP_EVENT_STEP_OK : OP_EVENT_STEP_FAILED,
				&action));
			assert_int_equal(action, OP_ACTION_PROVE);
			assert_true(op.failed);
			assert_true(op.reverted);
			assert_int_equal(op.restored, restored);
		}
}

static void sick_first_release_is_stopped(void **context)
{
	struct op op = {.kind = OP_KIND_DEPLOY,
			.state = OP_STATE_CHECKING,
			.fallback = OP_FALLBACK_STOP,
			.switched = true};
	enum op_action action;

	(void)context;
	assert_true(op_step(&op, OP_EVENT_STEP_FAILED, &action));
	assert_int_equal(action, OP_ACTION_STOP);
	assert_true(op_step(&op, OP_EVENT_STEP_OK, &action));
	assert_int_equal(action, OP_ACTION_FINISH);
	assert_true(op.failed);
	assert_false(op.reverted);
}

/* A unit's own restart that fails says nothing about which release should be live. */
static void failed_restart_switches_nothing(void **context)
{
	(void)context;
	for (unsigned int f = 0; f < OP_FALLBACK_COUNT; f++) {
		struct op op = {.kind = OP_KIND_RESTART,
				.state = OP_STATE_ACTING,
				.fallback = (enum op_fallback)f};
		enum op_action action;

		assert_true(op_step(&op, OP_EVENT_STEP_FAILED, &action));
		assert_int_equal(action, OP_ACTION_RECORD);
	}
}

static void finished_op_takes_no_event(void **context)
{
	(void)context;
	for (unsigned int e = 0; e < OP_EVENT_COUNT; e++) {
		struct op op = {.kind = OP_KIND_DEPLOY, .state = OP_STATE_DONE};
		enum op_action action;

		assert_false(op_step(&op, (enum op_event)e, &action));
	}
}

static void names_differ(void **context)
{
	(void)context;
	for (unsigned int a = 0; a < OP_KIND_COUNT; a++)
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(op_kind_name((enum op_kind)a),
						op_kind_name((enum op_kind)b));
	for (unsigned int a = 0; a < OP_STATE_COUNT; a++)
		for (unsigned int b = 0; b < a; b++)
			assert_string_not_equal(op_state_name((enum op_state)a),
						op_state_name((enum op_state)b));
	assert_string_equal(op_kind_name(OP_KIND_ROLLBACK), "rollback");
	assert_string_equal(op_state_name(OP_STATE_UNPACKING), "unpacking");
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
