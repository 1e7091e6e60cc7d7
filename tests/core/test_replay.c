/* core/replay.c, and what core/switch_rules.c says of an archive that is live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/replay.h"
#include "core/switch_rules.h"

#define A  "aa"
#define B  "bb"
#define ID "20260131T120000Z-0001"

static const struct ended_job none = {.kind = JOB_KIND_COUNT, .release = ""};

static struct ended_job ended(enum job_kind kind, enum deploy_result result,
			      const char *sha256)
{
	return (struct ended_job){.kind = kind,
				  .result = result,
				  .content = {sha256, NULL},
				  .release = ID};
}

static struct replay_request request(const char *key, const char *sha256)
{
	return (struct replay_request){.kind = JOB_KIND_DEPLOY,
				       .app = "hello",
				       .key = key,
				       .content = {sha256, NULL}};
}

static enum replay_verdict decide(struct replay_request asked, struct ended_job keyed,
				  struct ended_job latest)
{
	struct errinfo why = {0};
	enum replay_verdict verdict = replay_decide(&asked, &keyed, &latest, &why);

	assert_true((verdict == REPLAY_VERDICT_REFUSED) == (*why.what != '\0'));
	return verdict;
}

static void a_key_gets_what_its_job_came_to(void **state)
{
	(void)state;
	for (unsigned int r = 0; r < RESULT_COUNT; r++) {
		enum deploy_result result = (enum deploy_result)r;
		bool kept = result == RESULT_OK || result == RESULT_ROLLED_BACK ||
			    result == RESULT_ROLLBACK_FAILED;
		struct ended_job keyed = ended(JOB_KIND_DEPLOY, result, A);

		assert_int_equal(decide(request("k", NULL), keyed, none),
				 kept ? REPLAY_VERDICT_REPEAT : REPLAY_VERDICT_NEW);
		/* Whatever has ended since. */
		assert_int_equal(decide(request("k", A), keyed,
					ended(JOB_KIND_STOP, RESULT_OK, NULL)),
				 kept ? REPLAY_VERDICT_REPEAT : REPLAY_VERDICT_NEW);
	}
	assert_int_equal(
		decide(request("k", A), none, ended(JOB_KIND_DEPLOY, RESULT_OK, A)),
		REPLAY_VERDICT_NEW);
}

static void a_crash_does_not_lose_the_key(void **state)
{
	(void)state;
	assert_int_equal(
		decide(request("k", A), ended(JOB_KIND_RECOVER, RESULT_OK, A), none),
		REPLAY_VERDICT_REPEAT);
	assert_int_equal(decide(request("k", A),
				ended(JOB_KIND_REVERT, RESULT_ROLLED_BACK, A), none),
			 REPLAY_VERDICT_REPEAT);
}

static void a_key_is_of_one_request(void **state)
{
	struct replay_request stage = request("k", NULL);

	(void)state;
	stage.kind = JOB_KIND_STAGE;
	assert_int_equal(
		decide(request("k", B), ended(JOB_KIND_DEPLOY, RESULT_OK, A), none),
		REPLAY_VERDICT_REFUSED);
	assert_int_equal(decide(stage, ended(JOB_KIND_DEPLOY, RESULT_OK, A), none),
			 REPLAY_VERDICT_REFUSED);
	assert_int_equal(decide(stage, ended(JOB_KIND_RECOVER, RESULT_OK, A), none),
			 REPLAY_VERDICT_REFUSED);
	/* What came to nothing is forgotten. */
	assert_int_equal(
		decide(request("k", B), ended(JOB_KIND_DEPLOY, RESULT_FAILED, A), none),
		REPLAY_VERDICT_NEW);
}

static void the_sha256_is_a_key_until_another_job_has_ended(void **state)
{
	struct ended_job other_layout = ended(JOB_KIND_DEPLOY, RESULT_OK, A);
	struct ended_job nothing = ended(JOB_KIND_DEPLOY, RESULT_OK, A);
	struct replay_request again = request(NULL, A), stage = request(NULL, A);

	(void)state;
	other_layout.content.layout = "strip_components=1";
	nothing.release = "";
	again.redeploy = true;
	stage.kind = JOB_KIND_STAGE;
	assert_int_equal(
		decide(request(NULL, A), none, ended(JOB_KIND_DEPLOY, RESULT_OK, A)),
		REPLAY_VERDICT_IF_LIVE);
	assert_int_equal(decide(stage, none, ended(JOB_KIND_STAGE, RESULT_OK, A)),
			 REPLAY_VERDICT_IF_THERE);
	assert_int_equal(decide(again, none, ended(JOB_KIND_DEPLOY, RESULT_OK, A)),
			 REPLAY_VERDICT_NEW);
	assert_int_equal(decide(request(NULL, A), none, none), REPLAY_VERDICT_NEW);
	assert_int_equal(decide(request(NULL, A), none, other_layout),
			 REPLAY_VERDICT_NEW);
	assert_int_equal(decide(request(NULL, A), none, nothing), REPLAY_VERDICT_NEW);
	assert_int_equal(decide(request(NULL, A), none,
				ended(JOB_KIND_RESTART, RESULT_OK, NULL)),
			 REPLAY_VERDICT_NEW);
	assert_int_equal(
		decide(request(NULL, A), none, ended(JOB_KIND_STAGE, RESULT_OK, A)),
		REPLAY_VERDICT_NEW);
	assert_int_equal(decide(request(NULL, NULL), none,
				ended(JOB_KIND_DEPLOY, RESULT_OK, NULL)),
			 REPLAY_VERDICT_NEW);
}

