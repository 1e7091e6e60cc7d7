/* Results, rights, error records, messages: what is shown and scripted against. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/diag.h"
#include "deploy/errinfo.h"
#include "deploy/result.h"
#include "deploy/right.h"

/* People script against these numbers and names; a change must be seen here. */
static void results_are_never_renumbered(void **state)
{
	static const struct {
		enum deploy_result result;
		const char *name;
		int exit_status;
	} wanted[] = {
		{RESULT_OK, "ok", 0},
		{RESULT_FAILED, "failed", 1},
		{RESULT_USAGE, "usage", 2},
		{RESULT_DENIED, "denied", 4},
		{RESULT_NOT_FOUND, "not-found", 5},
		{RESULT_BAD_CONFIG, "bad-config", 6},
		{RESULT_NO_DAEMON, "no-daemon", 7},
		{RESULT_REJECTED, "rejected", 10},
		{RESULT_BUSY, "busy", 11},
		{RESULT_HOOK_FAILED, "hook-failed", 12},
		{RESULT_ROLLED_BACK, "rolled-back", 13},
		{RESULT_ROLLBACK_FAILED, "rollback-failed", 14},
		{RESULT_CANCELLED, "cancelled", 15},
		{RESULT_TIMED_OUT, "timed-out", 16},
		{RESULT_IF_CURRENT, "if-current-mismatch", 17},
		{RESULT_NO_SPACE, "no-space", 18},
		{RESULT_MACHINE, "machine", 1},
	};

	(void)state;
	assert_int_equal(sizeof(wanted) / sizeof(*wanted), RESULT_COUNT);
	for (size_t i = 0; i < RESULT_COUNT; i++) {
		assert_string_equal(result_name(wanted[i].result), wanted[i].name);
		assert_int_equal(result_exit_status(wanted[i].result),
				 wanted[i].exit_status);
		assert_int_equal(result_from_name(wanted[i].name), wanted[i].result);
	}
	assert_int_equal(result_from_name("OK"), RESULT_COUNT);
}

static void results_have_an_error_on_the_wire(void **state)
{
	(void)state;
	assert_null(result_error_name(RESULT_OK));
	for (int i = 1; i < RESULT_COUNT; i++) {
		const char *error = result_error_name((enum deploy_result)i);

		assert_int_equal(strncmp(error, "io.deployd.", 11), 0);
		assert_int_equal(result_from_error_name(error), i);
	}
	assert_int_equal(result_from_error_name("org.varlink.service.MethodNotFound"),
			 RESULT_USAGE);
	assert_int_equal(result_from_error_name("org.varlink.service.PermissionDenied"),
			 RESULT_DENIED);
	assert_int_equal(result_from_error_name("com.example.Other"), RESULT_FAILED);
}

static void rights(void **state)
{
	(void)state;
	for (int i = 0; i < RIGHT_COUNT; i++)
		assert_int_equal(right_from_name(right_name((enum right)i)), i);
	assert_int_equal(right_from_name("disable"), RIGHT_ENABLE);
	assert_int_equal(right_from_name("Deploy"), RIGHT_COUNT);
	assert_int_equal(right_from_name(""), RIGHT_COUNT);
	assert_true(right_is_used(RIGHT_DEPLOY));
	assert_false(right_is_used(RIGHT_EXEC));
}

static void failures_are_recorded_with_their_reason(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	assert_int_equal(errinfo_set(&ei, ENOENT, "cannot open '%s'", "x"), -ENOENT);
	assert_int_equal(ei.err, -ENOENT);
	assert_int_equal(ei.result, RESULT_FAILED);
	assert_string_equal(ei.what, "cannot open 'x': No such file or directory");
	assert_int_equal(errinfo_set(&ei, -ENOSPC, "full"), -ENOSPC);
	assert_int_equal(ei.err, -ENOSPC);
	assert_int_equal(ei.result, RESULT_NO_SPACE);
	assert_int_equal(errinfo_set(&ei, EDQUOT, "full"), -EDQUOT);
	assert_int_equal(ei.result, RESULT_NO_SPACE);
	assert_int_equal(errinfo_refuse(&ei, RESULT_REJECTED, "entry %d", 7), -EINVAL);
	assert_int_equal(ei.err, 0);
	assert_int_equal(ei.result, RESULT_REJECTED);
	assert_string_equal(ei.what, "entry 7");
}

static void a_long_reason_is_cut(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	for (int n = 480; n < 540; n++) {
		assert_int_equal(errinfo_set(&ei, EIO, "%0*d", n, 1), -EIO);
		assert_true(strlen(ei.what) < sizeof(ei.what));
	}
}

static void messages_name_file_and_line(void **state)
{
	struct diag diag = {0};

	(void)state;
	diag_warning(&diag, "a.conf", 3, "hm %d", 1);
	assert_false(diag.has_errors);
	diag_error(&diag, "a.conf", 0, "no");
	diag_error(&diag, "a.conf", 0, "no");
	diag_error(&diag, "b.conf", 0, "no");
	assert_true(diag.has_errors);
	assert_int_equal(diag.n_messages, 3);
	assert_string_equal(diag.messages[0], "a.conf:3: warning: hm 1");
	assert_string_equal(diag.messages[1], "a.conf: no");
	assert_string_equal(diag.messages[2], "b.conf: no");
	diag_deinit(&diag);
	assert_int_equal(diag.n_messages, 0);
}

static void messages_are_bounded(void **state)
{
	struct diag diag = {0};

	(void)state;
	for (unsigned int i = 1; i <= DIAG_MESSAGES_MAX; i++)
		diag_error(&diag, "f", i, "x");
	assert_string_equal(diag.messages[DIAG_MESSAGES_MAX - 1], "f:100: x");
	for (unsigned int i = 101; i <= 150; i++)
		diag_error(&diag, "f", i, "x");
	assert_int_equal(diag.n_messages, DIAG_MESSAGES_MAX);
	assert_string_equal(diag.messages[DIAG_MESSAGES_MAX - 2], "f:99: x");
	assert_string_equal(diag.messages[DIAG_MESSAGES_MAX - 1], "... and 51 more");
	diag_deinit(&diag);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_never_renumbered),
		cmocka_unit_test(results_have_an_error_on_the_wire),
		cmocka_unit_test(rights),
		cmocka_unit_test(failures_are_recorded_with_their_reason),
		cmocka_unit_test(a_long_reason_is_cut),
		cmocka_unit_test(messages_name_file_and_line),
		cmocka_unit_test(messages_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
