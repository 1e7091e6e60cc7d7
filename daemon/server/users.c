#include "server/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/journal.h"

struct waiter {
	user_found_fn done;
	void *userdata;
	uint64_t id;
};

/* One uid that somebody waits for. */
struct user_lookup {
	struct users *users;
	struct user_lookup *next;
	uid_t uid;
	struct waiter *waiters;
	size_t n_waiters;
	bool running;  /* else: for the ranges, or for its turn */
	bool outdated; /* flushed meanwhile: to be told, not to be kept */
	struct child child;
};

static void advance(struct users *users);

/* --- what is known ------------------------------------------------------------ */

static void remember(struct users *users, const struct user_answer *answer)
{
	size_t at = 0;

	while (at < users->n_cached && users->cache[at].answer.uid != answer->uid)
		at++;
	if (at == users->n_cached && at < USERS_CACHE_MAX) {
		users->n_cached++;
	} else if (at == users->n_cached) {
		at = users->next;
		users->next = (users->next + 1) % USERS_CACHE_MAX;
	}
	users->cache[at].at = uv_now(users->loop);
	users->cache[at].answer = *answer;
}

static const struct user_answer *recall(const struct users *users, uid_t uid)
{
	for (size_t i = 0; i < users->n_cached; i++)
		if (users->cache[i].answer.uid == uid &&
		    uv_now(users->loop) - users->cache[i].at <= USERS_FRESH_MSEC)
			return &users->cache[i].answer;
	return NULL;
}

static void forget(struct users *users)
{
	users->n_cached = 0;
	users->next = 0;
	for (struct user_lookup *l = users->lookups; l; l = l->next)
		l->outdated = true;
}

/*
 * True when the range alone says who that is. A range of root's may contain users of
 * this machine (for a container that shares them), and a user's own uid may be in a
 * range.
 */
static bool is_lent(const struct user_range *range, uid_t uid)
{
	return range && range->owner != uid && range->owner != 0;
}

static void lend(struct user_answer *answer, const struct user_range *range)
{
	answer->status = USER_SUBORDINATE;
	answer->owner = range->owner;
	(void)strcpy(answer->owner_name, range->owner_name);
}

/* True when it is known who uid is, without a look-up. */
static bool answer_now(struct users *users, uid_t uid, struct user_answer *answer)
{
	const struct user_range *range = user_ranges_find(&users->ranges, uid);
	const struct user_answer *known;

	*answer = (struct user_answer){.uid = uid, .owner = uid};
	if (is_lent(range, uid)) {
		lend(answer, range);
		return true;
	}
	known = recall(users, uid);
	if (!known)
		return false;
	*answer = *known;
	/* The ranges may have changed since the answer was stored. */
	if (known->status == USER_UNKNOWN && range)
		lend(answer, range);
	return true;
}

uid_t users_owner(const struct users *users, uid_t uid)
{
	const struct user_range *range = user_ranges_find(&users->ranges, uid);

	return is_lent(range, uid) ? range->owner : uid;
}

/* --- look-ups ----------------------------------------------------------------- */

/* Takes the look-up off the list, tells everyone who waits for it, and frees it. */
static void finish(struct user_lookup *lookup, const struct user_answer *answer)
{
	struct users *users = lookup->users;
	struct user_lookup **slot = &users->lookups;

	while (*slot != lookup)
		slot = &(*slot)->next;
	*slot = lookup->next;
	users->n_lookups--;
	for (size_t i = 0; answer && i < lookup->n_waiters; i++)
		lookup->waiters[i].done(lookup->waiters[i].userdata,
					lookup->waiters[i].id, answer);
	free(lookup->waiters);
	free(lookup);
}

/* Before the ranges are known, nobody knows whose limits such a uid counts against. */
static void fail(const struct users *users, struct user_answer *answer, const char *why)
{
	answer->status = USER_FAILED;
	answer->owner = users->ranges.known ? answer->uid : (uid_t)-1;
	(void)snprintf(answer->why, sizeof(answer->why), "%s", why);
}

