#pragma once

#include <stdbool.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"
#include "setup/setup.h"

/*
 * A bundle of CodeDeploy: the directory with the appspec.yml that a hook lies in, as
 * stage-files makes it. apps.d/APP.conf in it is the app's file.
 */
struct bundle {
	char *dir;	/* absolute; NULL: the hook is in no bundle */
	char *app_file; /* NULL: it brings none */
	struct app_config *app;
	char *archive; /* NULL: it brings none */
};

/*
 * Finds out where the hook file lies and of which app it is: that of the bundle, or the
 * configured one. file may be NULL. Returns an exit status; when it is not 0 the
 * failure was told. The caller calls bundle_deinit() either way.
 */
int bundle_open(const char *file, struct bundle *ret_bundle)
	__attribute__((nonnull(2), warn_unused_result));
void bundle_deinit(struct bundle *bundle) __attribute__((nonnull));

/* The configuration in /etc is that of the bundle. True also without one there. */
bool bundle_is_installed(const struct bundle *bundle) __attribute__((nonnull));

/*
 * Steps of set-up. Before CodeDeploy copies the bundle's files: removes what link-
 * scripts put in the place of one, because CodeDeploy would write through the link.
 * After it: puts the bundle's app file where deployd reads it, unless it is there.
 */
int bundle_unlink_scripts(struct setup *setup, const struct bundle *bundle,
			  struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
int bundle_install_app_file(struct setup *setup, const struct bundle *bundle,
			    struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
