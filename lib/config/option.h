#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/diag.h"
#include "deploy/ini.h"

/*
 * Options of a configuration file, driven by a table: collect what the files say,
 * expand {name}, check every value by its type. Used by app_config.c and
 * daemon_config.c.
 */

#define OPTION_VALUE_BYTES_MAX 65536u	  /* after expansion */
#define OPTION_TOTAL_BYTES_MAX (8u << 20) /* of a file, after expansion */
#define OPTION_ITEMS_MAX       1000u	  /* of a list */

enum option_type {
	OPTION_TYPE_TEXT,
	OPTION_TYPE_WORD,      /* no blanks */
	OPTION_TYPE_COMPONENT, /* a file name that is fit for units too */
	OPTION_TYPE_APP_NAME,
	OPTION_TYPE_SERVICE,  /* a unit's name without ".service" */
	OPTION_TYPE_UNIT,     /* a unit's name with its suffix */
	OPTION_TYPE_USER,     /* of a user or a group */
	OPTION_TYPE_PATH,     /* absolute, normalised */
	OPTION_TYPE_RELATIVE, /* relative, normalised */
	OPTION_TYPE_ANY_PATH, /* either */
	OPTION_TYPE_ENV_FILE, /* a path, '-' before it when it may be missing */
	OPTION_TYPE_ENV_VAR,  /* NAME=VALUE */
	OPTION_TYPE_EXEC,     /* systemd's ExecStart=: prefixes, absolute path */
	OPTION_TYPE_COMMAND,  /* absolute path and arguments */
	OPTION_TYPE_URL,      /* http or https */
	OPTION_TYPE_ADDRESS,  /* HOST:PORT */
	OPTION_TYPE_LISTEN,   /* what a socket listens on (systemd.socket(5)) */
	OPTION_TYPE_STATUS,   /* of HTTP: 200 or 200-399 */
	OPTION_TYPE_HEADER,   /* of HTTP: "Name: value" */
	OPTION_TYPE_ENUM,
	OPTION_TYPE_BOOL,
	OPTION_TYPE_MODE, /* octal */
	OPTION_TYPE_INT,
	OPTION_TYPE_SECONDS, /* 90, 90s, 5min, 2h, 1d */
	OPTION_TYPE_MS,	     /* 500, 500ms, 2s */
	OPTION_TYPE_SEC_MS,  /* 2, 2s, 500ms; counted in milliseconds */
	OPTION_TYPE_BYTES,   /* 1024, 64M, 4G */
	OPTION_TYPE_SPAN,    /* systemd.time(7), kept as text */
	OPTION_TYPE_LIMIT,   /* a number, infinity, or SOFT:HARD */
	OPTION_TYPE_COUNT
};

struct option_spec {
	const char *section;
	const char *name;
	const char *fallback; /* unexpanded; NULL: unset by default */
	const char *choices;  /* ENUM: words with a blank between */
	uint64_t min, max;    /* INT, SECONDS, MS, SEC_MS, BYTES */
	enum option_type type;
	/* Not carried out by this version: what to do instead. Unset and "no" are. */
	const char *undone;
	bool list;  /* every line adds an item, an empty one drops those before */
	bool words; /* a list whose lines hold several items */
};

/* One line's value, or one word of it. */
struct option_item {
	char *text;
	const char *file;
	unsigned int line;
};

enum option_state {
	OPTION_STATE_NEW,
	OPTION_STATE_EXPANDING,
	OPTION_STATE_DONE,
	OPTION_STATE_FAILED, /* said why */
};

struct option_slot {
	struct option_item *items; /* as written, then expanded in place */
	size_t n_items;
	const char *file; /* of the last line; NULL: the default */
	unsigned int line;
	enum option_state state;
};

/* The options of one table. Strings for files are the caller's and must outlive it. */
struct option_set {
	const struct option_spec *specs;
	struct option_slot *slots; /* one a spec */
	size_t n_specs;
	struct option_set *outer; /* where {name} is looked up; NULL: here */
	const char *file;	  /* for messages about defaults */
	unsigned int line;
	const char *name; /* in messages: "[copy_file env]: "; NULL for none */
	size_t expanded;  /* bytes, of this set and those inside it */
	struct diag *diag;
};

/* -ENOMEM (reported) or 0. */
int option_set_init(struct option_set *set, const struct option_spec *specs,
		    size_t n_specs, const char *file, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));

void option_set_deinit(struct option_set *set) __attribute__((nonnull));

/* n_specs when there is none. */
size_t option_find(const struct option_set *set, const char *name)
	__attribute__((nonnull));

/* The known name nearest to a mistyped one, NULL when none is near. */
const char *option_nearest(const struct option_set *set, const char *name)
	__attribute__((nonnull));

/*
 * Takes the value of a line. A second value of a scalar in the same file is an error
 * that names both lines. file must outlive the set (entry->file is not kept).
 */
void option_take(struct option_set *set, size_t index, const char *file,
		 const struct ini_entry *entry) __attribute__((nonnull));

/* Gives an option that is unset its default, where that is computed. */
void option_default(struct option_set *set, size_t index, const char *text)
	__attribute__((nonnull));

/* Expands and checks everything; faults are reported. */
void option_set_resolve(struct option_set *set) __attribute__((nonnull));

/* Reports a fault of the option where it was set. */
void option_error(const struct option_set *set, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull));

/* Has it a value that was found good? Only after a resolve. */
bool option_known(const struct option_set *set, const char *name)
	__attribute__((nonnull));

/* Of options that are known or unset. The text is NULL when unset; lists have items. */
const struct option_slot *option_slot(const struct option_set *set, const char *name)
	__attribute__((nonnull));
const char *option_text(const struct option_set *set, const char *name)
	__attribute__((nonnull));
bool option_bool(const struct option_set *set, const char *name)
	__attribute__((nonnull));
uint64_t option_number(const struct option_set *set, const char *name)
	__attribute__((nonnull));
/* The position of an ENUM's value among its choices. */
unsigned int option_choice(const struct option_set *set, const char *name)
	__attribute__((nonnull));

/*
 * Is the expanded text a value of the spec's type? False, and what it must be instead
 * in ret_fault, to follow "'TEXT' ".
 */
#define OPTION_FAULT_SIZE 200
bool option_value_valid(const struct option_spec *spec, const char *text,
			char ret_fault[OPTION_FAULT_SIZE]) __attribute__((nonnull));

/* The number of a BOOL, MODE, INT, SECONDS, MS, SEC_MS or BYTES; false when it is none.
 */
bool option_value_number(const struct option_spec *spec, const char *text,
			 uint64_t *ret_number) __attribute__((nonnull));

/* Absolute, no empty part, no "." or "..", no '/' at the end. */
bool option_path_valid(const char *path) __attribute__((nonnull));
bool option_relative_valid(const char *path) __attribute__((nonnull));

/*
 * Copies of the items, NULL-terminated; false without memory, *ret_list is good to free
 * then.
 */
bool option_list_copy(const struct option_slot *slot, char ***ret_list)
	__attribute__((nonnull, warn_unused_result));
