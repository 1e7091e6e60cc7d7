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

static void assert_next(struct queue *queue, const char *id)
{
	const char *next = queue_start_next(queue);

	assert_non_null(next);
	assert_string_equal(next, id);
}

static void one_operation_an_app(void **context)
{
	struct queue *queue = queue_new(4, 4);

	(void)context;
	assert_int_equal(queue_add(queue, "hello", "a"), 0);
	assert_int_equal(queue_add(queue, "hello", "b"), 0);
	assert_next(queue, "a");
	assert_null(queue_start_next(queue));
	assert_int_equal(queue_position(queue, "a"), 0);
	assert_int_equal(queue_position(queue, "b"), 1);
	assert_int_equal(queue_position(queue, "c"), -1);
	assert_true(queue_remove(queue, "a"));
	assert_next(queue, "b");
	assert_true(queue_remove(queue, "b"));
	assert_false(queue_remove(queue, "b"));
	assert_int_equal(queue_running(queue) + queue_waiting(queue), 0);
	queue_free(queue);
}

static void some_apps_at_once(void **context)
{
	struct queue *queue = queue_new(2, 4);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "a1"), 0);
	assert_int_equal(queue_add(queue, "b", "b1"), 0);
	assert_int_equal(queue_add(queue, "c", "c1"), 0);
	assert_next(queue, "a1");
	assert_next(queue, "b1");
	assert_null(queue_start_next(queue));
	assert_int_equal(queue_running(queue), 2);
	assert_int_equal(queue_waiting(queue), 1);
	assert_true(queue_remove(queue, "b1"));
	assert_next(queue, "c1");
	queue_free(queue);
}

/* What deployd owes an app is not kept waiting by who fills its line. */
static void first_goes_before_all_that_wait(void **context)
{
	struct queue *queue = queue_new(4, 1);

	(void)context;
	assert_int_equal(queue_add(queue, "hello", "a"), 0);
	assert_next(queue, "a");
	assert_int_equal(queue_add(queue, "hello", "b"), 0);
	assert_int_equal(queue_add(queue, "hello", "c"), -EBUSY);
	assert_int_equal(queue_add_first(queue, "hello", "b"), -EEXIST);
	assert_int_equal(queue_add_first(queue, "hello", "back"), 0);
	assert_int_equal(queue_position(queue, "back"), 1);
	assert_int_equal(queue_position(queue, "b"), 2);
	assert_true(queue_remove(queue, "a"));
	assert_next(queue, "back");
	assert_true(queue_remove(queue, "back"));
	assert_next(queue, "b");
	queue_free(queue);
}

static void put_back_waits_again(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(queue_add(queue, "hello", "a"), 0);
	assert_int_equal(queue_add(queue, "hello", "b"), 0);
	assert_next(queue, "a");
	assert_false(queue_put_back(queue, "b"));
	assert_true(queue_put_back(queue, "a"));
	assert_int_equal(queue_running(queue), 0);
	assert_int_equal(queue_waiting(queue), 2);
	assert_int_equal(queue_add_first(queue, "hello", "owed"), 0);
	assert_next(queue, "owed");
	assert_true(queue_remove(queue, "owed"));
	assert_next(queue, "a");
	assert_int_equal(queue_position(queue, "b"), 1);
	queue_free(queue);
}

static void apps_take_turns(void **context)
{
	struct queue *queue = queue_new(1, 8);

	(void)context;
	for (int i = 0; i < 3; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "a%d", i);
		assert_int_equal(queue_add(queue, "a", id), 0);
	}
	assert_int_equal(queue_add(queue, "b", "b0"), 0);
	assert_int_equal(queue_add(queue, "c", "c0"), 0);
	assert_next(queue, "a0");
	(void)queue_remove(queue, "a0");
	assert_next(queue, "b0");
	(void)queue_remove(queue, "b0");
	assert_next(queue, "c0");
	(void)queue_remove(queue, "c0");
	assert_next(queue, "a1");
	assert_int_equal(queue_add(queue, "b", "b1"), 0);
	(void)queue_remove(queue, "a1");
	assert_next(queue, "b1");
	(void)queue_remove(queue, "b1");
	assert_next(queue, "a2");
	queue_free(queue);
}

static void a_full_line_is_busy(void **context)
{
	struct queue *queue = queue_new(1, 2);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "1"), 0);
	assert_int_equal(queue_add(queue, "a", "2"), 0);
	assert_int_equal(queue_add(queue, "a", "3"), 0);
	assert_int_equal(queue_add(queue, "a", "4"), -EBUSY);
	assert_int_equal(queue_add(queue, "b", "4"), 0); /* another app's line */
	assert_next(queue, "1");
	assert_int_equal(queue_add(queue, "a", "5"), -EBUSY);
	assert_true(queue_remove(queue, "1"));
	assert_int_equal(queue_add(queue, "a", "5"), 0);
	queue_free(queue);
}

