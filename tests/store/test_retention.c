/* core/retention.c: where a rollback goes and what may be removed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/retention.h"

#define NOW	 1800000000
#define RELEASES 12
#define ROUNDS	 20000

static struct retention_release release(const char *id, uint64_t seq, char state)
{
	return (struct retention_release){.id = id,
					  .seq = seq,
					  .good = state == 'g',
					  .bad = state == 'b',
					  .unknown = state == 'u',
					  .deployed_at_sec = NOW - 1};
}

static void rollback_goes_to_the_last_good_one_before(void **state)
{
	struct retention_release list[] = {
		release("a", 1, 'g'), release("b", 2, 'g'), release("c", 3, 'b'),
		release("d", 4, 's'), release("e", 5, 'g'), release("f", 6, 'g'),
	};
	const size_t n = sizeof(list) / sizeof(*list);

	(void)state;
	assert_int_equal(retention_rollback_target(list, n, "e"), 1);
	assert_int_equal(retention_rollback_target(list, n, "b"), 0);
	assert_int_equal(retention_rollback_target(list, n, "a"), n);
	assert_int_equal(retention_rollback_target(list, n, "d"), 1);
	assert_int_equal(retention_rollback_target(list, n, "unknown"), n);
	assert_int_equal(retention_rollback_target(list, n, NULL), n);
	assert_int_equal(retention_rollback_target(list, 0, "a"), 0);
	list[1].rolled_back = true;
	assert_int_equal(retention_rollback_target(list, n, "e"), 0);
}

static void unknown_ones_are_the_last_resort(void **state)
{
	struct retention_release list[] = {
		release("a", 1, 'g'), release("b", 2, 'u'), release("c", 3, 'u'),
		release("d", 4, 's'), release("e", 5, 'u'),
	};
	const size_t n = sizeof(list) / sizeof(*list);
	bool prune[5];

	(void)state;
	assert_int_equal(retention_rollback_target(list, n, "e"), 0);
	list[0].good = false;
	list[0].bad = true;
	assert_int_equal(retention_rollback_target(list, n, "e"), 2);
	list[2].rolled_back = true;
	assert_int_equal(retention_rollback_target(list, n, "e"), 1);
	list[2].rolled_back = false;
	retention_choose(list, n, "e", 2, NOW + 1, prune);
	assert_true(prune[1]);
	assert_false(prune[2]);
	retention_choose(list, n, "e", 3, NOW + 1, prune);
	assert_false(prune[1]);
}

static void the_order_is_that_of_sequence_numbers(void **state)
{
	/* Names and times lie: the clock was set back. */
	struct retention_release list[] = {
		release("20270101T000000Z-0001", 1, 'g'),
		release("20260101T000000Z-0003", 3, 'g'),
		release("20260601T000000Z-0002", 2, 'g'),
	};

	(void)state;
	assert_int_equal(retention_rollback_target(list, 3, list[1].id), 2);
	assert_int_equal(retention_rollback_target(list, 3, list[2].id), 0);
}

static void staged_ones_wait_a_week(void **state)
{
	struct retention_release list[] = {release("a", 1, 's'), release("b", 2, 's'),
					   release("c", 3, 's'), release("d", 4, 'g')};
	bool prune[4];

	(void)state;
	list[0].deployed_at_sec = NOW - RETENTION_STAGED_SEC_MAX - 1;
	list[1].deployed_at_sec = NOW - RETENTION_STAGED_SEC_MAX;
	list[2].deployed_at_sec = NOW + 1000000; /* a clock that was set back */
	retention_choose(list, 4, "d", 1, NOW, prune);
	assert_true(prune[0]);
	assert_false(prune[1] || prune[2] || prune[3]);
}

static struct retention_release holding(const char *id, uint64_t seq, char state,
					const char *sha256)
{
	struct retention_release made = release(id, seq, state);

	made.content.sha256 = sha256;
	return made;
}

/* A CI that runs a pipeline three times must not cost the way back. */
static void the_same_archive_again_is_no_other_release(void **state)
{
	struct retention_release list[] = {
		holding("a", 1, 'g', "aa"), holding("b", 2, 'g', "bb"),
		holding("c", 3, 'g', "cc"), holding("d", 4, 'g', "cc"),
		holding("e", 5, 'g', "cc"),
	};
	const size_t n = sizeof(list) / sizeof(*list);
	bool prune[5];

	(void)state;
	assert_int_equal(retention_rollback_target(list, n, "e"), 1);
	assert_int_equal(retention_rollback_target(list, n, "c"), 1);
	/* Once it is gone back from, the one before it still stands for "cc". */
	retention_choose(list, n, "e", 2, NOW, prune);
	assert_true(prune[0] && prune[2]);
	assert_false(prune[1] || prune[3] || prune[4]);
	retention_choose(list, n, "e", 3, NOW, prune);
	assert_false(prune[0] || prune[1] || prune[3] || prune[4]);
	retention_choose(list, n, "b", 3, NOW, prune);
	assert_true(prune[2] && prune[3]);
	/* Laid out in another way it is another. */
	list[3].content.layout = "strip_components=1";
	assert_int_equal(retention_rollback_target(list, n, "e"), 3);
	retention_choose(list, n, "e", 2, NOW, prune);
	assert_true(prune[0] && prune[1]);
	assert_false(prune[2] || prune[3] || prune[4]);
	/* Nor are two the same of which nothing is known. */
	for (size_t i = 0; i < n; i++)
		list[i].content = (struct content){0};
	retention_choose(list, n, "e", 3, NOW, prune);
	assert_false(prune[2] || prune[3] || prune[4]);
}

