/* create-users: accounts through systemd-sysusers, of which only what is missing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "process/tool.h"
#include "setup/accounts.h"
#include "setup/dirs.h"
#include "setup/fragment.h"
#include "setup/staging.h"

#define SYSUSERS_TIMEOUT_SEC 60 /* it waits for the lock of /etc/passwd */

/* What is missing, as lines of sysusers.d(5). */
struct wanted {
	struct setup *setup;
	FILE *lines;
	bool any;
};

static int want_group(struct wanted *wanted, const char *group, struct errinfo *ei)
{
	gid_t gid;
	int r = account_group(wanted->setup, group, &gid);

	if (r == 0)
		return 0;
	if (r != -ENOENT)
		return errinfo_set(ei, r, "cannot look up the group '%s'", group);
	setup_say(wanted->setup, "create", group, "group");
	(void)fprintf(wanted->lines, "g %s -\n", group);
	wanted->any = true;
	return 0;
}

static int want_user(struct wanted *wanted, const char *user, const char *group,
		     const char *what, const char *home, const char *shell,
		     struct errinfo *ei)
{
	cleanup_free char *word = fragment_word(home);
	uid_t uid;
	gid_t gid;
	int r = word ? account_user(wanted->setup, user, &uid, &gid) : -ENOMEM;

	if (r == 0)
		return 0;
	if (r != -ENOENT)
		return errinfo_set(ei, r, "cannot look up the user '%s'", user);
	setup_say(wanted->setup, "create", user, "user, group %s, home %s, %s", group,
		  home, *shell == '-' ? "no login" : shell);
	(void)fprintf(wanted->lines, "u %s -:%s \"%s %s\" %s %s\n", user, group, what,
		      wanted->setup->app->app_name, word, shell);
	wanted->any = true;
	return 0;
}

static int want_member(struct wanted *wanted, const char *user, const char *group,
		       const char *primary, struct errinfo *ei)
{
	int r = account_is_member(wanted->setup, user, group);
	uid_t uid;
	gid_t gid;

	if (r < 0)
		return errinfo_set(ei, r, "cannot look up the group '%s'", group);
	if (r > 0)
		return 0;
	/* One that is made in this group needs no membership beside it. */
	if (strcmp(group, primary) == 0 &&
	    account_user(wanted->setup, user, &uid, &gid) < 0)
		return 0;
	setup_say(wanted->setup, "repair", user, "becomes a member of group %s", group);
	(void)fprintf(wanted->lines, "m %s %s\n", user, group);
	wanted->any = true;
	return 0;
}

static int want_accounts(struct wanted *wanted, struct errinfo *ei)
{
	const struct app_config *app = wanted->setup->app;
	cleanup_free char *home = fragment_home(app->deploy_user);
	bool is_one = strcmp(app->app_user, app->deploy_user) == 0;
	int r = home ? 0 : errinfo_set(ei, ENOMEM, "cannot create users");

	if (r == 0)
		r = want_group(wanted, app->app_group, ei);
	if (r == 0 && strcmp(app->app_group, app->deploy_group) != 0)
		r = want_group(wanted, app->deploy_group, ei);
	if (r == 0)
		r = want_group(wanted, FRAGMENT_DEPLOYD_GROUP, ei);
	if (r == 0 && !is_one)
		r = want_user(wanted, app->app_user, app->app_group, "runs",
			      fragment_app_home(app), "-", ei);
	if (r == 0)
		r = want_user(wanted, app->deploy_user, app->deploy_group, "deploys",
			      home, FRAGMENT_LOGIN_SHELL, ei);
	if (r == 0 && !is_one)
		r = want_member(wanted, app->app_user, app->app_group, app->app_group,
				ei);
	if (r == 0)
		r = want_member(wanted, app->deploy_user, app->app_group,
				app->deploy_group, ei);
	if (r == 0)
		r = want_member(wanted, app->deploy_user, FRAGMENT_DEPLOYD_GROUP,
				app->deploy_group, ei);
	return r;
}

static int run_sysusers(const struct setup *setup, const char *lines,
			struct errinfo *ei)
{
	cleanup_free char *root = NULL;
	const char *argv[] = {"systemd-sysusers", "-", NULL, NULL};

	if (asprintf(&root, "--root=%s", setup->destdir) < 0) {
		root = NULL;
		return errinfo_set(ei, ENOMEM, "cannot run systemd-sysusers");
	}
	if (*setup->destdir) {
		argv[1] = root;
		argv[2] = "-";
	}
	return tool_must(argv, lines, SYSUSERS_TIMEOUT_SEC, ei);
}

/* systemd-sysusers makes accounts, not their homes. */
static int make_home(struct setup *setup, struct errinfo *ei)
{
	const struct app_config *app = setup->app;
	cleanup_free char *home = fragment_home(app->deploy_user);
	const struct tree_dir dir = {.path = home,
				     .user = app->deploy_user,
				     .group = app->deploy_group,
				     .mode = 0750};
	const struct tree tree = {.dirs = (struct tree_dir *)(uintptr_t)&dir,
				  .n_dirs = 1};
	char is[256] = "";
	struct stat st;
	int r = account_home(setup, app->deploy_user, is, sizeof(is));

	if (!home)
		return errinfo_set(ei, ENOMEM, "cannot make a home");
	if (r < 0 && r != -ENOENT)
		return errinfo_set(ei, r, "cannot look up '%s'", app->deploy_user);
	/* An account that was there before has a home of its own, or none. */
	if (r == 0 && strcmp(is, home) != 0)
		return 0;
	r = place_stat(setup, home, &st, ei);
	return r == -ENOENT ? dirs_apply(setup, &tree, false, ei) : r;
}

static int create_missing(struct setup *setup, struct errinfo *ei)
{
	struct wanted wanted = {.setup = setup};
	char *lines = NULL;
	size_t size;
	int r;

	wanted.lines = open_memstream(&lines, &size);
	if (!wanted.lines)
		return errinfo_set(ei, ENOMEM, "cannot create users");
	r = want_accounts(&wanted, ei);
	if (fclose(wanted.lines) != 0 && r == 0)
		r = errinfo_set(ei, ENOMEM, "cannot create users");
	if (r == 0 && wanted.any && !setup->dry_run)
		r = run_sysusers(setup, lines, ei);
	free(lines);
	return r;
}

int setup_create_users(struct setup *setup, struct errinfo *ei)
{
	int r;

	if (setup_is_staging(setup))
		return staging_sysusers(setup, ei);
	if (!setup->is_root)
		return errinfo_refuse(ei, RESULT_DENIED,
				      "only root can create users, also in a DESTDIR");
	r = create_missing(setup, ei);
	return r < 0 ? r : make_home(setup, ei);
}