static void no_line_at_all(void **context)
{
	struct queue *queue = queue_new(1, 0);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "1"), 0);
	assert_int_equal(queue_add(queue, "a", "2"), -EBUSY);
	assert_next(queue, "1");
	assert_int_equal(queue_add(queue, "a", "2"), -EBUSY);
	assert_true(queue_remove(queue, "1"));
	assert_int_equal(queue_add(queue, "a", "2"), 0);
	queue_free(queue);
}

static void an_id_is_known_once(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "1"), 0);
	assert_int_equal(queue_add(queue, "a", "1"), -EEXIST);
	assert_int_equal(queue_add(queue, "b", "1"), -EEXIST);
	assert_next(queue, "1");
	assert_int_equal(queue_add(queue, "b", "1"), -EEXIST);
	queue_free(queue);
}

static void cancelled_while_waiting(void **context)
{
	struct queue *queue = queue_new(1, 4);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "1"), 0);
	assert_int_equal(queue_add(queue, "a", "2"), 0);
	assert_int_equal(queue_add(queue, "a", "3"), 0);
	assert_next(queue, "1");
	assert_true(queue_remove(queue, "2"));
	assert_int_equal(queue_position(queue, "3"), 1);
	assert_true(queue_remove(queue, "1"));
	assert_next(queue, "3");
	queue_free(queue);
}

static void limits_change(void **context)
{
	struct queue *queue = queue_new(1, 1);

	(void)context;
	assert_int_equal(queue_add(queue, "a", "1"), 0);
	assert_int_equal(queue_add(queue, "b", "2"), 0);
	assert_int_equal(queue_add(queue, "c", "3"), 0);
	assert_next(queue, "1");
	assert_null(queue_start_next(queue));
	queue_set_limits(queue, 2, 1);
	assert_next(queue, "2");
	queue_set_limits(queue, 1, 1);
	assert_true(queue_remove(queue, "1"));
	assert_null(queue_start_next(queue)); /* 2 runs still */
	assert_true(queue_remove(queue, "2"));
	assert_next(queue, "3");
	queue_free(queue);
}

/* Any order of calls: never too many run, none starves, everything ends. */
static void random_calls_keep_the_promises(void **context)
{
	enum {
		APPS = 5,
		CALLS = 20000,
		RUNNING = 3,
		WAITING = 4
	};
	struct queue *queue = queue_new(RUNNING, WAITING);
	char running[RUNNING][QUEUE_ID_MAX + 1] = {{0}};
	unsigned int held[APPS] = {0}, waited[APPS] = {0};
	unsigned int state = 1, n_running = 0, n_id = 0;

	(void)context;
	for (int call = 0; call < CALLS; call++) {
		char app[2] = {0}, id[QUEUE_ID_MAX + 1];
		unsigned int a;
		const char *next;

		state = state * 1103515245u + 12345u;
		a = (state >> 16) % APPS;
		app[0] = (char)('a' + a);
		(void)snprintf(id, sizeof(id), "%c%u", app[0], n_id++);
		if (state >> 30 != 0) {
			int r = queue_add(queue, app, id);

			assert_int_equal(r, held[a] > WAITING ? -EBUSY : 0);
			held[a] += r == 0;
		} else if (n_running > 0) {
			char *last = running[--n_running];

			assert_true(queue_remove(queue, last));
			held[last[0] - 'a']--;
		}
		while ((next = queue_start_next(queue))) {
			unsigned int mine = (unsigned int)(next[0] - 'a');

			assert_true(n_running < RUNNING);
			for (unsigned int i = 0; i < n_running; i++)
				assert_int_not_equal(running[i][0], next[0]);
			(void)strcpy(running[n_running++], next);
			for (unsigned int i = 0; i < APPS; i++)
				waited[i] += held[i] > 0;
			waited[mine] = 0;
		}
		for (unsigned int i = 0; i < n_running; i++)
			waited[running[i][0] - 'a'] = 0;
		for (unsigned int i = 0; i < APPS; i++)
			assert_true(waited[i] <= APPS);
		assert_int_equal(queue_running(queue), n_running);
	}
	queue_free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_operation_an_app),
		cmocka_unit_test(some_apps_at_once),
		cmocka_unit_test(first_goes_before_all_that_wait),
		cmocka_unit_test(put_back_waits_again),
		cmocka_unit_test(apps_take_turns),
		cmocka_unit_test(a_full_line_is_busy),
		cmocka_unit_test(no_line_at_all),
		cmocka_unit_test(an_id_is_known_once),
		cmocka_unit_test(cancelled_while_waiting),
		cmocka_unit_test(limits_change),
		cmocka_unit_test(random_calls_keep_the_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