/* The helper's answer about the uid. */
static void understand(struct user_lookup *lookup, const json_t *reply,
		       struct user_answer *answer)
{
	struct users *users = lookup->users;
	const json_t *known = json_object_get(reply, "known");
	const char *name = json_string_value(json_object_get(reply, "name"));
	const struct user_range *range = user_ranges_find(&users->ranges, lookup->uid);
	char why[USERS_WHY_SIZE];

	if (json_is_true(known) && name && strlen(name) < sizeof(answer->name)) {
		answer->status = USER_KNOWN;
		(void)strcpy(answer->name, name);
	} else if (!json_is_false(known)) {
		fail(users, answer,
		     "deployd-users sent a reply that deployd does not understand");
		return;
	} else if (!users->ranges.known) {
		(void)snprintf(why, sizeof(why), "%s/" USER_RANGES_FILE ": %s",
			       users->options.dir, users->ranges.why);
		fail(users, answer, why);
		return;
	} else {
		answer->status = USER_UNKNOWN;
	}
	if (!lookup->outdated)
		remember(users, answer);
	if (answer->status == USER_UNKNOWN && range)
		lend(answer, range);
}

static void on_done(struct child *child)
{
	struct user_lookup *lookup = child->userdata;
	struct users *users = lookup->users;
	struct user_answer answer = {.uid = lookup->uid, .owner = lookup->uid};
	const json_t *reply = NULL;
	struct errinfo ei = {0};

	users->n_running--;
	if (users->closing) {
		child_deinit(child);
		finish(lookup, NULL);
		return;
	}
	if (child_outcome(child, &reply, &ei) == RESULT_OK)
		understand(lookup, reply, &answer);
	else
		fail(users, &answer, ei.what);
	child_deinit(child);
	if (answer.status == USER_FAILED)
		journal_log(LOG_WARNING, "cannot look up the user of uid %u: %s",
			    (unsigned int)answer.uid, answer.why);
	finish(lookup, &answer);
	advance(users);
}

