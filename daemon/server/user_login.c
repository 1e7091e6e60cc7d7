#include "server/user_login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"

static void end(struct user_login *login, enum deploy_result result, const char *why)
{
	if (result != RESULT_OK)
		(void)errinfo_refuse(&login->error, result, "%s", why);
	login->done(login, result);
}

static bool take_groups(struct peer *peer, const json_t *list)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > POLICY_GROUPS_MAX)
		return false;
	peer->gids = calloc(n + 1, sizeof(*peer->gids));
	for (size_t i = 0; i < n && peer->gids; i++) {
		json_int_t gid = json_integer_value(json_array_get(list, i));

		if (gid < 0 || gid > UINT32_MAX)
			return false;
		peer->gids[peer->n_gids++] = (gid_t)gid;
	}
	return peer->gids != NULL;
}

static bool take(struct peer *peer, const json_t *reply)
{
	json_int_t uid = json_integer_value(json_object_get(reply, "uid"));
	const char *name = json_string_value(json_object_get(reply, "name"));
	struct user_answer answer = {.status = USER_KNOWN};

	if (!name || strlen(name) >= sizeof(answer.name) || uid < 0 ||
	    uid >= UINT32_MAX)
		return false;
	answer.uid = answer.owner = (uid_t)uid;
	(void)strcpy(answer.name, name);
	peer_set_user(peer, &answer);
	return take_groups(peer, json_object_get(reply, "gids"));
}

static void on_done(struct child *child)
{
	struct user_login *login = child->userdata;
	enum deploy_result result;
	const json_t *reply = NULL;

	result = child_outcome(child, &reply, &login->error);
	if (result != RESULT_OK) {
		result = RESULT_FAILED;
	} else if (json_is_false(json_object_get(reply, "known"))) {
		result = RESULT_NOT_FOUND;
	} else if (!take(&login->peer, reply)) {
		result = RESULT_FAILED;
		(void)errinfo_refuse(
			&login->error, result,
			"deployd-users sent a reply that deployd does not understand");
	}
	child_deinit(child);
	login->done(login, result);
}

/* selector: --name=NAME or --of=UID */
static void ask(struct user_login *login, const char *selector)
{
	const struct users_options *as = &login->users->options;
	char uid[32], gid[32];
	const char *argv[] = {as->program, uid, gid, selector, "--groups=1", NULL};
	struct child_options options = {
		.argv = argv, .fd0 = -1, .fd1 = -1, .timeout_ms = USERS_TIMEOUT_MSEC};
	int r;

	(void)snprintf(uid, sizeof(uid), "--uid=%u", (unsigned int)as->uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u", (unsigned int)as->gid);
	login->child.userdata = login;
	login->child.on_done = on_done;
	r = child_start(&login->child, login->users->loop, &options);
	if (r < 0)
		end(login, RESULT_FAILED, strerror(-r));
}

static void on_uid_found(void *userdata, uint64_t id, const struct user_answer *answer)
{
	struct user_login *login = userdata;
	char selector[32];

	(void)id;
	peer_set_user(&login->peer, answer);
	switch (answer->status) {
	case USER_FAILED:
		end(login, RESULT_FAILED, answer->why);
		break;
	case USER_KNOWN:
		(void)snprintf(selector, sizeof(selector), "--of=%u",
			       (unsigned int)answer->uid);
		ask(login, selector);
		break;
	case USER_UNKNOWN:
	case USER_SUBORDINATE:
		/* Nobody can log in with such a uid: its groups are not known. */
		end(login, RESULT_OK, "");
		break;
	}
}

/* The N of uid:N; -1 for anything else. */
static uid_t uid_of(const char *user)
{
	unsigned long long uid = 0;

	if (strncmp(user, "uid:", 4) != 0 || !user[4] || strlen(user) > 14)
		return (uid_t)-1;
	for (const char *p = user + 4; *p; p++) {
		if (*p < '0' || *p > '9')
			return (uid_t)-1;
		uid = uid * 10 + (unsigned long long)(*p - '0');
	}
	return uid < UINT32_MAX ? (uid_t)uid : (uid_t)-1;
}

void user_login_start(struct user_login *login, struct users *users, const char *user)
{
	uid_t uid = uid_of(user);
	char selector[300];

	login->users = users;
	login->peer = (struct peer){.uid = (uid_t)-1, .owner = (uid_t)-1};
	if (uid != (uid_t)-1) {
		users_find(users, uid, on_uid_found, login, 0);
		return;
	}
	(void)snprintf(selector, sizeof(selector), "--name=%s", user);
	ask(login, selector);
}
