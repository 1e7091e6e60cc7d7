#include "core/replay.h"

#include <string.h>

bool replay_keeps(enum deploy_result result)
{
	return result == RESULT_OK || result == RESULT_ROLLED_BACK ||
	       result == RESULT_ROLLBACK_FAILED;
}

/* What a crash interrupted is recorded as what was done about it. */
static bool is_kind(enum job_kind wanted, enum job_kind recorded)
{
	return recorded == wanted ||
	       (wanted == JOB_KIND_DEPLOY &&
		(recorded == JOB_KIND_RECOVER || recorded == JOB_KIND_REVERT));
}

static bool refused(const struct replay_request *request, const char *why,
		    struct errinfo *ret_why)
{
	(void)errinfo_refuse(ret_why, RESULT_USAGE,
			     "the idempotency key '%s' of %s belongs to %s; use a new "
			     "key",
			     request->key, request->app, why);
	return false;
}

static bool is_of_request(const struct replay_request *request,
			  const struct ended_job *keyed, struct errinfo *ret_why)
{
	const char *given = request->content.sha256, *known = keyed->content.sha256;

	if (!is_kind(request->kind, keyed->kind))
		return refused(request, "another verb", ret_why);
	if (given && known && strcmp(given, known) != 0)
		return refused(request, "another archive", ret_why);
	return true;
}

static enum replay_verdict decide_by_content(const struct replay_request *request,
					     const struct ended_job *latest)
{
	if (request->redeploy || latest->kind == JOB_KIND_COUNT ||
	    latest->result != RESULT_OK || !*latest->release ||
	    !is_kind(request->kind, latest->kind) ||
	    !content_is_same(&request->content, &latest->content))
		return REPLAY_VERDICT_NEW;
	return request->kind == JOB_KIND_DEPLOY ? REPLAY_VERDICT_IF_LIVE
						: REPLAY_VERDICT_IF_THERE;
}

enum replay_verdict replay_decide(const struct replay_request *request,
				  const struct ended_job *keyed,
				  const struct ended_job *latest,
				  struct errinfo *ret_why)
{
	if (!request->key)
		return decide_by_content(request, latest);
	if (keyed->kind == JOB_KIND_COUNT || !replay_keeps(keyed->result))
		return REPLAY_VERDICT_NEW;
	return is_of_request(request, keyed, ret_why) ? REPLAY_VERDICT_REPEAT
						      : REPLAY_VERDICT_REFUSED;
}

bool replay_key_is_valid(const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < length; i++)
		if (key[i] <= ' ' || key[i] > '~')
			return false;
	return length > 0 && length <= REPLAY_KEY_BYTES_MAX;
}