static int ask(struct user_lookup *lookup)
{
	struct users *users = lookup->users;
	char uid[32], gid[32], of[32];
	const char *argv[] = {users->options.program, uid, gid, of, NULL};
	struct child_options options = {
		.argv = argv, .fd0 = -1, .fd1 = -1, .timeout_ms = USERS_TIMEOUT_MSEC};
	int r;

	(void)snprintf(uid, sizeof(uid), "--uid=%u", (unsigned int)users->options.uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u", (unsigned int)users->options.gid);
	(void)snprintf(of, sizeof(of), "--of=%u", (unsigned int)lookup->uid);
	lookup->child.userdata = lookup;
	lookup->child.on_done = on_done;
	r = child_start(&lookup->child, users->loop, &options);
	if (r < 0)
		return r;
	lookup->running = true;
	users->n_running++;
	return 0;
}

static struct user_lookup *next_waiting(const struct users *users)
{
	struct user_lookup *lookup = users->lookups;

	while (lookup && lookup->running)
		lookup = lookup->next;
	return lookup;
}

/* Continues every look-up that can continue. */
static void advance(struct users *users)
{
	struct user_lookup *lookup;

	if (!user_ranges_ready(&users->ranges))
		return;
	while ((lookup = next_waiting(users))) {
		struct user_answer answer;
		int r = 0;

		if (!answer_now(users, lookup->uid, &answer)) {
			if (users->n_running >= USERS_RUNNING_MAX)
				return;
			r = ask(lookup);
			if (r == 0)
				continue;
			fail(users, &answer, strerror(-r));
		}
		finish(lookup, &answer);
	}
}

static void on_ranges_settled(void *userdata)
{
	advance(userdata);
}

static bool add_waiter(struct user_lookup *lookup, const struct waiter *waiter)
{
	struct waiter *grown =
		realloc(lookup->waiters, (lookup->n_waiters + 1) * sizeof(*grown));

	if (!grown)
		return false;
	lookup->waiters = grown;
	grown[lookup->n_waiters++] = *waiter;
	return true;
}

/* The look-up of uid, which may already be under way; NULL when there are too many.
 */
static struct user_lookup *find_lookup(struct users *users, uid_t uid)
{
	struct user_lookup **slot = &users->lookups;

	for (; *slot; slot = &(*slot)->next)
		if ((*slot)->uid == uid && !(*slot)->outdated)
			return *slot;
	if (users->n_lookups >= USERS_LOOKUPS_MAX)
		return NULL;
	*slot = calloc(1, sizeof(**slot));
	if (!*slot)
		return NULL;
	(*slot)->users = users;
	(*slot)->uid = uid;
	users->n_lookups++;
	return *slot;
}

void users_find(struct users *users, uid_t uid, user_found_fn done, void *userdata,
		uint64_t id)
{
	const struct waiter waiter = {done, userdata, id};
	struct user_answer answer = {.uid = uid, .owner = uid};
	struct user_lookup *lookup;

	/* root never waits. */
	if (uid == 0) {
		answer.status = USER_KNOWN;
		(void)strcpy(answer.name, "root");
		done(userdata, id, &answer);
		return;
	}
	if (user_ranges_ready(&users->ranges) && answer_now(users, uid, &answer)) {
		done(userdata, id, &answer);
		return;
	}
	lookup = find_lookup(users, uid);
	if (!lookup || !add_waiter(lookup, &waiter)) {
		fail(users, &answer, "too many users are being looked up");
		done(userdata, id, &answer);
		return;
	}
	advance(users);
}

/* --- start, change, end ------------------------------------------------------- */

static void on_change(uv_fs_event_t *watch, const char *filename, int events,
		      int status)
{
	struct users *users = watch->data;
	bool unknown = status < 0 || !filename;

	(void)events;
	if (users->closing)
		return;
	if (unknown || strcmp(filename, "passwd") == 0 ||
	    strcmp(filename, "nsswitch.conf") == 0)
		forget(users);
	else if (strcmp(filename, USER_RANGES_FILE) != 0)
		return;
	/* The name that owns a range may now have another uid. */
	user_ranges_change(&users->ranges);
}

int users_start(struct users *users, uv_loop_t *loop,
		const struct users_options *options)
{
	int r;

	*users = (struct users){.loop = loop, .options = *options};
	user_ranges_init(&users->ranges, loop, &users->options, on_ranges_settled,
			 users);
	r = uv_fs_event_init(loop, &users->watch);
	if (r < 0)
		return r;
	users->watch.data = users;
	/* Without it (no inotify instance is left) a change is noticed once all is old.
	 */
	r = uv_fs_event_start(&users->watch, on_change, users->options.dir, 0);
	if (r < 0)
		journal_log(LOG_WARNING,
			    "cannot watch %s: %s; changes to " USER_RANGES_FILE
			    " and passwd are noticed within %u s",
			    users->options.dir, uv_strerror(r),
			    USER_RANGES_FRESH_MSEC / 1000);
	user_ranges_change(&users->ranges);
	return 0;
}

void users_flush(struct users *users, uid_t uid, gid_t gid)
{
	users->options.uid = uid;
	users->options.gid = gid;
	forget(users);
	user_ranges_change(&users->ranges);
}

void users_close(struct users *users)
{
	struct user_lookup *lookup, *next;

	if (users->closing)
		return;
	users->closing = true;
	uv_close((uv_handle_t *)&users->watch, NULL);
	user_ranges_close(&users->ranges);
	for (lookup = users->lookups; lookup; lookup = next) {
		next = lookup->next;
		if (lookup->running)
			child_kill(&lookup->child);
		else
			finish(lookup, NULL);
	}
}
