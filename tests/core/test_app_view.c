/* What is known of an app: its current release, its hold, what awaits a confirmation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/app_view.h"

#define R1 "20260101T000000Z-0001"
#define R2 "20260102T000000Z-0002"

static void nothing_is_known_without_a_view(void **state)
{
	(void)state;
	assert_null(app_view_current(NULL));
	assert_null(app_view_previous(NULL));
	assert_null(app_view_release(NULL, R1));
	assert_null(app_view_hold(NULL, 0));
	assert_null(app_view_confirm(NULL));
	app_view_free(NULL);
}

static void an_empty_id_is_no_release(void **state)
{
	struct app_view view = {0};

	(void)state;
	assert_null(app_view_current(&view));
	assert_null(app_view_previous(&view));
	(void)strcpy(view.current, R2);
	assert_string_equal(app_view_current(&view), R2);
	assert_null(app_view_previous(&view));
	(void)strcpy(view.previous, R1);
	assert_string_equal(app_view_previous(&view), R1);
}

static void a_release_is_found_by_its_whole_id(void **state)
{
	struct release releases[] = {{.id = R2}, {.id = R1}};
	struct app_view view = {.releases = releases, .n_releases = 2};

	(void)state;
	assert_ptr_equal(app_view_release(&view, R1), &releases[1]);
	assert_ptr_equal(app_view_release(&view, R2), &releases[0]);
	assert_null(app_view_release(&view, "20260101T000000Z-000"));
	assert_null(app_view_release(&view, ""));
}

static void a_hold_ends_at_its_second(void **state)
{
	struct app_hold hold = {.until_sec = 100};
	struct app_view view = {0};

	(void)state;
	assert_null(app_view_hold(&view, 99));
	view.hold = &hold;
	assert_ptr_equal(app_view_hold(&view, 99), &hold);
	assert_null(app_view_hold(&view, 100));
	hold.until_sec = 0; /* for good */
	assert_ptr_equal(app_view_hold(&view, INT64_MAX), &hold);
}

/* A first release that failed has nothing to go back to: the question is settled. */
static void a_first_release_that_is_bad_awaits_nothing(void **state)
{
	static const char *const froms[] = {"", R1};
	struct release release = {.id = R2};
	struct app_confirm confirm = {.release = R2};
	struct app_view view = {
		.releases = &release, .n_releases = 1, .confirm = &confirm};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		(void)strcpy(confirm.from, froms[i]);
		for (enum release_state s = 0; s < RELEASE_STATE_COUNT; s++) {
			bool settled = i == 0 && s == RELEASE_STATE_BAD;

			release.state = s;
			assert_ptr_equal(app_view_confirm(&view),
					 settled ? NULL : &confirm);
		}
	}
	/* One that is not listed any more is not known to be bad. */
	confirm.from[0] = '\0';
	view.n_releases = 0;
	assert_ptr_equal(app_view_confirm(&view), &confirm);
	view.confirm = NULL;
	assert_null(app_view_confirm(&view));
}

static void every_state_is_read_as_it_is_written(void **state)
{
	static const char *const names[] = {"staged", "good", "bad", "unknown"};

	(void)state;
	assert_int_equal(sizeof(names) / sizeof(*names), RELEASE_STATE_COUNT);
	for (enum release_state s = 0; s < RELEASE_STATE_COUNT; s++) {
		assert_string_equal(release_state_name(s), names[s]);
		assert_int_equal(release_state_from_name(names[s]), s);
	}
	assert_int_equal(release_state_from_name("Good"), RELEASE_STATE_COUNT);
	assert_int_equal(release_state_from_name(""), RELEASE_STATE_COUNT);
	assert_int_equal(release_state_from_name(NULL), RELEASE_STATE_COUNT);
}

/* Under AddressSanitizer: everything is freed, once. */
static void a_full_view_is_freed(void **state)
{
	struct app_view *view = calloc(1, sizeof(*view));
	struct release *release = calloc(2, sizeof(*release));
	struct release_evidence *evidence = calloc(1, sizeof(*evidence));

	(void)state;
	assert_true(view && release && evidence);
	evidence->reason = strdup("it crashed");
	evidence->unit_result = strdup("exit-code");
	evidence->check_output = strdup("refused");
	evidence->journal = calloc(2, sizeof(char *));
	evidence->journal[0] = strdup("one");
	evidence->journal[1] = strdup("two");
	evidence->n_journal = 2;
	release[0] = (struct release){.sha256 = strdup("aa"),
				      .version = strdup("1"),
				      .revision = strdup("r"),
				      .message = strdup("m"),
				      .deployed_at = strdup("t"),
				      .evidence = evidence};
	*view = (struct app_view){.releases = release,
				  .n_releases = 2,
				  .degraded = strdup("d"),
				  .failed = strdup("f"),
				  .activated_at = strdup("a"),
				  .hold = calloc(1, sizeof(struct app_hold)),
				  .confirm = calloc(1, sizeof(struct app_confirm))};
	view->hold->reason = strdup("freeze");
	app_view_free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_without_a_view),
		cmocka_unit_test(an_empty_id_is_no_release),
		cmocka_unit_test(a_release_is_found_by_its_whole_id),
		cmocka_unit_test(a_hold_ends_at_its_second),
		cmocka_unit_test(a_first_release_that_is_bad_awaits_nothing),
		cmocka_unit_test(every_state_is_read_as_it_is_written),
		cmocka_unit_test(a_full_view_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
