#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "core/queue.h"

enum {
	ROOT,
	ALICE = 1000,
	BOB,
	CAROL
};

static int add_as(struct queue *queue, const char *app, const char *id,
		  enum queue_rank rank, uint32_t owner)
{
	return queue_add(queue, &(struct queue_job){.app = app,
						    .id = id,
						    .rank = rank,
						    .owner = owner,
						    .ready = true});
}

/* A deploy whose owner has no other job. */
static int add(struct queue *queue, const char *app, const char *id)
{
	static uint32_t somebody = 5000;

	return add_as(queue, app, id, QUEUE_RANK_DEPLOY, somebody++);
}

static int add_unready(struct queue *queue, const char *app, const char *id,
		       uint32_t owner)
{
	return queue_add(queue, &(struct queue_job){.app = app,
						    .id = id,
						    .rank = QUEUE_RANK_DEPLOY,
						    .owner = owner});
}

static void assert_next(struct queue *queue, const char *id)
{
	const char *next = queue_start_next(queue);

	assert_non_null(next);
	assert_string_equal(next, id);
}

/* The app's running job ends, and that one follows it. */
static void assert_follows(struct queue *queue, const char *ended, const char *id)
{
	assert_true(queue_remove(queue, ended));
	assert_next(queue, id);
}

static void one_job_an_app(void **context)
{
	struct queue *queue = queue_new(4, 4);

	(void)context;
	assert_int_equal(add(queue, "hello", "a"), 0);
	assert_int_equal(add(queue, "hello", "b"), 0);
	assert_next(queue, "a");
	assert_null(queue_start_next(queue));
	assert_int_equal(queue_position(queue, "a"), 0);
	assert_int_equal(queue_position(queue, "b"), 1);
	assert_int_equal(queue_position(queue, "c"), -1);
	assert_follows(queue, "a", "b");
	assert_true(queue_remove(queue, "b"));
	assert_false(queue_remove(queue, "b"));
	assert_int_equal(queue_running(queue) + queue_waiting(queue), 0);
	queue_free(queue);
}

static void some_apps_at_once(void **context)
{
	struct queue *queue = queue_new(2, 4);

	(void)context;
	assert_int_equal(add(queue, "a", "a1"), 0);
	assert_int_equal(add(queue, "b", "b1"), 0);
	assert_int_equal(add(queue, "c", "c1"), 0);
	assert_next(queue, "a1");
	assert_next(queue, "b1");
	assert_null(queue_start_next(queue));
	assert_int_equal(queue_running(queue), 2);
	assert_int_equal(queue_waiting(queue), 1);
	assert_follows(queue, "b1", "c1");
	queue_free(queue);
}

/* What deployd owes an app is not kept waiting by those who fill its line. */
static void owed_goes_before_all_that_wait(void **context)
{
	struct queue *queue = queue_new(4, 1);

	(void)context;
	assert_int_equal(add(queue, "hello", "a"), 0);
	assert_next(queue, "a");
	assert_int_equal(add(queue, "hello", "b"), 0);
	assert_int_equal(add(queue, "hello", "c"), -EBUSY);
	assert_int_equal(add_as(queue, "hello", "r", QUEUE_RANK_ROLLBACK, ALICE), 0);
	assert_int_equal(add_as(queue, "hello", "b", QUEUE_RANK_OWED, ALICE), -EEXIST);
	for (unsigned int i = 0; i < 40; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "o%u", i);
		assert_int_equal(add_as(queue, "hello", id, QUEUE_RANK_OWED, ALICE), 0);
		assert_int_equal(queue_position(queue, id), 1);
	}
	assert_int_equal(queue_position(queue, "r"), 41);
	assert_int_equal(queue_position(queue, "b"), 42);
	assert_follows(queue, "a", "o39");
	assert_follows(queue, "o39", "o38");
	queue_free(queue);
}

static void put_back_waits_again(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(add(queue, "hello", "a"), 0);
	assert_int_equal(add(queue, "hello", "b"), 0);
	assert_next(queue, "a");
	assert_false(queue_put_back(queue, "b"));
	assert_true(queue_put_back(queue, "a"));
	assert_int_equal(queue_running(queue), 0);
	assert_int_equal(queue_waiting(queue), 2);
	assert_int_equal(add_as(queue, "hello", "owed", QUEUE_RANK_OWED, ROOT), 0);
	assert_int_equal(add_as(queue, "hello", "r", QUEUE_RANK_URGENT, ALICE), 0);
	assert_next(queue, "owed");
	/* It had its turn: a restart does not take that from it. */
	assert_follows(queue, "owed", "a");
	assert_int_equal(queue_position(queue, "r"), 1);
	assert_int_equal(queue_position(queue, "b"), 2);
	queue_free(queue);
}

