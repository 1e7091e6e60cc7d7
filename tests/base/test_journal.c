/* The fields of an entry, taken where they would go to journald. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/journal.h"

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
		.kind = "deploy",
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

/* --- on a loop ------------------------------------------------------------------- */

struct world {
	char directory[64], path[96];
	int journald;
	uv_loop_t loop;
	char entry[65536];
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)strcpy(world->directory, "/tmp/deployd-test-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	(void)snprintf(world->path, sizeof(world->path), "%s/socket", world->directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	world->journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
		bind(world->journald, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(journal_init(&world->loop, world->path), 0);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	journal_close();
	journal_close();
	assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	journal_deinit();
	(void)close(world->journald);
	(void)unlink(world->path);
	(void)rmdir(world->directory);
	free(world);
	return 0;
}

/* The next entry; NULL: there is none, nor does one wait. */
static const char *next_entry(struct world *world)
{
	for (int tries = 0; tries < 2; tries++) {
		ssize_t n = recv(world->journald, world->entry,
				 sizeof(world->entry) - 1, MSG_DONTWAIT);

		if (n >= 0) {
			world->entry[n] = '\0';
			return world->entry;
		}
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	return NULL;
}

static void has(const char *entry, const char *line)
{
	assert_non_null(entry);
	if (!strstr(entry, line))
		fail_msg("no '%s' in: %s", line, entry);
}

static void an_entry_goes_to_the_socket(void **state)
{
	struct world *world = *state;
	const char *entry;

	journal_log(LOG_ERR, "one %d", 1);
	entry = next_entry(world);
	has(entry, "MESSAGE=one 1\n");
	has(entry, "PRIORITY=3\n");
	has(entry, "SYSLOG_IDENTIFIER=test_journal\n");
	assert_null(next_entry(world));
}

static const struct journal_context mallory = {
	.app = "hello", .uid = 1000, .user = "mallory", .pid = 5};

static void a_flood_is_merged(void **state)
{
	struct world *world = *state;
	const char *entry;

	for (unsigned int i = 0; i < LOG_BUDGET_LINES_MAX + 4431; i++)
		journal_client(LOG_KIND_DENIED, JOURNAL_DECISION_DENIED, LOG_NOTICE,
			       &mallory, "denied");
	journal_client(LOG_KIND_CLOSED, JOURNAL_EVENT_COUNT, LOG_INFO, &mallory,
		       "closed");
	for (unsigned int i = 0; i < LOG_BUDGET_LINES_MAX; i++)
		has(next_entry(world), "MESSAGE=denied\n");
	assert_null(next_entry(world));
	journal_close();
	entry = next_entry(world);
	has(entry, "MESSAGE=denied 4,431 more requests of mallory in the last 10 s\n");
	has(entry, "DEPLOY_COUNT=4431\n");
	has(entry, "DEPLOY_UID=1000\n");
	has(entry, "MESSAGE_ID=ad78bb0711e24209a10b8b20042d7501\n");
	has(next_entry(world), "MESSAGE=closed 1 more connection of mallory in the ");
	assert_null(next_entry(world));
}

/* Subordinate uids have no budget of their own. */
static void the_owner_pays(void **state)
{
	struct world *world = *state;
	struct journal_context context = {
		.user = "uid:7", .pid = 5, .owner = 1000, .owner_name = "mallory"};
	const char *entry;

	for (unsigned int i = 0; i < LOG_BUDGET_LINES_MAX + 7; i++) {
		context.uid = 100000 + i;
		journal_client(LOG_KIND_TURNED_AWAY, JOURNAL_LIMIT_REACHED, LOG_NOTICE,
			       &context, "turned away");
	}
	while (next_entry(world))
		;
	journal_close();
	entry = next_entry(world);
	has(entry, "MESSAGE=turned away 7 more connections of mallory in the last ");
	has(entry, "DEPLOY_UID=1000\n");
}

static void the_count_comes_in_time(void **state)
{
	struct world *world = *state;
	const char *entry;

	for (unsigned int i = 0; i <= LOG_BUDGET_LINES_MAX; i++)
		journal_client(LOG_KIND_DENIED, JOURNAL_DECISION_DENIED, LOG_NOTICE,
			       &mallory, "denied");
	while (next_entry(world))
		;
	/* Runs until the timer's turn, which is the only one. */
	(void)uv_run(&world->loop, UV_RUN_ONCE);
	entry = next_entry(world);
	has(entry, "MESSAGE=denied 1 more request of mallory in the last 10 s\n");
	/* Then nothing ticks any more. */
	assert_int_equal(uv_run(&world->loop, UV_RUN_NOWAIT), 0);
}

static void reads_are_few(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 100; i++)
		journal_read(&mallory, "status hello for mallory");
	has(next_entry(world), "MESSAGE=status hello for mallory\n");
	assert_null(next_entry(world));
}

static void never(void *userdata, bool taken)
{
	(void)userdata;
	(void)taken;
	fail_msg("told of what was taken at once");
}

static void a_decision_is_taken(void **state)
{
	struct world *world = *state;

	assert_int_equal(journal_decision(&mallory, never, world, "may"),
			 JOURNAL_SENT_TAKEN);
	has(next_entry(world), "MESSAGE_ID=153443e255d742dab1375e871a29c129\n");
}

/* journald reads again: the count of what was lost is the last entry. */
static void lost_entries_are_counted(void **state)
{
	struct world *world = *state;
	char last[4096] = "";
	unsigned int n = 0;

	while (journal_decision(&mallory, NULL, world, "may") != JOURNAL_SENT_LOST)
		;
	journal_log(LOG_INFO, "lost, too");
	while (!strstr(last, "lost because")) {
		const char *entry;

		while ((entry = next_entry(world))) {
			(void)snprintf(last, sizeof(last), "%s", entry);
			n++;
		}
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_true(n > JOURNAL_SOCKET_WAITING_MAX);
	has(last, "MESSAGE=2 journal entries from deployd were lost because");
	has(last, "DEPLOY_COUNT=2\n");
	has(last, "MESSAGE_ID=63351029ce6a4c9a8007ecf07741d4b6\n");
}

#define ON_LOOP(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_has_its_fields),
		cmocka_unit_test(what_does_not_apply_is_left_out),
		cmocka_unit_test(client_text_forges_nothing),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(every_event_has_an_id_of_its_own),
		ON_LOOP(an_entry_goes_to_the_socket),
		ON_LOOP(a_flood_is_merged),
		ON_LOOP(the_owner_pays),
		ON_LOOP(the_count_comes_in_time),
		ON_LOOP(reads_are_few),
		ON_LOOP(a_decision_is_taken),
		ON_LOOP(lost_entries_are_counted),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
