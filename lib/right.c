#include "deploy/right.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
	[RIGHT_DEPLOY] = "deploy",     [RIGHT_STAGE] = "stage",
	[RIGHT_ACTIVATE] = "activate", [RIGHT_ROLLBACK] = "rollback",
	[RIGHT_CONFIRM] = "confirm",   [RIGHT_RESTART] = "restart",
	[RIGHT_RELOAD] = "reload",     [RIGHT_START] = "start",
	[RIGHT_STOP] = "stop",	       [RIGHT_ENABLE] = "enable",
	[RIGHT_EXEC] = "exec",	       [RIGHT_RUN] = "run",
	[RIGHT_CONSOLE] = "console",   [RIGHT_STATUS] = "status",
	[RIGHT_HISTORY] = "history",   [RIGHT_LOGS] = "logs",
	[RIGHT_HOLD] = "hold",	       [RIGHT_PIN] = "pin",
	[RIGHT_REMOVE] = "remove",     [RIGHT_CANCEL] = "cancel",
};
static_assert(sizeof(names) / sizeof(*names) == RIGHT_COUNT, "every right has a name");

const char *right_name(enum right right)
{
	assert(right < RIGHT_COUNT);
	return names[right];
}

enum right right_from_name(const char *name)
{
	for (int i = 0; i < RIGHT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum right)i;
	return strcmp(name, "disable") == 0 ? RIGHT_ENABLE : RIGHT_COUNT;
}
