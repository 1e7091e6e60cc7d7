/* Who a uid is, with a name service that knows, does not, fails, dies and hangs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_users.h"
#include "server/user_login.h"
#include "server/users.h"

#define ANSWERS_MAX 200
#define NO_RANGES   "[]"
#define ALICE	    "[[100000, 65536, 1001, \"user1001\"]]"

struct world {
	uv_loop_t loop;
	struct users users;
	struct user_answer answers[ANSWERS_MAX];
	uint64_t ids[ANSWERS_MAX]; /* of the answers, in their order */
	size_t n;
	struct user_login login;
	enum deploy_result result;
	bool login_done;
	char dir[64];
};

/* As a tool does it: never half a file. */
static void put_text(const char *name, const char *text)
{
	FILE *file = fopen("new", "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename("new", name), 0);
}

static void put_ranges(const char *ranges)
{
	char text[400];

	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"result\",\"result\":\"ok\",\"ranges\":%s,"
		       "\"warnings\":[\"subuid:1: a warning\"]}\n",
		       ranges);
	put_text("subuid", text);
}

static int setup(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));

	(void)signal(SIGPIPE, SIG_IGN);
	(void)strcpy(world->dir, "/tmp/test_users.XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	assert_int_equal(chdir(world->dir), 0);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	size_t before = world->n;

	users_close(&world->users);
	users_close(&world->users);
	assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(world->n, before);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	(void)unlink("subuid");
	(void)unlink("passwd");
	(void)unlink("calls");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(world->dir), 0);
	test_free(world);
	return 0;
}

static void start(struct world *world)
{
	const struct users_options options = {
		.program = FAKE_USERS, .dir = world->dir, .uid = 65534, .gid = 65534};

	assert_int_equal(users_start(&world->users, &world->loop, &options), 0);
}

static void on_found(void *userdata, uint64_t id, const struct user_answer *answer)
{
	struct world *world = userdata;

	assert_true(world->n < ANSWERS_MAX);
	world->ids[world->n] = id;
	world->answers[world->n++] = *answer;
}

static void ask(struct world *world, uid_t uid)
{
	users_find(&world->users, uid, on_found, world, uid);
}

static void until(struct world *world, size_t n)
{
	while (world->n < n)
		assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
	assert_int_equal(world->n, n);
}

static const struct user_answer *find(struct world *world, uid_t uid)
{
	ask(world, uid);
	until(world, world->n + (world->n == 0 || world->ids[world->n - 1] != uid));
	assert_int_equal(world->answers[world->n - 1].uid, uid);
	return &world->answers[world->n - 1];
}

/* How often the helper was called for it. */
static unsigned int calls(const char *what)
{
	FILE *file = fopen("calls", "re");
	char line[100];
	unsigned int n = 0;

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		n += strcmp(line, what) == 0;
	}
	if (file)
		(void)fclose(file);
	return n;
}

/* Until the ranges were read once more, which somebody must have begun. */
static void until_read(struct world *world)
{
	uint64_t begin = uv_hrtime();

	while (world->users.ranges.changed || world->users.ranges.running) {
		assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
		assert_true(uv_hrtime() - begin < UINT64_C(60000000000));
	}
}

/* Until inotify has told of it. */
static void until_changed(struct world *world)
{
	while (!world->users.ranges.changed)
		assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
	until_read(world);
}

static void known_unknown_and_failed_are_told_apart(void **state)
{
	struct world *world = *state;
	const struct user_answer *answer;

	put_ranges(NO_RANGES);
	start(world);
	answer = find(world, 1001);
	assert_int_equal(answer->status, USER_KNOWN);
	assert_string_equal(answer->name, "user1001");
	assert_int_equal(answer->owner, 1001);
	answer = find(world, FAKE_UNKNOWN);
	assert_int_equal(answer->status, USER_UNKNOWN);
	assert_int_equal(answer->owner, FAKE_UNKNOWN);
	answer = find(world, FAKE_FAILS);
	assert_int_equal(answer->status, USER_FAILED);
	assert_string_equal(answer->why, "LDAP is down");
	answer = find(world, FAKE_DIES);
	assert_int_equal(answer->status, USER_FAILED);
	assert_non_null(strstr(answer->why, "signal 9"));
	answer = find(world, FAKE_GARBAGE);
	assert_int_equal(answer->status, USER_FAILED);
}

