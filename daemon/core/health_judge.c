#include "core/health_judge.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define WORDS_SIZE 128

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

void health_end_words(int32_t code, int32_t status, char *ret_words, size_t size)
{
	const char *name;

	switch (code) {
	case CLD_EXITED:
		(void)snprintf(ret_words, size, "exited with status %" PRId32, status);
		return;
	case CLD_KILLED:
	case CLD_DUMPED:
		name = sigdescr_np(status);
		(void)snprintf(ret_words, size,
			       "was killed by signal %" PRId32 " (%s)%s", status,
			       name ? name : "unknown",
			       code == CLD_DUMPED ? " and dumped core" : "");
		return;
	default:
		(void)snprintf(ret_words, size, "ended");
		return;
	}
}

/* What systemd's Result of a service means, to follow "UNIT: ". */
static void result_words(const struct health_facts *facts, char *ret_words, size_t size)
{
	static const struct {
		const char *result, *words;
	} known[] = {
		{"success", "it has ended"},
		{"oom-kill", "the kernel killed it for want of memory (oom-kill)"},
		{"watchdog", "it did not report to the watchdog in time (watchdog)"},
		{"timeout", "it took longer than its unit allows (timeout)"},
		{"protocol", "it did not report the way its Type= asks for (protocol)"},
		{"resources", "systemd had not the means to run it (resources)"},
		{"start-limit-hit",
		 "it was started too often in too short a time (start-limit-hit)"},
		{"exec-condition", "its ExecCondition= said no (exec-condition)"},
	};
	char end[WORDS_SIZE];

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (is(facts->result, known[i].result)) {
			(void)snprintf(ret_words, size, "%s", known[i].words);
			return;
		}
	if (is(facts->result, "exit-code") || is(facts->result, "signal") ||
	    is(facts->result, "core-dump")) {
		health_end_words(facts->exec_main_code, facts->exec_main_status, end,
				 sizeof(end));
		(void)snprintf(ret_words, size, "its main process %s", end);
		return;
	}
	(void)snprintf(ret_words, size, "systemd's result is '%s'", facts->result);
}

static enum health_verdict failed(const struct health_facts *facts, char *ret_why,
				  size_t size, const char *how, bool with_result)
{
	char words[WORDS_SIZE] = "";

	if (with_result)
		result_words(facts, words, sizeof(words));
	(void)snprintf(ret_why, size, "%s %s%s%s", facts->unit, how,
		       with_result ? ": " : "", words);
	return HEALTH_VERDICT_FAILED;
}

static enum health_verdict judge_memory(const struct health_facts *facts, char *ret_why,
					size_t size)
{
	uint64_t n = facts->oom_kills - facts->oom_kills_before;

	(void)snprintf(ret_why, size,
		       "%s: the kernel killed %" PRIu64
		       " of its processes for want of memory",
		       facts->unit, n);
	return HEALTH_VERDICT_FAILED;
}

enum health_verdict health_judge(const struct health_facts *facts, char *ret_why,
				 size_t size)
{
	bool success = is(facts->result, "success") || facts->result[0] == '\0';

	if (!is(facts->load_state, "loaded")) {
		(void)snprintf(ret_why, size, "%s cannot run: systemd calls it %s",
			       facts->unit, facts->load_state);
		return HEALTH_VERDICT_FAILED;
	}
	if (is(facts->active_state, "failed"))
		return failed(facts, ret_why, size, "has failed", true);
	if (facts->n_restarts > facts->restarts_before)
		return failed(facts, ret_why, size,
			      success ? "ended and was restarted by systemd"
				      : "was restarted by systemd",
			      !success);
	if (is(facts->sub_state, "auto-restart"))
		return failed(facts, ret_why, size, "waits to be restarted", true);
	if (!success)
		return failed(facts, ret_why, size, "is not well", true);
	if (facts->oom_kills > facts->oom_kills_before)
		return judge_memory(facts, ret_why, size);
	if (is(facts->active_state, "active") || is(facts->active_state, "reloading"))
		return HEALTH_VERDICT_ACTIVE;
	if (!is(facts->active_state, "inactive"))
		return HEALTH_VERDICT_WAITING;
	if (facts->oneshot)
		return HEALTH_VERDICT_ACTIVE;
	return failed(facts, ret_why, size, "is not running", true);
}
