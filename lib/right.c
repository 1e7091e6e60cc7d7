#include "deploy/right.h"

#include <assert.h>
#include <string.h>

/* tests/lint/rights.py compares "used" with what the methods of deployd ask for. */
static const struct {
	const char *name;
	bool used;
} rights[] = {
	[RIGHT_DEPLOY] = {"deploy", true},     [RIGHT_STAGE] = {"stage", true},
	[RIGHT_ACTIVATE] = {"activate", true}, [RIGHT_ROLLBACK] = {"rollback", true},
	[RIGHT_CONFIRM] = {"confirm", true},   [RIGHT_RESTART] = {"restart", true},
	[RIGHT_RELOAD] = {"reload", true},     [RIGHT_START] = {"start", true},
	[RIGHT_STOP] = {"stop", true},	       [RIGHT_ENABLE] = {"enable", true},
	[RIGHT_EXEC] = {"exec", false},	       [RIGHT_RUN] = {"run", false},
	[RIGHT_CONSOLE] = {"console", false},  [RIGHT_STATUS] = {"status", true},
	[RIGHT_HISTORY] = {"history", true},   [RIGHT_LOGS] = {"logs", true},
	[RIGHT_HOLD] = {"hold", true},	       [RIGHT_PIN] = {"pin", true},
	[RIGHT_REMOVE] = {"remove", false},    [RIGHT_CANCEL] = {"cancel", true},
	[RIGHT_MARK] = {"mark", true},	       [RIGHT_NO_HOOKS] = {"no-hooks", false},
};
static_assert(sizeof(rights) / sizeof(*rights) == RIGHT_COUNT, "every right is here");

const char *right_name(enum right right)
{
	assert(right < RIGHT_COUNT);
	return rights[right].name;
}

bool right_is_used(enum right right)
{
	assert(right < RIGHT_COUNT);
	return rights[right].used;
}

enum right right_from_name(const char *name)
{
	for (int i = 0; i < RIGHT_COUNT; i++)
		if (strcmp(rights[i].name, name) == 0)
			return (enum right)i;
	return strcmp(name, "disable") == 0 ? RIGHT_ENABLE : RIGHT_COUNT;
}
