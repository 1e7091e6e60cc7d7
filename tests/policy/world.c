#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
	const char *name;
	unsigned int id;
};

static const struct name users[] = {
	{"root", 0},	   {"deploy", 1001},	   {"alice", 1002}, {"bob", 1003},
	{"carol", 1004},   {"hello", 1101},	   {"world", 1102}, {"big", 3000000000},
	{"nobody", 65534}, {"ghost", 4294967295u}, {NULL, 0},
};

static const struct name groups[] = {
	{"root", 0},   {"deploy", 1001},   {"hello", 1101},    {"ops", 2001},
	{"dev", 2002}, {"everyone", 2003}, {"nogroup", 65534}, {NULL, 0},
};

static bool find(const struct name *names, const char *name, unsigned int *ret_id)
{
	for (; names->name; names++) {
		if (strcmp(names->name, name) == 0) {
			*ret_id = names->id;
			return true;
		}
	}
	return false;
}

static bool find_user(const char *name, uid_t *ret_uid, void *userdata)
{
	(void)userdata;
	return find(users, name, ret_uid);
}

static bool find_group(const char *name, gid_t *ret_gid, void *userdata)
{
	(void)userdata;
	return find(groups, name, ret_gid);
}

/* A later version, in which there is a verb for every right. */
static bool every_right(enum right right)
{
	(void)right;
	return true;
}

const struct policy_resolver world_resolver = {
	.user = find_user,
	.group = find_group,
	.used = every_right,
};
const struct policy_resolver world_resolver_now = {
	.user = find_user,
	.group = find_group,
};

static const struct {
	const char *name, *file, *text;
} app_files[] = {
	{"foo-bar", "/etc/deployd/apps.d/foo-bar.conf",
	 "[users]\ndeploy_user = alice\napp_user = hello\n"},
	{"hello", "/etc/deployd/apps.d/hello.conf",
	 "[users]\ndeploy_user = deploy\napp_user = hello\nsudo_deploy = no\n"},
	{"world", "/etc/deployd/apps.d/world.conf",
	 "[users]\ndeploy_user = deploy\napp_user = world\nsudo_deploy = yes\n"
	 "sudo_app = yes\n"},
};

#define N_APPS (sizeof(app_files) / sizeof(*app_files))

static struct app_config *apps[N_APPS];

struct app_config *const *world_apps(size_t *ret_n)
{
	*ret_n = N_APPS;
	for (size_t i = 0; i < N_APPS && !apps[i]; i++) {
		struct config_text text = {app_files[i].file, app_files[i].text,
					   strlen(app_files[i].text)};
		struct diag diag = {0};

		apps[i] = app_config_parse(app_files[i].name, &text, 1, &diag);
		for (size_t j = 0; j < diag.n_messages; j++)
			(void)fprintf(stderr, "%s\n", diag.messages[j]);
		diag_deinit(&diag);
		assert(apps[i]);
		(void)find(users, apps[i]->deploy_user, &apps[i]->deploy_uid);
		(void)find(users, apps[i]->app_user, &apps[i]->app_uid);
	}
	return apps;
}

void world_deinit(void)
{
	for (size_t i = 0; i < N_APPS; i++) {
		app_config_free(apps[i]);
		apps[i] = NULL;
	}
}

static bool find_id(const struct name *names, const char *prefix, const char *word,
		    unsigned int *ret_id)
{
	if (strncmp(word, prefix, 4) != 0)
		return find(names, word, ret_id);
	*ret_id = (unsigned int)strtoul(word + 4, NULL, 10);
	return true;
}

static const char *name_of(unsigned int uid)
{
	for (const struct name *user = users; user->name; user++)
		if (user->id == uid)
			return user->name;
	return NULL;
}

/* Cuts the word at the slash. */
static bool find_peer(char *word, struct policy_peer *peer)
{
	char *owner = strchr(word, '/');

	if (strncmp(word, "gone:", 5) == 0) {
		peer->uid = (uid_t)strtoul(word + 5, NULL, 10);
		return true;
	}
	if (owner) {
		*owner++ = '\0';
		if (!find(users, owner, &peer->owner))
			return false;
		peer->owner_name = name_of(peer->owner);
	}
	if (!find_id(users, "uid:", word, &peer->uid))
		return false;
	if (owner)
		peer->kind = POLICY_PEER_SUBORDINATE;
	else if (name_of(peer->uid))
		peer->kind = POLICY_PEER_NAMED;
	return true;
}

bool world_peer(const char *who, struct world_peer *ret_peer)
{
	char *copy = strdup(who), *rest = NULL, *word;
	struct world_peer *p = ret_peer;
	bool ok;

	assert(copy);
	memset(p, 0, sizeof(*p));
	word = strtok_r(copy, "+", &rest);
	ok = word && find_peer(word, &p->peer);
	while (ok && (word = strtok_r(NULL, "+", &rest)))
		ok = p->peer.n_gids < WORLD_GIDS_MAX &&
		     find_id(groups, "gid:", word, &p->gids[p->peer.n_gids++]);
	p->peer.gids = p->gids;
	free(copy);
	return ok;
}

bool world_right(const char *verb, enum right *ret_right, const char **ret_run_name)
{
	*ret_run_name = NULL;
	if (strncmp(verb, "run:", 4) == 0) {
		*ret_run_name = verb + 4;
		*ret_right = RIGHT_RUN;
		return true;
	}
	*ret_right = right_from_name(verb);
	return *ret_right != RIGHT_COUNT;
}

struct policy *world_policy(const struct config_text *texts, size_t n_texts,
			    struct diag *diag)
{
	size_t n_apps;
	struct app_config *const *all = world_apps(&n_apps);

	return policy_parse(texts, n_texts, all, n_apps, &world_resolver, diag);
}
