#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "deploy/right.h"

/* What policy.c decides by, policy_parse.c makes and policy_list.c shows. */

#define POLICY_RULES_MAX      4096
#define POLICY_WORDS_MAX      1024 /* words of one line */
#define POLICY_RULE_NAME_SIZE 128  /* escaped, with the NUL */
#define POLICY_MINUTES_A_DAY  1440u

/*
 * What overflowuid and overflowgid show for everybody whom a user namespace cannot name
 * (user_namespaces(7)). That, and -1, is nobody: no rule names or matches it.
 */
#define POLICY_ID_OVERFLOW 65534u
#define POLICY_ID_INVALID  UINT32_MAX

/* Words as written; n_words of them, each owned. */
struct words {
	char **words;
	size_t n_words;
};

struct policy_rule {
	char name[POLICY_RULE_NAME_SIZE]; /* safe for a log line */
	char *file;
	unsigned int line; /* of the section's header */
	bool deny;
	uint32_t rights;   /* bit 1 << enum right; RIGHT_RUN: every command */
	struct words runs; /* NAMEs of run:NAME */
	struct words users, groups;
	uid_t *uids; /* of users.words, same order */
	gid_t *gids;
	struct words apps;
	bool every_app;
	bool require_sha256;
	bool has_hours;
	unsigned int from_minute, to_minute; /* from <= t < to; from > to: over night */
};

struct policy {
	struct policy_rule *rules;
	size_t n_rules;
};

static inline bool policy_id_is_nobody(uint32_t id)
{
	return id == POLICY_ID_INVALID || id == POLICY_ID_OVERFLOW;
}

/* uid:N, not a name: no name has a colon (passwd(5)). */
static inline bool policy_word_is_uid(const char *word)
{
	return strncmp(word, "uid:", 4) == 0;
}

static inline uint32_t policy_right_bit(enum right right)
{
	return UINT32_C(1) << right;
}

void policy_rule_deinit(struct policy_rule *rule) __attribute__((nonnull));
