/* Whether `current` may point at another release, at which one, and what people read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/switch_rules.h"

#define NOW 1767225600 /* 2026-01-01T00:00:00Z */

static struct release releases[] = {
	{.id = "r-unknown", .state = RELEASE_STATE_UNKNOWN},
	{.id = "r-staged", .state = RELEASE_STATE_STAGED},
	{.id = "r-bad", .state = RELEASE_STATE_BAD},
	{.id = "r-good", .state = RELEASE_STATE_GOOD},
	{.id = "r-live", .state = RELEASE_STATE_GOOD},
};

static const enum job_kind switching[] = {JOB_KIND_DEPLOY, JOB_KIND_ACTIVATE,
					  JOB_KIND_ROLLBACK};

static struct app_view view_of_hello(void)
{
	return (struct app_view){.current = "r-live",
				 .previous = "r-good",
				 .releases = releases,
				 .n_releases = 5};
}

static struct switch_request request_for(enum job_kind kind, const char *target)
{
	return (struct switch_request){.kind = kind, .app = "hello", .target = target};
}

static void assert_refused(bool permitted, const struct errinfo *why,
			   enum deploy_result result, const char *text)
{
	assert_false(permitted);
	assert_int_equal(why->result, result);
	assert_string_equal(why->what, text);
}

/* --- may it switch at all -----------------------------------------------------------
 */

static void nothing_stands_in_the_way(void **state)
{
	struct app_view view = view_of_hello();
	struct errinfo why = {0};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct switch_request request = request_for(switching[i], "");

		assert_true(switch_is_permitted(&view, &request, NOW, &why));
		request.if_current = "r-live";
		assert_true(switch_is_permitted(&view, &request, NOW, &why));
	}
	assert_string_equal(why.what, "");
}

static void if_current_must_hold(void **state)
{
	struct app_view view = view_of_hello();
	struct switch_request request = request_for(JOB_KIND_DEPLOY, "");
	struct errinfo why = {0};

	(void)state;
	request.if_current = "r-good";
	assert_refused(
		switch_is_permitted(&view, &request, NOW, &why), &why,
		RESULT_IF_CURRENT,
		"the current release is r-live, not r-good; nothing was changed");
	request.if_current = "";
	assert_refused(switch_is_permitted(&view, &request, NOW, &why), &why,
		       RESULT_IF_CURRENT,
		       "the current release is r-live, not none; nothing was changed");
	view.current[0] = '\0';
	assert_true(switch_is_permitted(&view, &request, NOW, &why));
	request.if_current = "r-good";
	assert_refused(switch_is_permitted(&view, &request, NOW, &why), &why,
		       RESULT_IF_CURRENT,
		       "the current release is none, not r-good; nothing was changed");
}

static void a_hold_forbids_every_switch(void **state)
{
	struct app_hold hold = {.reason = (char *)"freeze",
				.until_sec = NOW + 60,
				.by = {.known = true, .user = "alice"}};
	struct app_view view = view_of_hello();
	struct errinfo why = {0};

	(void)state;
	view.hold = &hold;
	for (size_t i = 0; i < 3; i++) {
		struct switch_request request = request_for(switching[i], "");

		assert_refused(switch_is_permitted(&view, &request, NOW, &why), &why,
			       RESULT_BUSY,
			       "hello is held by alice until 2026-01-01T00:01:00Z: "
			       "freeze; `deployctl unhold hello` lifts that");
		assert_true(switch_is_permitted(&view, &request, NOW + 60, &why));
	}
}

static void a_hold_says_what_is_known_of_it(void **state)
{
	static char *const no_reasons[] = {NULL, (char *)""};
	struct app_hold hold = {0};
	struct app_view view = view_of_hello();
	struct switch_request request = request_for(JOB_KIND_ROLLBACK, "");
	struct errinfo why = {0};

	(void)state;
	view.hold = &hold;
	for (size_t i = 0; i < 2; i++) {
		hold.reason = no_reasons[i];
		assert_refused(switch_is_permitted(&view, &request, NOW, &why), &why,
			       RESULT_BUSY,
			       "hello is held by somebody: no reason was given; "
			       "`deployctl unhold hello` lifts that");
	}
}

