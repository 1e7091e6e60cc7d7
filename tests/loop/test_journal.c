/* The fields of an entry, taken where they would go to journald. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "loop/journal.h"

#define FIELDS_MAX 32

static char fields[FIELDS_MAX][16384];
static int n_fields;

/* Stands in for the one in libsystemd. */
int sd_journal_sendv(const struct iovec *iov, int n)
{
	n_fields = 0;
	assert_true(n <= FIELDS_MAX);
	for (int i = 0; i < n; i++) {
		assert_true(iov[i].iov_len < sizeof(*fields));
		memcpy(fields[i], iov[i].iov_base, iov[i].iov_len);
		fields[i][iov[i].iov_len] = '\0';
		n_fields++;
	}
	return 0;
}

/* "" when the entry has no such field. */
static const char *field(const char *name)
{
	size_t length = strlen(name);

	for (int i = 0; i < n_fields; i++)
		if (strncmp(fields[i], name, length) == 0 && fields[i][length] == '=')
			return fields[i] + length + 1;
	return "";
}

static void entry_has_its_fields(void **state)
{
	const struct journal_context context = {
		.app = "hello",
		.unit = "hello.service",
		.release = "20261123T101500Z-0001",
		.job = "0123456789abcdef",
		.operation = "deploy",
		.result = "ok",
		.rule = "/etc/deployd/policy.d/a.conf:3",
		.uid = 1000,
		.user = "deploy",
		.pid = 77};

	(void)state;
	journal_event(JOURNAL_SWITCHED, LOG_NOTICE, &context, "%s is %s", "current",
		      "new");
	assert_string_equal(field("MESSAGE"), "current is new");
	assert_string_equal(field("MESSAGE_ID"), "3f1485ca64594ae2a56430977fe7d65b");
	assert_string_equal(field("PRIORITY"), "5");
	assert_string_equal(field("DEPLOY_APP"), "hello");
	assert_string_equal(field("OBJECT_SYSTEMD_UNIT"), "hello.service");
	assert_string_equal(field("DEPLOY_RELEASE"), "20261123T101500Z-0001");
	assert_string_equal(field("DEPLOY_JOB"), "0123456789abcdef");
	assert_string_equal(field("DEPLOY_OPERATION"), "deploy");
	assert_string_equal(field("DEPLOY_RESULT"), "ok");
	assert_string_equal(field("DEPLOY_RULE"), "/etc/deployd/policy.d/a.conf:3");
	assert_string_equal(field("DEPLOY_UID"), "1000");
	assert_string_equal(field("DEPLOY_USER"), "deploy");
	assert_string_equal(field("DEPLOY_PID"), "77");
	assert_int_equal(n_fields, 13);
}

static void what_does_not_apply_is_left_out(void **state)
{
	const struct journal_context context = {.app = "hello", .uid = -1, .pid = -1};

	(void)state;
	journal_event(JOURNAL_RECOVERED, LOG_NOTICE, &context, "text");
	assert_int_equal(n_fields, 4); /* MESSAGE_ID DEPLOY_APP PRIORITY MESSAGE */
	journal_log(LOG_ERR, "text");
	assert_int_equal(n_fields, 2);
	assert_string_equal(field("PRIORITY"), "3");
}

/* A newline in a value would be a field of the sender's own choice. */
static void client_text_forges_nothing(void **state)
{
	const struct journal_context context = {
		.app = "a\nDEPLOY_UID=0", .user = "\033[2Jx\\", .uid = -1, .pid = -1};

	(void)state;
	journal_event(JOURNAL_DECISION_DENIED, LOG_WARNING, &context,
		      "a\rb\033[2J\nc%%s");
	assert_string_equal(field("DEPLOY_APP"), "a\\x0aDEPLOY_UID=0");
	assert_string_equal(field("DEPLOY_USER"), "\\x1b[2Jx\\x5c");
	assert_string_equal(field("DEPLOY_UID"), "");
	assert_string_equal(field("MESSAGE"), "a?b?[2J c%s");
}

static void long_text_is_cut(void **state)
{
	static char text[20000];
	const struct journal_context context = {.app = text, .uid = -1, .pid = -1};

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	journal_event(JOURNAL_STARTED, LOG_INFO, &context, "%s", text);
	assert_in_range(strlen(field("MESSAGE")), 1000, 8192);
	assert_in_range(strlen(field("DEPLOY_APP")), 100, 512);
}

static void every_event_has_an_id_of_its_own(void **state)
{
	char ids[JOURNAL_EVENT_COUNT][64];

	(void)state;
	for (int i = 0; i < JOURNAL_EVENT_COUNT; i++) {
		journal_event((enum journal_event)i, LOG_INFO, NULL, "text");
		(void)snprintf(ids[i], sizeof(ids[i]), "%s", field("MESSAGE_ID"));
		assert_int_equal(strlen(ids[i]), 32);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_has_its_fields),
		cmocka_unit_test(what_does_not_apply_is_left_out),
		cmocka_unit_test(client_text_forges_nothing),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(every_event_has_an_id_of_its_own),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
