#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * mix_deploy's scripts, by their names and without arguments: deployctl itself under
 * another name (deploy-restart), or the two lines of a hook that CodeDeploy runs. Each
 * stands for a command line of deployctl.
 */

#define SCRIPT_PREFIX "deploy-" /* beside the app's target_prefix */

struct script {
	const char *name;     /* without the prefix */
	const char *verb;     /* NULL: there is no such thing here */
	const char *argument; /* behind the app; NULL: none */
	const char *instead;  /* without a verb: what to do */
};

extern const struct script scripts[];
extern const size_t n_scripts;

/*
 * The script that base (a file's name) is under prefix, or under SCRIPT_PREFIX. NULL
 * when it is none.
 */
const struct script *script_find(const char *base, const char *prefix)
	__attribute__((nonnull(1)));

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
int script_main(int argc, char *argv[]) __attribute__((nonnull));

/* Says that there is no such script, and what there is. Returns the exit status. */
int script_tell_unknown(const char *base) __attribute__((nonnull));
/* The same for one that does not exist here. */
int script_tell_instead(const struct script *script) __attribute__((nonnull));

/* Runs a command line of deployctl, NULL-terminated and without argv[0]. */
#define SCRIPT_ARGS_MAX 64
int script_run(const char *const args[]) __attribute__((nonnull));

/*
 * locate.c: the app whose scripts_dir dir is, else the only one that is configured. The
 * caller frees it. NULL, and the failure was told, when there is none or several.
 */
struct app_config *script_app(const char *dir, enum deploy_result *ret_result)
	__attribute__((nonnull, warn_unused_result));

/* The app's option target_prefix. */
const char *script_prefix(const struct app_config *app) __attribute__((nonnull));

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
