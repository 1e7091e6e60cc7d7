#pragma once

#include "deploy/app_config.h"
#include "doctor/finding.h"
#include "process/tool.h"
#include "setup/setup.h"

/*
 * What doctor examines. Every check adds what it finds; none changes anything. What
 * cannot be found out is no finding.
 */

/* `systemctl show` of a unit, and `systemctl cat` of it. */
struct unit_facts {
	char show[TOOL_OUTPUT_SIZE], files[TOOL_OUTPUT_SIZE];
	unsigned int systemd_version; /* 0: not known */
};

/*
 * daemon_checks.c: deployd's own units, which every app needs. The texts of `systemctl
 * show` of deployd.service and deployd-sessions.socket.
 */
void check_daemon(const char *deployd_show, const char *sessions_show,
		  struct findings *findings) __attribute__((nonnull));

/* unit_checks.c; of texts alone, but for who may change the files that they name. */
void check_unit(const struct app_config *app, const struct unit_facts *facts,
		struct findings *findings) __attribute__((nonnull));
/* exec_checks.c: what the unit runs, and as whom. */
void check_commands(const struct app_config *app, const struct unit_facts *facts,
		    struct findings *findings) __attribute__((nonnull));

/* file_checks.c. deployd_show: `systemctl show` of deployd.service. */
void check_files(const struct app_config *app, const char *deployd_show,
		 struct findings *findings) __attribute__((nonnull));

/* user_checks.c: accounts, and what sudo lets them do. */
void check_users(const struct setup *setup, struct findings *findings)
	__attribute__((nonnull));
