#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/policy_rule.h"

/* The values of a rule's options: policy_parse.c's other half. */

struct app_config;
struct diag;
struct ini_entry;
struct policy_resolver;

struct policy_reader {
	struct app_config *const *apps;
	size_t n_apps;
	const struct policy_resolver *resolver;
	struct diag *diag;
	struct policy_rule *rule; /* being read; NULL: a section to be skipped */
};

/* Each takes one line's value into reader->rule; what is wrong goes to diag. */
void policy_take_verbs(struct policy_reader *reader, const struct ini_entry *entry,
		       bool deny) __attribute__((nonnull));
void policy_take_users(struct policy_reader *reader, const struct ini_entry *entry)
	__attribute__((nonnull));
void policy_take_groups(struct policy_reader *reader, const struct ini_entry *entry)
	__attribute__((nonnull));
void policy_take_apps(struct policy_reader *reader, const struct ini_entry *entry)
	__attribute__((nonnull));
void policy_take_require_sha256(struct policy_reader *reader,
				const struct ini_entry *entry) __attribute__((nonnull));
void policy_take_hours(struct policy_reader *reader, const struct ini_entry *entry)
	__attribute__((nonnull));

/* Appends a copy; false without memory. */
bool policy_words_add(struct words *words, const char *word, size_t length)
	__attribute__((warn_unused_result, nonnull));

/* True when the word is one of them. */
bool policy_words_have(const struct words *words, const char *word)
	__attribute__((nonnull));