static void apps_take_turns(void **context)
{
	struct queue *queue = queue_new(1, 8);

	(void)context;
	for (int i = 0; i < 3; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "a%d", i);
		assert_int_equal(add(queue, "a", id), 0);
	}
	assert_int_equal(add(queue, "b", "b0"), 0);
	assert_int_equal(add(queue, "c", "c0"), 0);
	assert_next(queue, "a0");
	assert_follows(queue, "a0", "b0");
	assert_follows(queue, "b0", "c0");
	assert_follows(queue, "c0", "a1");
	assert_int_equal(add(queue, "b", "b1"), 0);
	assert_follows(queue, "a1", "b1");
	assert_follows(queue, "b1", "a2");
	queue_free(queue);
}

/* Else whoever restarts an app all the time puts off its deploys for ever. */
static void restarts_take_no_turn_of_a_deploy(void **context)
{
	struct queue *queue = queue_new(1, 8);

	(void)context;
	assert_int_equal(add(queue, "busy", "running"), 0);
	assert_next(queue, "running");
	assert_int_equal(add_as(queue, "a", "r", QUEUE_RANK_URGENT, ALICE), 0);
	assert_next(queue, "r");
	assert_int_equal(add(queue, "a", "first"), 0);
	assert_int_equal(add(queue, "b", "second"), 0);
	assert_true(queue_remove(queue, "r"));
	assert_null(queue_start_next(queue));
	assert_follows(queue, "running", "first");
	queue_free(queue);
}

static void a_full_line_is_busy(void **context)
{
	struct queue *queue = queue_new(1, 2);

	(void)context;
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "a", "2"), 0);
	assert_int_equal(add(queue, "a", "3"), 0);
	assert_int_equal(add(queue, "a", "4"), -EBUSY);
	assert_int_equal(add(queue, "b", "4"), 0); /* another app's line */
	assert_next(queue, "1");
	assert_int_equal(add(queue, "a", "5"), -EBUSY);
	assert_true(queue_remove(queue, "1"));
	assert_int_equal(add(queue, "a", "5"), 0);
	queue_free(queue);
}

static void no_line_at_all(void **context)
{
	struct queue *queue = queue_new(1, 0);

	(void)context;
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "a", "2"), -EBUSY);
	assert_next(queue, "1");
	assert_int_equal(add(queue, "a", "2"), -EBUSY);
	assert_int_equal(add_as(queue, "a", "r", QUEUE_RANK_URGENT, ALICE), 0);
	assert_follows(queue, "1", "r");
	assert_int_equal(add(queue, "a", "2"), -EBUSY);
	assert_true(queue_remove(queue, "r"));
	assert_int_equal(add(queue, "a", "2"), 0);
	queue_free(queue);
}

static void an_id_is_known_once(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "a", "1"), -EEXIST);
	assert_int_equal(add(queue, "b", "1"), -EEXIST);
	assert_next(queue, "1");
	assert_int_equal(add(queue, "b", "1"), -EEXIST);
	queue_free(queue);
}

static void cancelled_while_waiting(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "a", "2"), 0);
	assert_int_equal(add(queue, "a", "3"), 0);
	assert_next(queue, "1");
	assert_true(queue_remove(queue, "2"));
	assert_int_equal(queue_position(queue, "3"), 1);
	assert_follows(queue, "1", "3");
	queue_free(queue);
}

static void limits_change(void **context)
{
	struct queue *queue = queue_new(1, 1);

	(void)context;
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "b", "2"), 0);
	assert_int_equal(add(queue, "c", "3"), 0);
	assert_next(queue, "1");
	assert_null(queue_start_next(queue));
	queue_set_limits(queue, 2, 1);
	assert_next(queue, "2");
	queue_set_limits(queue, 1, 1);
	assert_true(queue_remove(queue, "1"));
	assert_null(queue_start_next(queue)); /* 2 runs still */
	assert_follows(queue, "2", "3");
	queue_free(queue);
}

/* --- nobody starves ------------------------------------------------------------- */

