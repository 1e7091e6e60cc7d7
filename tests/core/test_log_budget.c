/* Which lines that clients cause are written, and what is merged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/log_budget.h"

static struct log_budget budget;

static int empty(void **state)
{
	(void)state;
	memset(&budget, 0, sizeof(budget));
	return 0;
}

static unsigned int written(uint32_t uid, unsigned int n, uint64_t now_ms)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++)
		if (log_budget_take(&budget, uid, "mallory", LOG_KIND_DENIED, now_ms))
			count++;
	return count;
}

static void a_flood_is_merged(void **state)
{
	struct log_report report;
	uint64_t due_ms = 0;

	(void)state;
	assert_false(log_budget_next(&budget, &due_ms));
	assert_int_equal(written(1000, 4451, 500), LOG_BUDGET_LINES_MAX);
	assert_true(log_budget_next(&budget, &due_ms));
	assert_int_equal(due_ms, 500 + LOG_BUDGET_REPORT_MSEC);
	assert_false(log_budget_report(&budget, due_ms - 1, &report));
	assert_true(log_budget_report(&budget, due_ms, &report));
	assert_int_equal(report.merged[LOG_KIND_DENIED], 4451 - LOG_BUDGET_LINES_MAX);
	assert_int_equal(report.merged[LOG_KIND_CLOSED], 0);
	assert_int_equal(report.uid, 1000);
	assert_string_equal(report.user, "mallory");
	assert_int_equal(report.over_ms, LOG_BUDGET_REPORT_MSEC);
	assert_false(report.others);
	assert_false(log_budget_report(&budget, due_ms, &report));
	assert_false(log_budget_next(&budget, &due_ms));
}

/* An hour of requests costs few lines more than a second of them. */
static void a_long_flood_earns_little(void **state)
{
	unsigned int lines = 0;

	(void)state;
	for (uint64_t now_ms = 1; now_ms < 3600000; now_ms += 100)
		lines += written(1000, 10, now_ms);
	assert_in_range(lines, 600, LOG_BUDGET_LINES_MAX + 600);
}

static void who_is_quiet_has_all_again(void **state)
{
	struct log_report report;

	(void)state;
	assert_int_equal(written(1000, 100, 1), LOG_BUDGET_LINES_MAX);
	assert_int_equal(written(1000, 100, 2 + LOG_BUDGET_LINE_MSEC), 1);
	assert_true(log_budget_report(&budget, UINT64_MAX, &report));
	assert_int_equal(report.merged[LOG_KIND_DENIED],
			 200 - LOG_BUDGET_LINES_MAX - 1);
	assert_int_equal(written(1000, 100, 1000000), LOG_BUDGET_LINES_MAX);
}

static void nobody_pays_for_another(void **state)
{
	(void)state;
	assert_int_equal(written(1000, 100, 1), LOG_BUDGET_LINES_MAX);
	assert_int_equal(written(1001, 5, 1), 5);
}

static void kinds_are_told_apart(void **state)
{
	struct log_report report;

	(void)state;
	(void)written(1000, LOG_BUDGET_LINES_MAX, 1);
	assert_false(log_budget_take(&budget, 1000, "", LOG_KIND_CLOSED, 1));
	assert_false(log_budget_take(&budget, 1000, "", LOG_KIND_TURNED_AWAY, 1));
	assert_false(log_budget_take(&budget, 1000, "", LOG_KIND_TURNED_AWAY, 1));
	assert_true(log_budget_report(&budget, UINT64_MAX, &report));
	assert_int_equal(report.merged[LOG_KIND_DENIED], 0);
	assert_int_equal(report.merged[LOG_KIND_CLOSED], 1);
	assert_int_equal(report.merged[LOG_KIND_TURNED_AWAY], 2);
}

/* Who has many uids (a range of subordinate ones) has no more lines for it. */
static void users_are_bounded(void **state)
{
	struct log_report report;
	unsigned int lines = 0, reports = 0;

	(void)state;
	for (uint32_t uid = 100000; uid < 165536; uid++)
		lines += written(uid, 1, 1);
	assert_int_equal(lines, LOG_BUDGET_USERS_MAX + LOG_BUDGET_LINES_MAX);
	while (log_budget_report(&budget, UINT64_MAX, &report)) {
		assert_true(report.others);
		assert_int_equal(report.merged[LOG_KIND_DENIED], 65536 - lines);
		reports++;
	}
	assert_int_equal(reports, 1);
	/* Later each of them has its own again. */
	assert_int_equal(written(7, 100, 1000000), LOG_BUDGET_LINES_MAX);
	assert_true(log_budget_report(&budget, UINT64_MAX, &report));
	assert_false(report.others);
}

static void the_name_may_come_later(void **state)
{
	struct log_report report;

	(void)state;
	assert_true(log_budget_take(&budget, 1000, "", LOG_KIND_TURNED_AWAY, 1));
	(void)written(1000, 100, 1);
	assert_true(log_budget_report(&budget, UINT64_MAX, &report));
	assert_string_equal(report.user, "mallory");
}

static void reading_is_said_once_a_minute(void **state)
{
	uint64_t reads = 99;

	(void)state;
	assert_true(log_budget_read(&budget, 1000, "alice", 1, &reads));
	assert_int_equal(reads, 0);
	for (int i = 0; i < 500; i++)
		assert_false(log_budget_read(&budget, 1000, "alice", 2, &reads));
	assert_true(log_budget_read(&budget, 1001, "bob", 2, &reads));
	assert_true(log_budget_read(&budget, 1000, "alice", 1 + LOG_BUDGET_READ_MSEC,
				    &reads));
	assert_int_equal(reads, 500);
	/* It takes no line of what is denied. */
	assert_int_equal(written(1000, 100, 1 + LOG_BUDGET_READ_MSEC),
			 LOG_BUDGET_LINES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_flood_is_merged, empty),
		cmocka_unit_test_setup(a_long_flood_earns_little, empty),
		cmocka_unit_test_setup(who_is_quiet_has_all_again, empty),
		cmocka_unit_test_setup(nobody_pays_for_another, empty),
		cmocka_unit_test_setup(kinds_are_told_apart, empty),
		cmocka_unit_test_setup(users_are_bounded, empty),
		cmocka_unit_test_setup(the_name_may_come_later, empty),
		cmocka_unit_test_setup(reading_is_said_once_a_minute, empty),
	};

	return cmocka_run_group_tests_name("log_budget", tests, NULL, NULL);
}
