#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"
#include "verb.h"

struct manifest;

/*
 * What root does on a machine without asking deployd: accounts, directories, files, the
 * unit. Each verb compares what is there with what the app's file wants and repairs
 * only what differs; it says every change, and with --dry-run does nothing else.
 *
 * With DESTDIR all of it lands below that directory, and nothing that is written there
 * knows of it: paths are those of the target everywhere, only place.h puts DESTDIR in
 * front.
 */
struct setup {
	const struct verb *verb;
	const struct options *options;
	struct app_config *app; /* with APP_USER and so on of the environment */
	char *destdir;		/* absolute, resolved; "" without */
	int root_fd;		/* O_PATH, of DESTDIR or of / */
	bool dry_run;
	bool is_root;		   /* owners can be given */
	bool has_passwd;	   /* accounts are those of DESTDIR, not of the host */
	struct manifest *manifest; /* manifest.h; NULL until it is needed */
	unsigned int n_changes;
};

/* What a verb does. 0, or negative errno with ei filled. */
typedef int setup_step(struct setup *setup, struct errinfo *ei);

/*
 * Runs a verb: reads the app's configuration, checks who calls, does the step, tells
 * the result. Returns deployctl's exit status; beside those of the step 2 usage, 4 not
 * root, 5 no such app, 6 its file has errors.
 */
int setup_run(const struct verb *verb, const struct options *options, setup_step *step)
	__attribute__((nonnull));

/*
 * Is DESTDIR a tree without accounts of its own, which is packed and unpacked
 * elsewhere?
 */
bool setup_is_staging(const struct setup *setup) __attribute__((nonnull));

/*
 * Says a change before it is made, and counts it: "create /srv/foo: ...". action is a
 * word (create, repair, remove, run), path is one of the target, or what else is
 * changed, such as a user's name.
 */
void setup_say(struct setup *setup, const char *action, const char *path,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5), nonnull));

/* Says something that is no change. */
void setup_note(struct setup *setup, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/* Steps, in the order of init. */
int setup_create_users(struct setup *setup, struct errinfo *ei);
int setup_create_dirs(struct setup *setup, struct errinfo *ei);
int setup_copy_files(struct setup *setup, struct errinfo *ei);
int setup_link_scripts(struct setup *setup, struct errinfo *ei);
int setup_enable(struct setup *setup, struct errinfo *ei);

/* With --app-file: copy-files installs the unit that was generated in the project. */
bool setup_has_generated_unit(const struct setup *setup) __attribute__((nonnull));

int setup_set_perms(struct setup *setup, struct errinfo *ei);
int setup_clean_target(struct setup *setup, struct errinfo *ei);
int setup_remove_app(struct setup *setup, struct errinfo *ei);
int setup_adopt(struct setup *setup, struct errinfo *ei);