static void one_that_was_gone_back_from_stands_for_none_that_was_not(void **state)
{
	struct retention_release list[] = {
		holding("a", 1, 'g', "aa"),
		holding("b", 2, 'g', "bb"),
		holding("c", 3, 'g', "aa"),
		holding("d", 4, 'g', "dd"),
	};
	bool prune[4];

	(void)state;
	list[2].rolled_back = true;
	retention_choose(list, 4, "d", 4, NOW, prune);
	assert_false(prune[0]);
	list[0].rolled_back = true;
	retention_choose(list, 4, "d", 4, NOW, prune);
	assert_true(prune[0]);
}

static bool is_same(const struct retention_release *a,
		    const struct retention_release *b)
{
	return strcmp(a->content.sha256, b->content.sha256) == 0;
}

static bool is_newer(const struct retention_release *a,
		     const struct retention_release *b)
{
	return a->seq > b->seq && a->good == b->good && a->bad == b->bad;
}

/* A newer one, not live, has its content and is as good a place to go back to. */
static bool again(const struct retention_release *list, size_t n, size_t at,
		  size_t live)
{
	bool found = false;

	for (size_t i = 0; i < n; i++)
		found |= i != live && is_newer(&list[i], &list[at]) &&
			 is_same(&list[i], &list[at]) &&
			 (list[at].rolled_back || !list[i].rolled_back);
	return found;
}

/* How many other contents of its kind are newer, counted the slow way. */
static size_t newer(const struct retention_release *list, size_t n, size_t at)
{
	size_t count = 0;

	for (char content = 'a'; content <= 'f'; content++) {
		bool found = false;

		for (size_t i = 0; i < n; i++)
			found |= *list[i].content.sha256 == content &&
				 is_newer(&list[i], &list[at]);
		count += found && *list[at].content.sha256 != content;
	}
	return count;
}

static void check_choice(const struct retention_release *list, size_t n, size_t live,
			 uint64_t keep, const bool *prune)
{
	size_t target = retention_rollback_target(list, n, list[live].id);

	if (target < n) {
		assert_true(list[target].good && !list[target].rolled_back);
		assert_true(list[target].seq < list[live].seq);
		for (size_t i = 0; i < n; i++)
			assert_false(list[i].good && !list[i].rolled_back &&
				     list[i].seq < list[live].seq &&
				     list[i].seq > list[target].seq &&
				     !is_same(&list[i], &list[live]));
		assert_false(is_same(&list[target], &list[live]));
	}
	for (size_t i = 0; i < n; i++) {
		bool protected =
			i == live || i == target || list[i].pinned || list[i].in_use;
		uint64_t kept = list[i].good ? keep : RETENTION_BAD_KEPT;

		if (protected)
			assert_false(prune[i]);
		else if (list[i].good || list[i].bad)
			assert_int_equal(prune[i], again(list, n, i, live) ||
							   newer(list, n, i) >= kept);
		else
			assert_int_equal(prune[i], NOW - list[i].deployed_at_sec >
							   RETENTION_STAGED_SEC_MAX);
	}
}

static void nothing_that_is_needed_is_chosen(void **state)
{
	const char *seed_text = getenv("DEPLOYD_TEST_SEED");
	unsigned int seed = seed_text ? (unsigned int)strtoul(seed_text, NULL, 10) : 1;

	static const char *const contents[] = {"a", "b", "c", "d", "e", "f"};

	(void)state;
	printf("seed %u\n", seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct retention_release list[RELEASES];
		bool prune[RELEASES];
		char ids[RELEASES][8];
		size_t n = (size_t)rand_r(&seed) % RELEASES + 1;
		size_t live = (size_t)rand_r(&seed) % n;
		uint64_t keep = (uint64_t)rand_r(&seed) % 4;

		for (size_t i = 0; i < n; i++) {
			(void)snprintf(ids[i], sizeof(ids[i]), "r%zu", i);
			list[i] = holding(ids[i], (i * 7 + 3) % 13 + 1,
					  "gbs"[rand_r(&seed) % 3],
					  contents[rand_r(&seed) % 6]);
			list[i].pinned = rand_r(&seed) % 6 == 0;
			list[i].in_use = rand_r(&seed) % 6 == 0;
			list[i].rolled_back = rand_r(&seed) % 4 == 0;
			list[i].deployed_at_sec =
				NOW - rand_r(&seed) % (2 * RETENTION_STAGED_SEC_MAX);
		}
		retention_choose(list, n, ids[live], keep, NOW, prune);
		check_choice(list, n, live, keep, prune);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollback_goes_to_the_last_good_one_before),
		cmocka_unit_test(unknown_ones_are_the_last_resort),
		cmocka_unit_test(the_order_is_that_of_sequence_numbers),
		cmocka_unit_test(staged_ones_wait_a_week),
		cmocka_unit_test(the_same_archive_again_is_no_other_release),
		cmocka_unit_test(
			one_that_was_gone_back_from_stands_for_none_that_was_not),
		cmocka_unit_test(nothing_that_is_needed_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
