#pragma once

#include "verb.h"

/* The table of options: parsing, help and completion read it. */

enum option_id {
	OPTION_HELP = 256,
	OPTION_VERSION,
	OPTION_JSON,
	OPTION_SHORT_JSON,
	OPTION_QUIET,
	OPTION_NO_BLOCK,
	OPTION_NO_PAGER,
	OPTION_NO_LEGEND,
	OPTION_HOST,
	OPTION_SHA256,
	OPTION_REVISION,
	OPTION_MESSAGE,
	OPTION_IF_CURRENT,
	OPTION_TIMEOUT,
	OPTION_LINES,
	OPTION_FOLLOW,
	OPTION_DAEMON,
	OPTION_USER,
	OPTION_SOCKET,
	OPTION_DRY_RUN,
	OPTION_NOW,
	OPTION_YES,
	OPTION_CONFIG,
	OPTION_APP_FILE,
	OPTION_CONFIRM,
	OPTION_FORCE,
	OPTION_REDEPLOY,
	OPTION_IDEMPOTENCY_KEY,
	OPTION_STRIP_COMPONENTS,
	OPTION_UNTIL,
	OPTION_TO,
	OPTION_SUDOERS,
	OPTION_CHECK,
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): rows read in this order */
struct option_info {
	const char *name;   /* long, without dashes */
	char letter;	    /* 0: none */
	const char *value;  /* NULL: takes none; "[X]": optional */
	unsigned int flags; /* 0: every verb */
	const char *help;
	int id;
};

#define OPTION_INFOS 33
extern const struct option_info option_infos[OPTION_INFOS];

/* Does the verb take it? NO_JSON and NO_HOST are not read. */
bool option_is_taken(const struct verb *verb, const struct option_info *info)
	__attribute__((nonnull));

/* "[X]": it may have a value. [USER@]HOST is one value with an optional part. */
bool option_value_is_optional(const struct option_info *info) __attribute__((nonnull));
