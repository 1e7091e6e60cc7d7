#include "deploy/result.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *name;
	const char *error;
	int exit_status;
} results[] = {
	[RESULT_OK] = {"ok", NULL, 0},
	[RESULT_FAILED] = {"failed", "io.deployd.Failed", 1},
	[RESULT_USAGE] = {"usage", "io.deployd.InvalidRequest", 2},
	[RESULT_DENIED] = {"denied", "io.deployd.Denied", 4},
	[RESULT_NOT_FOUND] = {"not-found", "io.deployd.NotFound", 5},
	[RESULT_BAD_CONFIG] = {"bad-config", "io.deployd.BadConfiguration", 6},
	[RESULT_NO_DAEMON] = {"no-daemon", "io.deployd.NotRunning", 7},
	[RESULT_REJECTED] = {"rejected", "io.deployd.Rejected", 10},
	[RESULT_BUSY] = {"busy", "io.deployd.Busy", 11},
	[RESULT_HOOK_FAILED] = {"hook-failed", "io.deployd.HookFailed", 12},
	[RESULT_ROLLED_BACK] = {"rolled-back", "io.deployd.RolledBack", 13},
	[RESULT_ROLLBACK_FAILED] = {"rollback-failed", "io.deployd.RollbackFailed", 14},
	[RESULT_CANCELLED] = {"cancelled", "io.deployd.Cancelled", 15},
	[RESULT_TIMED_OUT] = {"timed-out", "io.deployd.TimedOut", 16},
	[RESULT_IF_CURRENT] = {"if-current-mismatch", "io.deployd.IfCurrentMismatch",
			       17},
	[RESULT_NO_SPACE] = {"no-space", "io.deployd.NoSpace", 18},
	[RESULT_MACHINE] = {"machine", "io.deployd.MachineAtFault", 1},
};
static_assert(sizeof(results) / sizeof(*results) == RESULT_COUNT,
	      "every result has a name, an error and an exit status");

const char *result_name(enum deploy_result result)
{
	assert(result < RESULT_COUNT);
	return results[result].name;
}

int result_exit_status(enum deploy_result result)
{
	assert(result < RESULT_COUNT);
	return results[result].exit_status;
}

enum deploy_result result_from_name(const char *name)
{
	for (int i = 0; i < RESULT_COUNT; i++)
		if (strcmp(results[i].name, name) == 0)
			return (enum deploy_result)i;
	return RESULT_COUNT;
}

const char *result_error_name(enum deploy_result result)
{
	assert(result < RESULT_COUNT);
	return results[result].error;
}

enum deploy_result result_from_error_name(const char *error)
{
	for (int i = 0; i < RESULT_COUNT; i++)
		if (results[i].error && strcmp(results[i].error, error) == 0)
			return (enum deploy_result)i;
	if (strcmp(error, "org.varlink.service.PermissionDenied") == 0)
		return RESULT_DENIED;
	if (strncmp(error, "org.varlink.service.", 20) == 0)
		return RESULT_USAGE;
	return RESULT_FAILED;
}
