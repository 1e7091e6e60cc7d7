#include "core/service_result.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SETUP_STATUS_FIRST 200
#define SETUP_STATUS_LAST  245

static const struct {
	int32_t status;
	const char *text;
} setup_failures[] = {
	{200, "systemd cannot enter its WorkingDirectory="},
	{203, "systemd cannot execute its program: check that the release contains it, "
	      "that it is executable, and that its interpreter is installed"},
	{216, "systemd cannot use its Group="},
	{217, "systemd cannot use its User="},
	{226, "systemd cannot set up its sandbox: check that all its ReadWritePaths= "
	      "exist"},
	{233, "systemd cannot create its RuntimeDirectory="},
	{238, "systemd cannot create its StateDirectory="},
	{243, "systemd cannot read its credentials"},
};

static const struct {
	const char *result, *text;
} results[] = {
	{"timeout", "it exceeded a time limit of its unit: it was not ready within "
		    "TimeoutStartSec= (see its Type=), or did not stop within "
		    "TimeoutStopSec= (timeout)"},
	{"protocol", "it ended, or went on, without reporting that it was ready as its "
		     "Type= requires (protocol)"},
	{"oom-kill", "it was killed because it ran out of memory, see its MemoryMax= "
		     "(oom-kill)"},
	{"watchdog", "it did not notify its watchdog within WatchdogSec= (watchdog)"},
	{"resources", "systemd could not set it up: check the files that its unit "
		      "names, such as EnvironmentFile= (resources)"},
	{"start-limit-hit",
	 "it was started too often in a short time (start-limit-hit)"},
	{"exec-condition", "its ExecCondition= was not met (exec-condition)"},
};

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

bool service_result_is_success(const char *result)
{
	return result[0] == '\0' || is(result, "success");
}

bool service_result_is_setup_failure(int32_t status)
{
	return status >= SETUP_STATUS_FIRST && status <= SETUP_STATUS_LAST;
}

void service_result_end(int32_t code, int32_t status, char *ret_text, size_t size)
{
	const char *name;

	switch (code) {
	case CLD_EXITED:
		(void)snprintf(ret_text, size, "exited with status %" PRId32, status);
		return;
	case CLD_KILLED:
	case CLD_DUMPED:
		name = sigdescr_np(status);
		(void)snprintf(ret_text, size,
			       "was killed by signal %" PRId32 " (%s)%s", status,
			       name ? name : "unknown",
			       code == CLD_DUMPED ? " and dumped core" : "");
		return;
	default:
		(void)snprintf(ret_text, size, "ended");
		return;
	}
}

/* Where the main process ended well or in another way, the Result= is a command's. */
static void exit_text(int32_t code, int32_t status, char *ret_text, size_t size)
{
	if (status == 0 || (code != 0 && code != CLD_EXITED)) {
		(void)snprintf(ret_text, size,
			       "one of its commands failed, such as ExecStartPre=");
		return;
	}
	(void)snprintf(ret_text, size, "its main process exited with status %" PRId32,
		       status);
	for (size_t i = 0; i < sizeof(setup_failures) / sizeof(*setup_failures); i++)
		if (setup_failures[i].status == status)
			(void)snprintf(ret_text, size, "%s (exit status %" PRId32 ")",
				       setup_failures[i].text, status);
}

void service_result_disown(char *text, size_t size, int32_t status)
{
	char wrong[320], rest[1024];
	char *at;

	exit_text(CLD_EXITED, status, wrong, sizeof(wrong));
	at = strstr(text, wrong);
	if (!at || strlen(at) >= sizeof(rest))
		return;
	(void)strcpy(rest, at + strlen(wrong));
	(void)snprintf(at, size - (size_t)(at - text),
		       "its main process exited with status %" PRId32 "%s", status,
		       rest);
}

static void signal_text(int32_t code, int32_t status, bool dumped, char *ret_text,
			size_t size)
{
	char end[128];

	if (status == 0 || code == CLD_EXITED) {
		(void)snprintf(ret_text, size, "one of its commands was killed");
		return;
	}
	service_result_end(dumped ? CLD_DUMPED : CLD_KILLED, status, end, sizeof(end));
	(void)snprintf(ret_text, size, "its main process %s", end);
}

void service_result_text(const char *result, int32_t code, int32_t status,
			 char *ret_text, size_t size)
{
	if (is(result, "exit-code")) {
		exit_text(code, status, ret_text, size);
		return;
	}
	if (is(result, "signal") || is(result, "core-dump")) {
		signal_text(code, status, is(result, "core-dump"), ret_text, size);
		return;
	}
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		if (is(result, results[i].result)) {
			(void)snprintf(ret_text, size, "%s", results[i].text);
			return;
		}
	(void)snprintf(ret_text, size, "systemd reports '%s'", result);
}
