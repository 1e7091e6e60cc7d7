#pragma once

#include "generate/text.h"

/*
 * The units of an app: the service, a socket with listen_stream, and the service that
 * finds out the environment with runtime_environment_service. Each is owned by the
 * caller; NULL without memory. Faults of the app's file are in diag.
 */
char *unit_service(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));
char *unit_socket(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));
char *unit_environment(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));

/* Parts of the service, one file each. */

/* unit_exec.c: ExecStartPre=, ExecStart=, ExecStop=, ExecReload=, PIDFile=. */
void unit_exec(struct text *text) __attribute__((nonnull));
/* unit_dirs.c: the directories that systemd makes, and what the app is told of them. */
void unit_directories(struct text *text) __attribute__((nonnull));
void unit_directory_variables(struct text *text) __attribute__((nonnull));
/* The command that gives the configuration directory the owner it is to have. */
void unit_configuration_owner(struct text *text) __attribute__((nonnull));
/* RuntimeDirectory= and its like, of a part ("runtime"). */
void unit_directory(struct text *text, const char *kind) __attribute__((nonnull));

/* unit_sandbox.c: chroot, paths, paranoia. */
void unit_sandbox(struct text *text) __attribute__((nonnull));

/* unit_options.c: what the options say, for all of these. */
bool unit_has_socket(const struct app_config *app) __attribute__((nonnull));
bool unit_has_environment(const struct app_config *app) __attribute__((nonnull));
/* The service is started by the release's own script. */
bool unit_uses_script(const struct text *text) __attribute__((nonnull));
/* Is the runtime directory made for the service, listed or not? */
bool unit_wants_runtime(const struct text *text) __attribute__((nonnull));
enum unit_root {
	UNIT_ROOT_HOST,
	UNIT_ROOT_RELEASE, /* chroot: the release is the root */
	UNIT_ROOT_OWN,	   /* chroot: an empty directory, filled by mounts */
};
enum unit_root unit_root(const struct text *text) __attribute__((nonnull));
/* The path as a process of the service sees it; points into path. */
const char *unit_path(const struct text *text, const char *path)
	__attribute__((nonnull));

unsigned int unit_systemd_version(const struct text *text) __attribute__((nonnull));