static void failures_are_not_kept(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	assert_int_equal(find(world, FAKE_FAILS)->status, USER_FAILED);
	ask(world, FAKE_FAILS);
	until(world, 2);
	assert_int_equal(calls("of=1990"), 2);
}

static void who_cannot_be_looked_up_has_a_peer_without_rights(void **state)
{
	struct world *world = *state;
	struct peer peer = {0};

	put_ranges(NO_RANGES);
	start(world);
	peer_set_user(&peer, find(world, FAKE_FAILS));
	assert_int_equal(peer.kind, POLICY_PEER_UNNAMED);
	assert_string_equal(peer.trouble, "LDAP is down");
	assert_string_equal(peer.user, "uid:1990");
}

static void what_was_said_is_kept_until_a_reload(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	(void)find(world, 1001);
	ask(world, 1001);
	until(world, 2);
	assert_int_equal(calls("of=1001"), 1);
	users_flush(&world->users, 65534, 65534);
	ask(world, 1001);
	until(world, 3);
	assert_int_equal(calls("of=1001"), 2);
}

static void many_who_ask_for_one_uid_are_one_look_up(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	for (unsigned int i = 0; i < 20; i++)
		ask(world, 1001);
	until(world, 20);
	assert_int_equal(calls("of=1001"), 1);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(world->answers[i].status, USER_KNOWN);
}

static void a_subordinate_uid_needs_no_look_up(void **state)
{
	struct world *world = *state;
	const struct user_answer *answer;
	struct peer peer = {0};

	put_ranges(ALICE);
	start(world);
	answer = find(world, 165535);
	assert_int_equal(answer->status, USER_SUBORDINATE);
	assert_int_equal(answer->owner, 1001);
	peer_set_user(&peer, answer);
	assert_string_equal(peer.user, "uid:165535 (subordinate to user1001)");
	assert_int_equal(peer.kind, POLICY_PEER_SUBORDINATE);
	assert_int_equal(users_owner(&world->users, 100000), 1001);
	assert_int_equal(users_owner(&world->users, 165536), 165536);
	assert_int_equal(calls("of=165535"), 0);
	assert_int_equal(calls("ranges"), 1);
}

static void an_owner_that_cannot_be_looked_up_is_nobody_else(void **state)
{
	struct world *world = *state;
	const struct user_answer *answer;

	put_ranges("[[100000, 65536, 4294967295, \"ldap-user\"]]");
	start(world);
	answer = find(world, 100001);
	assert_int_equal(answer->status, USER_SUBORDINATE);
	assert_int_equal(answer->owner, (uid_t)-1);
	assert_string_equal(answer->owner_name, "ldap-user");
}

static void a_user_in_roots_range_or_its_own_is_that_user(void **state)
{
	struct world *world = *state;
	const struct user_answer *answer;

	put_ranges("[[1001, 1, 0, \"root\"], [1002, 1, 1002, \"user1002\"], "
		   "[2000, 100, 0, \"root\"]]");
	start(world);
	assert_int_equal(find(world, 1001)->status, USER_KNOWN);
	assert_int_equal(find(world, 1002)->status, USER_KNOWN);
	for (unsigned int i = 0; i < 2; i++) {
		ask(world, 2001);
		until(world, 3 + i);
		answer = &world->answers[2 + i];
		assert_int_equal(answer->status, USER_SUBORDINATE);
		assert_int_equal(answer->owner, 0);
	}
	assert_int_equal(calls("of=2001"), 1);
}