static void the_higher_rank_overtakes(void **context)
{
	struct queue *queue = queue_new(4, 8);

	(void)context;
	assert_int_equal(add(queue, "a", "running"), 0);
	assert_next(queue, "running");
	assert_int_equal(add(queue, "a", "deploy"), 0);
	assert_int_equal(add_as(queue, "a", "restart", QUEUE_RANK_URGENT, ALICE), 0);
	assert_int_equal(add_as(queue, "a", "back", QUEUE_RANK_ROLLBACK, BOB), 0);
	assert_int_equal(add_as(queue, "a", "stop", QUEUE_RANK_URGENT, BOB), 0);
	assert_int_equal(add_as(queue, "a", "further", QUEUE_RANK_ROLLBACK, BOB), 0);
	assert_int_equal(queue_position(queue, "deploy"), 5);
	assert_follows(queue, "running", "back");
	assert_follows(queue, "back", "further");
	/* Two went before it; and then the rest, in order. */
	assert_follows(queue, "further", "deploy");
	assert_follows(queue, "deploy", "restart");
	assert_follows(queue, "restart", "stop");
	queue_free(queue);
}

static void roots_deploy_overtakes(void **context)
{
	struct queue *queue = queue_new(1, 2);

	(void)context;
	assert_int_equal(add(queue, "a", "running"), 0);
	assert_next(queue, "running");
	assert_int_equal(add(queue, "a", "1"), 0);
	assert_int_equal(add(queue, "a", "2"), 0);
	assert_int_equal(add(queue, "a", "3"), -EBUSY);
	assert_int_equal(add_as(queue, "a", "restart", QUEUE_RANK_URGENT, ALICE), 0);
	assert_int_equal(add_as(queue, "a", "r1", QUEUE_RANK_DEPLOY, ROOT), 0);
	assert_int_equal(add_as(queue, "a", "r2", QUEUE_RANK_DEPLOY, ROOT), 0);
	assert_int_equal(add_as(queue, "a", "r3", QUEUE_RANK_DEPLOY, ROOT), -EBUSY);
	/* Another app's, and all slots are taken: root has one of its own. */
	assert_int_equal(add_as(queue, "b", "rb", QUEUE_RANK_DEPLOY, ROOT), 0);
	assert_next(queue, "rb");
	assert_true(queue_remove(queue, "rb"));
	assert_follows(queue, "running", "restart");
	assert_follows(queue, "restart", "r1");
	assert_follows(queue, "r1", "1");
	queue_free(queue);
}

static void after_two_overtakings_the_oldest_deploy_runs(void **context)
{
	struct queue *queue = queue_new(4, 8);
	char last[16] = "running", id[16];

	(void)context;
	assert_int_equal(add(queue, "a", last), 0);
	assert_next(queue, last);
	for (unsigned int i = 0; i < 3; i++) {
		(void)snprintf(id, sizeof(id), "d%u", i);
		assert_int_equal(add(queue, "a", id), 0);
	}
	/* Restarts without end: each third turn is a deploy's, in order. */
	for (unsigned int i = 0; i < 9; i++) {
		(void)snprintf(id, sizeof(id), "u%u", i);
		assert_int_equal(add_as(queue, "a", id, QUEUE_RANK_URGENT, ALICE), 0);
		if (i % 3 == 2)
			(void)snprintf(id, sizeof(id), "d%u", i / 3);
		else
			(void)snprintf(id, sizeof(id), "u%u", i - i / 3);
		assert_follows(queue, last, id);
		(void)strcpy(last, id);
	}
	queue_free(queue);
}

/* It would only have to cancel it. */
static void a_rollback_goes_before_a_deploy_that_is_due(void **context)
{
	struct queue *queue = queue_new(4, 8);

	(void)context;
	assert_int_equal(add_as(queue, "a", "u0", QUEUE_RANK_URGENT, ALICE), 0);
	assert_next(queue, "u0");
	assert_int_equal(add(queue, "a", "deploy"), 0);
	assert_int_equal(add_as(queue, "a", "u1", QUEUE_RANK_URGENT, ALICE), 0);
	assert_int_equal(add_as(queue, "a", "u2", QUEUE_RANK_URGENT, ALICE), 0);
	assert_int_equal(add_as(queue, "a", "u3", QUEUE_RANK_URGENT, ALICE), 0);
	assert_follows(queue, "u0", "u1");
	assert_follows(queue, "u1", "u2");
	assert_int_equal(add_as(queue, "a", "back", QUEUE_RANK_ROLLBACK, BOB), 0);
	assert_follows(queue, "u2", "back");
	assert_follows(queue, "back", "deploy");
	assert_follows(queue, "deploy", "u3");
	queue_free(queue);
}

