#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"
#include "setup/script_names.h"
#include "verb.h"

/*
 * mix_deploy's scripts, by their names and without arguments: deployctl itself under
 * another name (deploy-restart), or the two lines of a hook that CodeDeploy runs. Each
 * stands for a command line of deployctl.
 */

/* The directory of a path, "." for a name. The caller frees; NULL without memory. */
char *script_directory(const char *path) __attribute__((nonnull));

/*
 * Could a program of that name be a script? So it is when it begins with SCRIPT_PREFIX,
 * or ends in the name of a script behind some prefix.
 */
bool script_is_name(const char *argv0) __attribute__((nonnull));

/*
 * deployctl was called under the name of a script: does what it stands for. What is in
 * argv behind the name goes to the verb. Returns the exit status.
 */
int script_main(const struct verb_table *verbs, int argc, char *argv[])
	__attribute__((nonnull));

/* Says that there is no such script, and what there is. Returns the exit status. */
int script_tell_unknown(const char *base) __attribute__((nonnull));
/* The same for one that does not exist here. */
int script_tell_instead(const struct script *script) __attribute__((nonnull));

/* Runs a command line of deployctl, NULL-terminated and without argv[0]. */
#define SCRIPT_ARGS_MAX 64
int script_run(const struct verb_table *verbs, const char *const args[])
	__attribute__((nonnull));

/*
 * locate.c: the app whose scripts_dir dir is, else the only one that is configured. The
 * caller frees it. NULL, and the failure was told, when there is none or several.
 */
struct app_config *script_app(const char *dir, enum deploy_result *ret_result)
	__attribute__((nonnull, warn_unused_result));

/*
 * build.c: the archive that mix or distillery made in the current directory, as
 * deploy-release takes it: _build/MIX_ENV/NAME-VERSION.tar.gz. RELEASE_NAME and
 * RELEASE_VSN of the environment go before the app's release_name and version; without
 * either the version is that of the release that was built last.
 */
struct build {
	char path[4096];
	char version[128];
};
int build_find(const struct app_config *app, struct build *ret_build,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
