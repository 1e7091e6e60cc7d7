#pragma once

#include "deploy/app_config.h"

/*
 * What comes of an app's files, one line each: the messages; then, when there is a
 * config, its options with their origins (with all: those at their default too) and its
 * named sections. Every typed field is compared with its option; a difference is shown.
 * The caller frees.
 */
char *dump_app(const char *name, const struct config_text *texts, size_t n_texts,
	       bool all) __attribute__((nonnull));

/* The same of deployd.conf: the messages, then every field. */
char *dump_daemon(const struct config_text *texts, size_t n_texts)
	__attribute__((nonnull));
