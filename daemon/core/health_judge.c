#include "core/health_judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/service_result.h"

#define REASON_SIZE 256

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

/* how, and systemd's reason where it has one. */
static enum health_verdict failed(const struct health_facts *facts, char *ret_why,
				  size_t size, const char *how)
{
	char reason[REASON_SIZE];

	if (service_result_is_success(facts->result)) {
		(void)snprintf(ret_why, size, "%s %s", facts->unit, how);
		return HEALTH_VERDICT_FAILED;
	}
	service_result_text(facts->result, facts->exec_main_code,
			    facts->exec_main_status, reason, sizeof(reason));
	(void)snprintf(ret_why, size, "%s %s: %s", facts->unit, how, reason);
	return HEALTH_VERDICT_FAILED;
}

static enum health_verdict judge_memory(const struct health_facts *facts, char *ret_why,
					size_t size)
{
	uint64_t n = facts->oom_kills - facts->oom_kills_before;

	(void)snprintf(ret_why, size,
		       "%s: the kernel killed %" PRIu64 " of its processes, which ran "
		       "out of memory",
		       facts->unit, n);
	return HEALTH_VERDICT_FAILED;
}

enum health_verdict health_judge(const struct health_facts *facts, char *ret_why,
				 size_t size)
{
	bool success = service_result_is_success(facts->result);

	if (!is(facts->load_state, "loaded")) {
		(void)snprintf(ret_why, size,
			       "%s cannot run: systemd reports its unit file as %s",
			       facts->unit, facts->load_state);
		return HEALTH_VERDICT_FAILED;
	}
	if (is(facts->active_state, "failed"))
		return failed(facts, ret_why, size, "failed");
	if (facts->n_restarts > facts->restarts_before)
		return failed(facts, ret_why, size,
			      success ? "ended and systemd restarted it"
				      : "failed and systemd restarted it");
	if (is(facts->sub_state, "auto-restart"))
		return failed(facts, ret_why, size,
			      success ? "ended and systemd is restarting it"
				      : "failed and systemd is restarting it");
	if (!success)
		return failed(facts, ret_why, size, "failed");
	if (facts->oom_kills > facts->oom_kills_before)
		return judge_memory(facts, ret_why, size);
	if (is(facts->active_state, "active") || is(facts->active_state, "reloading"))
		return HEALTH_VERDICT_ACTIVE;
	if (!is(facts->active_state, "inactive"))
		return HEALTH_VERDICT_WAITING;
	if (facts->oneshot)
		return HEALTH_VERDICT_ACTIVE;
	return failed(facts, ret_why, size, "is not running");
}
