#pragma once

#include "deploy/app_config.h"
#include "deploy/diag.h"
#include "generate/generated.h"

/* The files of an app that are made from its configuration. Pure. */

#define GENERATE_UNITS	 (1u << 0) /* systemd/: the service, socket, environment */
#define GENERATE_OTHERS	 (1u << 1) /* sysusers.d/, tmpfiles.d/, policy.d/ */
#define GENERATE_BUNDLE	 (1u << 2) /* appspec.yml, bin/: hooks of CodeDeploy */
#define GENERATE_SUDOERS (1u << 3) /* sudoers.d/ */

/*
 * Makes what is wanted. Faults of the app's file go to diag; with errors there nothing
 * of it is fit to be used. -ENOMEM or 0; *ret_generated is to be freed either way.
 */
int generate(const struct app_config *app, unsigned int what, struct diag *diag,
	     struct generated *ret_generated)
	__attribute__((nonnull, warn_unused_result));

/* The parts; each text is owned by the caller, NULL without memory. */
char *generate_policy(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));
char *generate_sudoers(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));
char *generate_appspec(const struct app_config *app, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));

/* bundle.c: the hooks in bin/, by the names of mix_deploy's scripts. */
int generate_hooks(const struct app_config *app, struct diag *diag,
		   struct generated *generated)
	__attribute__((nonnull, warn_unused_result));