static void only_a_rollback_answers_for_a_confirmation(void **state)
{
	struct app_confirm confirm = {.release = "r-live", .from = "r-good"};
	struct app_view view = view_of_hello();
	struct errinfo why = {0};

	(void)state;
	view.confirm = &confirm;
	for (size_t i = 0; i < 3; i++) {
		struct switch_request request = request_for(switching[i], "");
		bool permitted = switch_is_permitted(&view, &request, NOW, &why);

		if (switching[i] == JOB_KIND_ROLLBACK)
			assert_true(permitted);
		else
			assert_refused(permitted, &why, RESULT_BUSY,
				       "release r-live awaits its confirmation: "
				       "`deployctl confirm hello` keeps it, `deployctl "
				       "rollback hello` goes back");
	}
}

/* --- which release ------------------------------------------------------------------
 */

static bool choose(enum job_kind kind, const char *target, bool force,
		   struct errinfo *ret_why)
{
	struct app_view view = view_of_hello();
	struct switch_request request = request_for(kind, target);
	char chosen[RELEASE_ID_SIZE] = "untouched";
	bool ok;

	request.force = force;
	ok = switch_choose_target(&view, &request, chosen, ret_why);
	assert_string_equal(chosen, ok ? target : "untouched");
	return ok;
}

static void a_rollback_without_a_name_goes_to_the_one_before(void **state)
{
	struct app_view view = view_of_hello();
	struct switch_request request = request_for(JOB_KIND_ROLLBACK, "");
	char chosen[RELEASE_ID_SIZE];
	struct errinfo why = {0};

	(void)state;
	assert_true(switch_choose_target(&view, &request, chosen, &why));
	assert_string_equal(chosen, "r-good");
	view.previous[0] = '\0';
	assert_refused(switch_choose_target(&view, &request, chosen, &why), &why,
		       RESULT_NOT_FOUND,
		       "there is no earlier good release to roll back to");
}

/* Every state of the target, for both kinds, with and without --force. */
static void the_state_of_the_target_decides(void **state)
{
	static const char bad[] = "release r-bad is bad, `deployctl show hello@r-bad` "
				  "says why; --force activates it anyway";
	struct errinfo why = {0};

	(void)state;
	for (int force = 0; force < 2; force++) {
		assert_true(choose(JOB_KIND_ROLLBACK, "r-good", force, &why));
		assert_true(choose(JOB_KIND_ROLLBACK, "r-unknown", force, &why));
		assert_refused(choose(JOB_KIND_ROLLBACK, "r-bad", force, &why), &why,
			       RESULT_NOT_FOUND,
			       "release r-bad is bad: you can roll back only to a good "
			       "release");
		assert_refused(
			choose(JOB_KIND_ROLLBACK, "r-staged", force, &why), &why,
			RESULT_NOT_FOUND,
			"release r-staged is staged: you can roll back only to a "
			"good release; use activate");
		assert_true(choose(JOB_KIND_ACTIVATE, "r-good", force, &why));
		assert_true(choose(JOB_KIND_ACTIVATE, "r-unknown", force, &why));
		assert_true(choose(JOB_KIND_ACTIVATE, "r-staged", force, &why));
	}
	assert_refused(choose(JOB_KIND_ACTIVATE, "r-bad", false, &why), &why,
		       RESULT_NOT_FOUND, bad);
	assert_true(choose(JOB_KIND_ACTIVATE, "r-bad", true, &why));
}

static void what_is_current_or_unknown_is_no_target(void **state)
{
	struct errinfo why = {0};

	(void)state;
	for (size_t i = 1; i < 3; i++) {
		assert_refused(choose(switching[i], "r-live", true, &why), &why,
			       RESULT_USAGE,
			       "r-live is current already; `deployctl restart hello` "
			       "restarts it");
		assert_refused(choose(switching[i], "r-none", true, &why), &why,
			       RESULT_NOT_FOUND,
			       "no release r-none; `deployctl releases hello` "
			       "lists them");
	}
}