static void without_its_archive_it_holds_up_nobody(void **context)
{
	struct queue *queue = queue_new(2, 8);

	(void)context;
	assert_int_equal(add_unready(queue, "a", "slow", ALICE), 0);
	assert_false(queue_is_ready(queue, "slow"));
	assert_null(queue_start_next(queue));
	assert_int_equal(add(queue, "a", "quick"), 0);
	assert_next(queue, "quick");
	/* Restarts that go before it are no overtaking: its turn has not come. */
	for (unsigned int i = 0; i < 4; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "u%u", i);
		assert_int_equal(add_as(queue, "a", id, QUEUE_RANK_URGENT, BOB + i), 0);
	}
	assert_follows(queue, "quick", "u0");
	assert_follows(queue, "u0", "u1");
	assert_true(queue_set_ready(queue, "slow"));
	assert_true(queue_is_ready(queue, "slow"));
	assert_follows(queue, "u1", "u2");
	assert_follows(queue, "u2", "u3");
	assert_follows(queue, "u3", "slow");
	assert_false(queue_set_ready(queue, "unknown"));
	assert_false(queue_is_ready(queue, "unknown"));
	queue_free(queue);
}

static void one_user_has_half_of_the_places(void **context)
{
	struct queue *queue = queue_new(4, 5);

	(void)context;
	assert_int_equal(add(queue, "a", "running"), 0);
	assert_next(queue, "running");
	for (unsigned int i = 0; i < 3; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "a%u", i);
		assert_int_equal(add_unready(queue, "a", id, ALICE), 0);
	}
	assert_int_equal(add_unready(queue, "a", "a3", ALICE), -EDQUOT);
	assert_int_equal(add_unready(queue, "b", "a3", ALICE), 0); /* another app */
	assert_int_equal(add_unready(queue, "a", "b0", BOB), 0);
	assert_int_equal(add_unready(queue, "a", "b1", BOB), 0);
	assert_int_equal(add_unready(queue, "a", "b2", BOB), -EBUSY);
	assert_true(queue_remove(queue, "a1"));
	assert_int_equal(add_unready(queue, "a", "a4", ALICE), 0);
	queue_free(queue);
}

/* The next job of an idle line is not among those that wait, whosever it will be. */
static void half_of_an_idle_line(void **context)
{
	struct queue *queue = queue_new(4, 4);

	(void)context;
	assert_int_equal(add_unready(queue, "a", "1", ALICE), 0);
	assert_int_equal(add_unready(queue, "a", "2", ALICE), 0);
	assert_int_equal(add_unready(queue, "a", "3", ALICE), -EDQUOT);
	assert_int_equal(add_unready(queue, "a", "3", BOB), 0);
	assert_int_equal(add_unready(queue, "a", "4", BOB), 0);
	assert_int_equal(add_unready(queue, "a", "5", CAROL), 0);
	assert_int_equal(add_unready(queue, "a", "6", CAROL), -EBUSY);
	queue_free(queue);
}

static void one_user_has_half_of_the_slots(void **context)
{
	struct queue *queue = queue_new(3, 4);
	const char *app[] = {"a", "b", "c", "d"};

	(void)context;
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(
			add_as(queue, app[i], app[i], QUEUE_RANK_DEPLOY, ALICE), 0);
	assert_next(queue, "a");
	assert_next(queue, "b");
	assert_null(queue_start_next(queue));
	/* In the same line, behind one that may not run yet. */
	assert_int_equal(add_as(queue, "c", "bobs", QUEUE_RANK_DEPLOY, BOB), 0);
	assert_next(queue, "bobs");
	assert_follows(queue, "a", "d");
	queue_free(queue);
}

