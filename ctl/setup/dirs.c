/* create-dirs: compared here, made and repaired by systemd-tmpfiles. */
#include "setup/dirs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "process/tool.h"
#include "setup/accounts.h"
#include "setup/fragment.h"
#include "setup/manifest.h"
#include "setup/staging.h"

#define TMPFILES_TIMEOUT_SEC 60

enum state {
	STATE_MISSING,
	STATE_DIFFERS,
	STATE_GOOD,
};

static int examine(struct setup *setup, const struct tree_dir *dir,
		   const struct owner *owner, struct stat *ret_stat,
		   enum state *ret_state, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	bool other_owner;
	int r = place_open_dir(setup, dir->path, false, &fd, ei);

	if (r == -ENOENT) {
		*ret_state = STATE_MISSING;
		return 0;
	}
	if (r < 0)
		return r;
	if (fstat(fd, ret_stat) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s%s'", setup->destdir,
				   dir->path);
	if (dir->is_linked) {
		*ret_state = STATE_GOOD;
		return 0;
	}
	other_owner = setup->is_root &&
		      ((owner->uid != (uid_t)-1 && owner->uid != ret_stat->st_uid) ||
		       (owner->gid != (gid_t)-1 && owner->gid != ret_stat->st_gid));
	*ret_state = other_owner || (ret_stat->st_mode & 07777) != dir->mode
			     ? STATE_DIFFERS
			     : STATE_GOOD;
	return 0;
}

/* "-" leaves it: to who runs this, or for what is not known yet. */
static char *number(const struct setup *setup, unsigned int id)
{
	char *text;

	if (!setup->is_root || id == (unsigned int)-1)
		return strdup("-");
	return asprintf(&text, "%u", id) < 0 ? NULL : text;
}

static void say(struct setup *setup, const struct tree_dir *dir, enum state state,
		const struct stat *st)
{
	if (state == STATE_MISSING)
		setup_say(setup, "create", dir->path, "directory %s:%s %04o", dir->user,
			  dir->group, (unsigned int)dir->mode);
	else
		setup_say(setup, "repair", dir->path, "%u:%u %04o becomes %s:%s %04o",
			  (unsigned int)st->st_uid, (unsigned int)st->st_gid,
			  (unsigned int)st->st_mode & 07777, dir->user, dir->group,
			  (unsigned int)dir->mode);
}

/* Says what is to be done with it, and adds its line. */
static int plan(struct setup *setup, const struct tree_dir *dir, bool record,
		FILE *lines, bool *any, struct errinfo *ei)
{
	cleanup_free char *user = NULL, *group = NULL, *line = NULL;
	enum state state = STATE_MISSING;
	struct owner owner;
	struct stat st;
	int r = owner_resolve(setup, dir->user, dir->group, &owner, ei);

	if (r == 0)
		r = examine(setup, dir, &owner, &st, &state, ei);
	if (r < 0 || state == STATE_GOOD)
		return r;
	say(setup, dir, state, &st);
	if (state == STATE_MISSING && record && !setup->dry_run)
		r = manifest_add(setup, MANIFEST_DIRECTORY, dir->path, ei);
	if (r < 0)
		return r;
	user = number(setup, owner.uid);
	group = number(setup, owner.gid);
	line = user && group ? fragment_directory(dir->path, dir->mode, user, group)
			     : NULL;
	if (!line || fputs(line, lines) == EOF)
		return errinfo_set(ei, ENOMEM, "cannot make directories");
	*any = true;
	return 0;
}

static int verify(struct setup *setup, const struct tree_dir *dir, struct errinfo *ei)
{
	enum state state = STATE_MISSING;
	struct owner owner;
	struct stat st;
	int r = owner_resolve(setup, dir->user, dir->group, &owner, ei);

	if (r == 0)
		r = examine(setup, dir, &owner, &st, &state, ei);
	if (r < 0 || state == STATE_GOOD)
		return r;
	return errinfo_refuse(ei, RESULT_FAILED,
			      "'%s%s' is not as it should be after systemd-tmpfiles; "
			      "is its parent root's, and writable by nobody else?",
			      setup->destdir, dir->path);
}

static int run_tmpfiles(const struct setup *setup, const char *lines,
			struct errinfo *ei)
{
	cleanup_free char *root = NULL;
	const char *argv[] = {"systemd-tmpfiles", "--create", "-", NULL, NULL};

	if (asprintf(&root, "--root=%s", setup->destdir) < 0) {
		root = NULL;
		return errinfo_set(ei, ENOMEM, "cannot run systemd-tmpfiles");
	}
	if (*setup->destdir) {
		argv[2] = root;
		argv[3] = "-";
	}
	return tool_must(argv, lines, TMPFILES_TIMEOUT_SEC, ei);
}

static bool is_skipped(const struct setup *setup, const struct tree_dir *dir)
{
	return dir->is_volatile && *setup->destdir;
}

int dirs_apply(struct setup *setup, const struct tree *tree, bool record,
	       struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	size_t size;
	FILE *lines = open_memstream(&text, &size);
	bool any = false;
	int r = 0;

	if (!lines)
		return errinfo_set(ei, ENOMEM, "cannot make directories");
	for (size_t i = 0; r == 0 && i < tree->n_dirs; i++)
		if (!is_skipped(setup, &tree->dirs[i]))
			r = plan(setup, &tree->dirs[i], record, lines, &any, ei);
	if (fclose(lines) != 0 && r == 0)
		r = errinfo_set(ei, ENOMEM, "cannot make directories");
	if (r < 0 || !any || setup->dry_run)
		return r;
	r = run_tmpfiles(setup, text, ei);
	for (size_t i = 0; r == 0 && i < tree->n_dirs; i++)
		if (!is_skipped(setup, &tree->dirs[i]))
			r = verify(setup, &tree->dirs[i], ei);
	return r;
}

int setup_create_dirs(struct setup *setup, struct errinfo *ei)
{
	struct tree tree;
	int r = tree_of(setup->app, &tree);

	if (r < 0)
		return errinfo_set(ei, r, "cannot make directories");
	r = dirs_apply(setup, &tree, true, ei);
	if (r == 0 && setup_is_staging(setup))
		r = staging_tmpfiles(setup, &tree, ei);
	tree_deinit(&tree);
	return r;
}
