#include "loop/user_names.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

struct lookup {
	uv_work_t work;
	struct user_names *names;
	uid_t uid;
	char name[64];
	bool failed; /* may be known another time */
	void (*done)(void *userdata, uint64_t session_id, const char *name);
	void *userdata;
	uint64_t session_id;
};

static void without_name(uid_t uid, char name[64])
{
	(void)snprintf(name, 64, "uid:%u", (unsigned int)uid);
}

static void on_work(uv_work_t *work)
{
	struct lookup *lookup = work->data;
	size_t size = 65536;
	cleanup_free char *buffer = malloc(size);
	struct passwd entry, *found = NULL;

	without_name(lookup->uid, lookup->name);
	lookup->failed =
		!buffer || getpwuid_r(lookup->uid, &entry, buffer, size, &found) != 0;
	/* It goes into JSON and the journal; a directory service may hold anything. */
	if (found)
		(void)names_escape(found->pw_name, lookup->name, sizeof(lookup->name));
}

static void remember(struct user_names *names, uid_t uid, const char *name)
{
	size_t at = names->next;

	names->next = (names->next + 1) % USER_NAMES_MAX;
	if (names->n_entries < USER_NAMES_MAX)
		names->n_entries++;
	names->entries[at].uid = uid;
	(void)snprintf(names->entries[at].name, sizeof(names->entries[at].name), "%s",
		       name);
}

static void on_after_work(uv_work_t *work, int status)
{
	struct lookup *lookup = work->data;

	lookup->names->n_pending--;
	if (status == 0 && !lookup->failed)
		remember(lookup->names, lookup->uid, lookup->name);
	if (status != 0)
		without_name(lookup->uid, lookup->name);
	lookup->done(lookup->userdata, lookup->session_id, lookup->name);
	free(lookup);
}

void user_names_init(struct user_names *names, uv_loop_t *loop)
{
	*names = (struct user_names){.loop = loop};
	remember(names, 0, "root");
}

void user_names_flush(struct user_names *names)
{
	names->n_entries = 0;
	names->next = 0;
	remember(names, 0, "root");
}

void user_names_find(struct user_names *names, uid_t uid,
		     void (*done)(void *userdata, uint64_t session_id,
				  const char *name),
		     void *userdata, uint64_t session_id)
{
	struct lookup *lookup;
	char fallback[64];

	for (size_t i = 0; i < names->n_entries; i++) {
		if (names->entries[i].uid == uid) {
			done(userdata, session_id, names->entries[i].name);
			return;
		}
	}
	without_name(uid, fallback);
	lookup = names->n_pending < USER_NAMES_PENDING ? calloc(1, sizeof(*lookup))
						       : NULL;
	if (!lookup) {
		done(userdata, session_id, fallback);
		return;
	}
	*lookup = (struct lookup){.names = names,
				  .uid = uid,
				  .done = done,
				  .userdata = userdata,
				  .session_id = session_id};
	lookup->work.data = lookup;
	if (uv_queue_work(names->loop, &lookup->work, on_work, on_after_work) < 0) {
		free(lookup);
		done(userdata, session_id, fallback);
		return;
	}
	names->n_pending++;
}