static void urgent_jobs_have_slots_of_their_own(void **context)
{
	struct queue *queue = queue_new(1, 4);
	char id[16];
	unsigned int n = 0;

	(void)context;
	assert_int_equal(add(queue, "deploying", "deploy"), 0);
	assert_next(queue, "deploy");
	for (unsigned int i = 0; i < 2 * QUEUE_URGENT_RUNNING_MAX; i++) {
		(void)snprintf(id, sizeof(id), "alices%u", i);
		assert_int_equal(add_as(queue, id, id, QUEUE_RANK_URGENT, ALICE), 0);
	}
	while (queue_start_next(queue))
		n++;
	assert_int_equal(n, QUEUE_URGENT_RUNNING_MAX / 2);
	for (unsigned int i = 0; i < QUEUE_URGENT_RUNNING_MAX; i++) {
		(void)snprintf(id, sizeof(id), "bobs%u", i);
		assert_int_equal(add_as(queue, id, id, QUEUE_RANK_URGENT, BOB), 0);
	}
	while (queue_start_next(queue))
		n++;
	assert_int_equal(n, QUEUE_URGENT_RUNNING_MAX);
	/* All taken: carol's restart waits; her rollback, root's and deployd's do not.
	 */
	assert_int_equal(add_as(queue, "c", "c", QUEUE_RANK_URGENT, CAROL), 0);
	assert_null(queue_start_next(queue));
	assert_int_equal(add_as(queue, "d", "d", QUEUE_RANK_ROLLBACK, CAROL), 0);
	assert_next(queue, "d");
	assert_int_equal(add_as(queue, "e", "e", QUEUE_RANK_URGENT, ROOT), 0);
	assert_next(queue, "e");
	assert_int_equal(add_as(queue, "f", "f", QUEUE_RANK_OWED, ALICE), 0);
	assert_next(queue, "f");
	assert_int_equal(add_as(queue, "g", "g", QUEUE_RANK_ROLLBACK, ROOT), 0);
	assert_next(queue, "g");
	queue_free(queue);
}

static void urgent_jobs_have_places_of_their_own(void **context)
{
	struct queue *queue = queue_new(1, 1);
	char id[16];

	(void)context;
	assert_int_equal(add(queue, "a", "running"), 0);
	assert_next(queue, "running");
	assert_int_equal(add(queue, "a", "waiting"), 0);
	assert_int_equal(add(queue, "a", "refused"), -EBUSY);
	for (unsigned int i = 0; i < QUEUE_URGENT_WAITING_MAX; i++) {
		uint32_t owner = i % 2 ? ALICE : BOB;

		(void)snprintf(id, sizeof(id), "u%u", i);
		assert_int_equal(add_as(queue, "a", id, QUEUE_RANK_URGENT, owner), 0);
		if (i / 2 == QUEUE_URGENT_WAITING_MAX / 2 - 1 && i % 2 == 0)
			assert_int_equal(
				add_as(queue, "a", "more", QUEUE_RANK_URGENT, owner),
				-EDQUOT);
	}
	assert_int_equal(add_as(queue, "a", "c", QUEUE_RANK_URGENT, CAROL), -EBUSY);
	/* A rollback takes none of those places, nor does root. */
	assert_int_equal(add_as(queue, "a", "back", QUEUE_RANK_ROLLBACK, CAROL), 0);
	for (unsigned int i = 0; i < QUEUE_URGENT_WAITING_MAX; i++) {
		(void)snprintf(id, sizeof(id), "root%u", i);
		assert_int_equal(add_as(queue, "a", id, QUEUE_RANK_URGENT, ROOT), 0);
	}
	assert_int_equal(add_as(queue, "a", "more", QUEUE_RANK_URGENT, ROOT), -EBUSY);
	assert_int_equal(add_as(queue, "a", "rootback", QUEUE_RANK_ROLLBACK, ROOT), 0);
	assert_follows(queue, "running", "back");
	assert_follows(queue, "back", "rootback");
	queue_free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_job_an_app),
		cmocka_unit_test(some_apps_at_once),
		cmocka_unit_test(owed_goes_before_all_that_wait),
		cmocka_unit_test(put_back_waits_again),
		cmocka_unit_test(apps_take_turns),
		cmocka_unit_test(restarts_take_no_turn_of_a_deploy),
		cmocka_unit_test(a_full_line_is_busy),
		cmocka_unit_test(no_line_at_all),
		cmocka_unit_test(an_id_is_known_once),
		cmocka_unit_test(cancelled_while_waiting),
		cmocka_unit_test(limits_change),
		cmocka_unit_test(the_higher_rank_overtakes),
		cmocka_unit_test(roots_deploy_overtakes),
		cmocka_unit_test(after_two_overtakings_the_oldest_deploy_runs),
		cmocka_unit_test(a_rollback_goes_before_a_deploy_that_is_due),
		cmocka_unit_test(without_its_archive_it_holds_up_nobody),
		cmocka_unit_test(one_user_has_half_of_the_places),
		cmocka_unit_test(half_of_an_idle_line),
		cmocka_unit_test(one_user_has_half_of_the_slots),
		cmocka_unit_test(urgent_jobs_have_slots_of_their_own),
		cmocka_unit_test(urgent_jobs_have_places_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