static void without_a_current_release_any_may_become_it(void **state)
{
	struct app_view view = view_of_hello();
	struct switch_request request = request_for(JOB_KIND_ACTIVATE, "r-live");
	char chosen[RELEASE_ID_SIZE];
	struct errinfo why = {0};

	(void)state;
	view.current[0] = '\0';
	assert_true(switch_choose_target(&view, &request, chosen, &why));
	assert_string_equal(chosen, "r-live");
}

/* --- the archive ---------------------------------------------------------------------
 */

static void an_archive_that_was_bad_is_refused(void **state)
{
	struct release_evidence evidence = {.reason = (char *)"it crashed"};
	struct release of[] = {
		{.id = "r-3", .state = RELEASE_STATE_GOOD, .sha256 = (char *)"aa"},
		{.id = "r-2", .state = RELEASE_STATE_BAD},
		{.id = "r-1", .state = RELEASE_STATE_BAD, .sha256 = (char *)"bb"},
	};
	struct app_view view = {.releases = of, .n_releases = 3};
	struct errinfo why = {0};

	(void)state;
	assert_true(switch_archive_is_welcome(NULL, &(struct content){.sha256 = "bb"},
					      &why));
	assert_true(switch_archive_is_welcome(&view, &(struct content){.sha256 = "aa"},
					      &why));
	assert_true(switch_archive_is_welcome(&view, &(struct content){.sha256 = "cc"},
					      &why));
	assert_refused(switch_archive_is_welcome(
			       &view, &(struct content){.sha256 = "bb"}, &why),
		       &why, RESULT_REJECTED,
		       "this archive was release r-1, which is bad (no word why); "
		       "--force deploys it anyway");
	of[2].evidence = &evidence;
	assert_refused(switch_archive_is_welcome(
			       &view, &(struct content){.sha256 = "bb"}, &why),
		       &why, RESULT_REJECTED,
		       "this archive was release r-1, which is bad (it crashed); "
		       "--force deploys it anyway");
	evidence.reason = NULL;
	assert_false(switch_archive_is_welcome(&view, &(struct content){.sha256 = "bb"},
					       &why));
	assert_non_null(strstr(why.what, "(no word why)"));
}

static void what_runs_is_not_given_up_without_a_way_back(void **state)
{
	struct app_view view = view_of_hello();
	struct errinfo why = {0};

	(void)state;
	assert_true(switch_has_way_back(&view, "hello.service", "/r", &why));
	assert_true(switch_has_way_back(NULL, "hello.service", "/r", &why));
	view.n_releases = 4; /* what is live is not there, r-good is */
	view.current_gone = true;
	assert_true(switch_has_way_back(&view, "hello.service", "/r", &why));
	view.n_releases = 3;
	view.current_gone = false; /* it is there, but its record is lost */
	assert_true(switch_has_way_back(&view, "hello.service", "/r", &why));
	view.current_gone = true;
	assert_refused(switch_has_way_back(&view, "hello.service", "/r", &why), &why,
		       RESULT_FAILED,
		       "hello.service runs, but its release r-live is gone, and no "
		       "other good one is left: if the new one fails, there is nothing "
		       "to go back to; put /r/r-live back, or use --force");
	view.failed = (char *)"it answers 500";
	assert_true(switch_has_way_back(&view, "hello.service", "/r", &why));
	view = (struct app_view){.releases = releases, .n_releases = 1};
	assert_true(switch_has_way_back(&view, "hello.service", "/r", &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_stands_in_the_way),
		cmocka_unit_test(if_current_must_hold),
		cmocka_unit_test(a_hold_forbids_every_switch),
		cmocka_unit_test(a_hold_says_what_is_known_of_it),
		cmocka_unit_test(only_a_rollback_answers_for_a_confirmation),
		cmocka_unit_test(a_rollback_without_a_name_goes_to_the_one_before),
		cmocka_unit_test(the_state_of_the_target_decides),
		cmocka_unit_test(what_is_current_or_unknown_is_no_target),
		cmocka_unit_test(without_a_current_release_any_may_become_it),
		cmocka_unit_test(an_archive_that_was_bad_is_refused),
		cmocka_unit_test(what_runs_is_not_given_up_without_a_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