static void a_failure_is_no_answer_without_a_key(void **state)
{
	(void)state;
	for (unsigned int r = 0; r < RESULT_COUNT; r++)
		if (r != RESULT_OK)
			assert_int_equal(decide(request(NULL, A), none,
						ended(JOB_KIND_DEPLOY,
						      (enum deploy_result)r, A)),
					 REPLAY_VERDICT_NEW);
}

static void keys_are_words(void **state)
{
	char longest[REPLAY_KEY_BYTES_MAX + 2];

	(void)state;
	(void)memset(longest, 'x', sizeof(longest));
	longest[REPLAY_KEY_BYTES_MAX + 1] = '\0';
	assert_false(replay_key_is_valid(longest));
	longest[REPLAY_KEY_BYTES_MAX] = '\0';
	assert_true(replay_key_is_valid(longest));
	assert_true(replay_key_is_valid("pipeline-4711/deploy#2"));
	assert_false(replay_key_is_valid(""));
	assert_false(replay_key_is_valid("a b"));
	assert_false(replay_key_is_valid("a\n"));
	assert_false(replay_key_is_valid("a\x7f"));
	assert_false(replay_key_is_valid("\xc3\xa9"));
}

static void live_is_what_is_good_and_current_and_well(void **state)
{
	struct release releases[] = {{.id = ID, .state = RELEASE_STATE_GOOD}};
	struct app_confirm confirm = {.release = ID, .from = "x"};
	const struct content content = {A, NULL}, other = {B, NULL},
			     laid_out = {A, "strip_components=1"};
	struct app_view view = {.current = ID, .releases = releases, .n_releases = 1};
	char text[] = "x", sha256[] = A, layout[] = "strip_components=1";

	(void)state;
	releases[0].sha256 = sha256;
	assert_true(switch_is_live(&view, &content));
	assert_false(switch_is_live(&view, &other));
	assert_false(switch_is_live(&view, &laid_out));
	assert_false(switch_is_live(NULL, &content));
	view.failed = text;
	assert_false(switch_is_live(&view, &content));
	view.failed = NULL;
	view.degraded = text;
	assert_false(switch_is_live(&view, &content));
	view.degraded = NULL;
	view.confirm = &confirm;
	assert_false(switch_is_live(&view, &content));
	view.confirm = NULL;
	releases[0].layout = layout;
	assert_false(switch_is_live(&view, &content));
	assert_true(switch_is_live(&view, &laid_out));
	releases[0].layout = NULL;
	for (unsigned int s = 0; s < RELEASE_STATE_COUNT; s++) {
		releases[0].state = (enum release_state)s;
		assert_true(switch_is_live(&view, &content) ==
			    (s == RELEASE_STATE_GOOD));
	}
	view.current[0] = '\0';
	releases[0].state = RELEASE_STATE_GOOD;
	assert_false(switch_is_live(&view, &content));
}

static void a_bad_archive_unpacked_in_another_way_is_another(void **state)
{
	struct release releases[] = {{.id = ID, .state = RELEASE_STATE_BAD}};
	const struct content content = {A, NULL}, laid_out = {A, "strip_components=1"};
	struct app_view view = {.releases = releases, .n_releases = 1};
	struct errinfo why = {0};
	char sha256[] = A;

	(void)state;
	releases[0].sha256 = sha256;
	assert_false(switch_archive_is_welcome(&view, &content, &why));
	assert_int_equal(why.result, RESULT_REJECTED);
	assert_true(switch_archive_is_welcome(&view, &laid_out, &why));
}

static void assert_layout(uint64_t strip, char *const *dirs, char *const *files,
			  const char *wanted)
{
	char *layout = NULL;

	assert_true(content_layout(strip, dirs, files, &layout));
	if (wanted)
		assert_string_equal(layout, wanted);
	else
		assert_null(layout);
	free(layout);
}

static void a_layout_names_what_is_not_usual(void **state)
{
	char log[] = "log", tmp[] = "tmp/pids", key[] = "config/key";
	char *dirs[] = {log, tmp, NULL}, *files[] = {key, NULL}, *empty[] = {NULL};

	(void)state;
	assert_layout(0, NULL, NULL, NULL);
	assert_layout(0, empty, empty, NULL);
	assert_layout(2, empty, NULL, "strip_components=2");
	assert_layout(1, dirs, files,
		      "strip_components=1 linked_dirs=log linked_dirs=tmp/pids "
		      "linked_files=config/key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_gets_what_its_job_came_to),
		cmocka_unit_test(a_crash_does_not_lose_the_key),
		cmocka_unit_test(a_key_is_of_one_request),
		cmocka_unit_test(the_sha256_is_a_key_until_another_job_has_ended),
		cmocka_unit_test(a_failure_is_no_answer_without_a_key),
		cmocka_unit_test(keys_are_words),
		cmocka_unit_test(a_layout_names_what_is_not_usual),
		cmocka_unit_test(live_is_what_is_good_and_current_and_well),
		cmocka_unit_test(a_bad_archive_unpacked_in_another_way_is_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