static void root_waits_for_nothing(void **state)
{
	struct world *world = *state;

	put_text("subuid", "hang");
	start(world);
	ask(world, 0);
	assert_int_equal(world->n, 1);
	assert_int_equal(world->answers[0].status, USER_KNOWN);
	assert_string_equal(world->answers[0].name, "root");
}

static void one_that_hangs_ends_and_holds_up_nobody(void **state)
{
	struct world *world = *state;
	uint64_t begin = uv_hrtime();

	put_ranges(NO_RANGES);
	start(world);
	ask(world, FAKE_HANGS);
	ask(world, 1001);
	until(world, 2);
	assert_int_equal(world->ids[0], 1001);
	assert_int_equal(world->answers[0].status, USER_KNOWN);
	assert_int_equal(world->answers[1].status, USER_FAILED);
	assert_non_null(strstr(world->answers[1].why, "took longer than 5 s"));
	assert_true(uv_hrtime() - begin > UINT64_C(4000000000));
}

static void too_many_are_told_at_once(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	for (unsigned int i = 0; i < USERS_LOOKUPS_MAX; i++)
		ask(world, FAKE_HANGS + i);
	assert_int_equal(world->n, 0);
	ask(world, FAKE_HANGS + USERS_LOOKUPS_MAX);
	assert_int_equal(world->n, 1);
	assert_int_equal(world->answers[0].status, USER_FAILED);
	until_read(world);
	assert_int_equal(world->users.n_running, USERS_RUNNING_MAX);
	/* Closed in the middle: teardown sees that nobody is answered. */
}

static void a_change_of_the_ranges_is_seen(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	assert_int_equal(find(world, 2001)->status, USER_UNKNOWN);
	put_ranges("[[2000, 100, 1001, \"user1001\"]]");
	until_changed(world);
	ask(world, 2001);
	until(world, 2);
	assert_int_equal(world->answers[1].status, USER_SUBORDINATE);
	put_ranges(NO_RANGES);
	until_changed(world);
	ask(world, 2001);
	until(world, 3);
	assert_int_equal(world->answers[2].status, USER_UNKNOWN);
	assert_int_equal(calls("of=2001"), 1);
}

static void a_change_of_passwd_is_asked_about(void **state)
{
	struct world *world = *state;

	put_ranges(NO_RANGES);
	start(world);
	(void)find(world, 1001);
	put_text("passwd", "\n");
	until_changed(world);
	ask(world, 1001);
	until(world, 2);
	assert_int_equal(calls("of=1001"), 2);
}

static void ranges_that_cannot_be_read_deny_nobody(void **state)
{
	struct world *world = *state;
	const struct user_answer *answer;

	start(world);
	assert_int_equal(find(world, 1001)->status, USER_KNOWN);
	answer = find(world, 2001);
	assert_int_equal(answer->status, USER_FAILED);
	assert_int_equal(answer->owner, (uid_t)-1);
	assert_non_null(strstr(answer->why, "/subuid: no ranges today"));
	put_ranges(NO_RANGES);
	until_changed(world);
	ask(world, 2001);
	until(world, 3);
	assert_int_equal(world->answers[2].status, USER_UNKNOWN);
}

static void ranges_stay_when_they_cannot_be_read_again(void **state)
{
	struct world *world = *state;

	put_ranges(ALICE);
	start(world);
	assert_int_equal(find(world, 100000)->status, USER_SUBORDINATE);
	put_text("subuid", "hang");
	while (!world->users.ranges.running)
		assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
	/* They wait until it is clear that nothing better comes. */
	ask(world, 100001);
	ask(world, 1001);
	assert_int_equal(world->n, 1);
	until(world, 3);
	assert_int_equal(world->answers[1].status, USER_SUBORDINATE);
	assert_int_equal(world->answers[2].status, USER_KNOWN);
	/* And then nobody waits again and again. */
	ask(world, 100002);
	assert_int_equal(world->n, 4);
}

