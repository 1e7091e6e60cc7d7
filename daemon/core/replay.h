#pragma once

#include <stdbool.h>

#include "core/content.h"
#include "core/job_machine.h"
#include "deploy/errinfo.h"
#include "deploy/names.h"

/*
 * A request that comes a second time, since its client lost the connection or deployd
 * was restarted: whether the result of the first one is the answer. Pure.
 */

#define REPLAY_KEY_BYTES_MAX 128 /* of --idempotency-key */

struct replay_request {
	enum job_kind kind; /* deploy, stage */
	const char *app;
	const char *key;	/* NULL: none was given */
	struct content content; /* sha256 NULL: none was given */
	bool redeploy;		/* the same archive once more is what is wanted */
};

/* A job that has ended, as the history of its app has it. */
struct ended_job {
	enum job_kind kind; /* JOB_KIND_COUNT: there is no such job */
	enum deploy_result result;
	struct content content; /* sha256 NULL: it ended before it was known */
	const char *release;	/* "": it made none */
};

enum replay_verdict {
	REPLAY_VERDICT_NEW,	 /* it is carried out */
	REPLAY_VERDICT_REPEAT,	 /* keyed is the answer */
	REPLAY_VERDICT_IF_LIVE,	 /* latest is, if its release is live and healthy */
	REPLAY_VERDICT_IF_THERE, /* latest is, if its release is still there */
	REPLAY_VERDICT_REFUSED,	 /* the key belongs to another request */
	REPLAY_VERDICT_COUNT
};

/*
 * keyed: the newest job of the app with the request's key; latest: the newest of all.
 *
 * A key is answered with what its job came to, if that went as far as a release: what
 * ended before changed nothing, so it is done again. Without a key the sha256 is one
 * until another job has ended, and only for what succeeded: a failure may be over.
 */
enum replay_verdict
replay_decide(const struct replay_request *request, const struct ended_job *keyed,
	      const struct ended_job *latest, struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull));

/* A job that ended like this is found by its key from then on. */
bool replay_keeps(enum deploy_result result);

/* 1 to REPLAY_KEY_BYTES_MAX printable characters of ASCII, no space. */
bool replay_key_is_valid(const char *key) __attribute__((nonnull));
