#pragma once

#include <stdint.h>

#include "deploy/app_config.h"
#include "deploy/diag.h"

/* Where an option was set; file is NULL when it was not. */
struct config_origin {
	char *file;
	unsigned int line;
};

/* /etc/deployd/deployd.conf (deployd.conf(5)): what is not about one app. */
struct daemon_config {
	char *intake_user; /* default deployd-intake */
	char *unpack_user; /* default deployd-unpack */
	struct config_origin intake_origin, unpack_origin;
	uint64_t jobs_max;		   /* deploys at once, default 4, 1-64 */
	uint64_t queue_max;		   /* waiting deploys an app, default 4, 0-64 */
	uint64_t connections_max;	   /* default 256 */
	uint64_t connections_per_user_max; /* default 16 */
	uint64_t request_timeout_sec;	   /* default 10 */
	uint64_t intake_idle_sec; /* archive bytes must come within, default 60 */
	uint64_t intake_min_bytes_per_sec; /* default 1 KiB, 0 = any */
	uint64_t unpack_memory_bytes; /* RLIMIT_AS of deployd-unpack, default 1 GiB */
	uint64_t reserve_bytes; /* kept free on the releases' disk, default 64 MiB */
};

/* texts as for app_config_parse; none at all gives the defaults. NULL on errors. */
struct daemon_config *daemon_config_parse(const struct config_text *texts,
					  size_t n_texts, struct diag *diag)
	__attribute__((nonnull(3), warn_unused_result));

void daemon_config_free(struct daemon_config *config);