/* A name of 64 bytes: one too many. */
#define LONG_NAME                                                                      \
	"[[5, 5, 1001, \"01234567890123456789012345678901234567890123456789"           \
	"01234567890123\"]]"

static void ranges_that_are_nonsense_are_no_ranges(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[[1]]",
		"[[-1, 5, 1001, \"a\"]]",
		"[[4294967295, 1, 1001, \"a\"]]",
		"[[5, 0, 1001, \"a\"]]",
		"[[4294967290, 6, 1001, \"a\"]]",
		"[[5, 5, 4294967296, \"a\"]]",
		LONG_NAME,
		"[[5, 5, 1001, \"a\", 1]]",
	};
	struct world *world = *state;

	put_ranges(ALICE);
	start(world);
	until_read(world);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put_ranges(bad[i]);
		world->users.ranges.why[0] = '\0';
		while (!world->users.ranges.why[0])
			assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
		assert_int_equal(world->users.ranges.n_ranges, 1);
	}
}

static void on_login(struct user_login *login, enum deploy_result result)
{
	struct world *world = login->userdata;

	world->result = result;
	world->login_done = true;
}

static enum deploy_result login(struct world *world, const char *user)
{
	peer_deinit(&world->login.peer);
	world->login = (struct user_login){.done = on_login, .userdata = world};
	world->login_done = false;
	user_login_start(&world->login, &world->users, user);
	while (!world->login_done)
		assert_true(uv_run(&world->loop, UV_RUN_ONCE) != 0);
	return world->result;
}

static void a_login_has_its_groups(void **state)
{
	struct world *world = *state;

	put_ranges(ALICE);
	start(world);
	assert_int_equal(login(world, "alice"), RESULT_OK);
	assert_int_equal(world->login.peer.uid, 1001);
	assert_int_equal(world->login.peer.kind, POLICY_PEER_NAMED);
	assert_int_equal(world->login.peer.n_gids, 2);
	assert_int_equal(world->login.peer.gids[1], 1001);
	assert_int_equal(login(world, "nobody-knows"), RESULT_NOT_FOUND);
	assert_int_equal(login(world, "uid:1007"), RESULT_OK);
	assert_int_equal(world->login.peer.uid, 1007);
	assert_int_equal(world->login.peer.n_gids, 2);
	assert_int_equal(login(world, "uid:100007"), RESULT_OK);
	assert_int_equal(world->login.peer.kind, POLICY_PEER_SUBORDINATE);
	assert_int_equal(world->login.peer.n_gids, 0);
	assert_int_equal(login(world, "uid:2000"), RESULT_OK);
	assert_int_equal(world->login.peer.kind, POLICY_PEER_UNNAMED);
	assert_int_equal(login(world, "uid:1990"), RESULT_FAILED);
	assert_string_equal(world->login.error.what, "LDAP is down");
	peer_deinit(&world->login.peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(known_unknown_and_failed_are_told_apart),
		TEST(failures_are_not_kept),
		TEST(who_cannot_be_looked_up_has_a_peer_without_rights),
		TEST(what_was_said_is_kept_until_a_reload),
		TEST(many_who_ask_for_one_uid_are_one_look_up),
		TEST(a_subordinate_uid_needs_no_look_up),
		TEST(an_owner_that_cannot_be_looked_up_is_nobody_else),
		TEST(a_user_in_roots_range_or_its_own_is_that_user),
		TEST(root_waits_for_nothing),
		TEST(one_that_hangs_ends_and_holds_up_nobody),
		TEST(too_many_are_told_at_once),
		TEST(a_change_of_the_ranges_is_seen),
		TEST(a_change_of_passwd_is_asked_about),
		TEST(ranges_that_cannot_be_read_deny_nobody),
		TEST(ranges_stay_when_they_cannot_be_read_again),
		TEST(ranges_that_are_nonsense_are_no_ranges),
		TEST(a_login_has_its_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
