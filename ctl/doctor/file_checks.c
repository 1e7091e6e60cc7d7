/* doctor: the app's directories, and what deployd can do there. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "doctor/doctor.h"
#include "doctor/path.h"
#include "process/unit_text.h"
#include "setup/accounts.h"
#include "setup/tree.h"

static void check_parents(const struct app_config *app, struct findings *findings)
{
	char bad[PATH_MAX], who[128];

	if (path_parents_are_roots(app->deploy_dir, bad, who))
		return;
	finding_add(findings, "unsafe-parent",
		    "whoever can write a directory above the app's can put another "
		    "one in its place; deployd refuses to work there.");
	finding_what(findings, "%s can change '%s', where %s lies", who,
		     *bad ? bad : "/", app->deploy_dir);
	finding_fix(findings, "chown root '%s' && chmod go-w '%s'", bad, bad);
}

static void tell_adopt(const struct app_config *app, struct findings *findings)
{
	finding_add(findings, "not-adopted",
		    "what the deploy user owns he can change behind deployd's back, "
		    "which refuses it.");
	finding_fix(findings, "deployctl adopt %s, then deployctl adopt %s --yes",
		    app->app_name, app->app_name);
}

static bool check_owner(const struct app_config *app, const char *path,
			struct findings *findings)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0))
		return true;
	tell_adopt(app, findings);
	finding_what(findings,
		     "'%s' can be changed by others than root (uid %u, mode %04o)",
		     path, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777);
	return false;
}

/* One finding is enough: adopt is about all of it. */
static void check_tree(const struct app_config *app, struct findings *findings)
{
	const char *releases = strrchr(app->releases_dir, '/') + 1;
	char target[PATH_MAX];
	size_t n = strlen(releases);
	struct stat st;
	ssize_t length;

	if (!check_owner(app, app->deploy_dir, findings) ||
	    !check_owner(app, app->releases_dir, findings) ||
	    !check_owner(app, app->scripts_dir, findings) ||
	    !check_owner(app, app->etc_dir, findings) ||
	    lstat(app->current_dir, &st) < 0)
		return;
	length = readlink(app->current_dir, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (length > 0 && strncmp(target, releases, n) == 0 && target[n] == '/' &&
	    names_release_valid(target + n + 1))
		return;
	tell_adopt(app, findings);
	if (length > 0)
		finding_what(findings, "'%s' points to '%s', not to '%s/RELEASE'",
			     app->current_dir, target, releases);
	else
		finding_what(findings, "'%s' is not a link", app->current_dir);
}

/* One word of ReadWritePaths= or its like; without "-" and "+" in front. */
static bool is_writable(const char *show, const char *path)
{
	char value[UNIT_TEXT_MAX], *save = NULL;

	for (unsigned int n = 0;
	     unit_text_value(show, "ReadWritePaths", n, value, sizeof(value)); n++)
		for (char *word = strtok_r(value, " ", &save); word;
		     word = strtok_r(NULL, " ", &save)) {
			word += strspn(word, "-+");
			if (strcmp(word, "/") == 0 || tree_is_below(path, word))
				return true;
		}
	return false;
}

static void check_sandbox(const struct app_config *app, const char *deployd_show,
			  struct findings *findings)
{
	bool hidden;

	if (!unit_text_is(deployd_show, "LoadState", "loaded"))
		return;
	hidden = !unit_text_is(deployd_show, "ProtectHome", "no") &&
		 (tree_is_below(app->deploy_dir, "/home") ||
		  tree_is_below(app->deploy_dir, "/root") ||
		  tree_is_below(app->deploy_dir, "/run/user"));
	if (!hidden && (!unit_text_is(deployd_show, "ProtectSystem", "strict") ||
			is_writable(deployd_show, app->deploy_dir)))
		return;
	finding_add(findings, "read-only-base",
		    "deployd runs with a read-only view of the file system, and "
		    "could not put a release there.");
	finding_what(findings, "deployd.service may not write in '%s'", app->base_dir);
	finding_fix(findings,
		    "mkdir -p /etc/systemd/system/deployd.service.d\n"
		    "printf '[Service]\\n%sReadWritePaths=%s\\n' > "
		    "/etc/systemd/system/deployd.service.d/%s.conf\n"
		    "systemctl daemon-reload && systemctl restart deployd",
		    hidden ? "ProtectHome=no\\n" : "", app->base_dir, app->app_name);
}

/* File systems that do not tell of what other machines do; as deployd has it. */
static bool is_remote(const char *path)
{
	static const unsigned int magics[] = {
		NFS_SUPER_MAGIC,  FUSE_SUPER_MAGIC, SMB_SUPER_MAGIC,   SMB2_SUPER_MAGIC,
		CIFS_SUPER_MAGIC, V9FS_MAGIC,	    CEPH_SUPER_MAGIC,  AFS_SUPER_MAGIC,
		AFS_FS_MAGIC,	  CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC,
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if ((unsigned int)fs.f_type == magics[i])
			return true;
	return false;
}

static void tell_flags(struct findings *findings, const struct app_config *app)
{
	finding_add(findings, "flags-not-watchable",
		    "deployd restarts the app when restart.flag in it is touched; it "
		    "must be able to open and watch the directory.");
	finding_fix(findings, "deployctl create-dirs %s", app->app_name);
}

static void check_flags(const struct app_config *app, struct findings *findings)
{
	char bad[PATH_MAX], who[128];
	struct stat st;

	if (app->restart_method == RESTART_METHOD_SYSTEMCTL)
		return;
	if (lstat(app->flags_dir, &st) < 0) {
		tell_flags(findings, app);
		finding_what(findings, "there is no '%s'", app->flags_dir);
	} else if (!S_ISDIR(st.st_mode)) {
		tell_flags(findings, app);
		finding_what(findings, "'%s' is not a directory", app->flags_dir);
		finding_fix(findings, "rm '%s' && deployctl create-dirs %s",
			    app->flags_dir, app->app_name);
	} else if (st.st_uid != 0 && (st.st_mode & 05) != 05) {
		tell_flags(findings, app);
		finding_what(findings,
			     "'%s' has mode %04o; deployd has no right to pass over "
			     "modes and needs r-x for others",
			     app->flags_dir, (unsigned int)st.st_mode & 07777);
	} else if (!path_parents_are_roots(app->flags_dir, bad, who)) {
		tell_flags(findings, app);
		finding_what(findings, "%s can change '%s', above '%s'", who, bad,
			     app->flags_dir);
		finding_fix(findings, "chown root '%s' && chmod go-w '%s'", bad, bad);
	} else if (is_remote(app->flags_dir)) {
		tell_flags(findings, app);
		finding_what(findings,
			     "'%s' is on a file system that does not tell of changes; "
			     "deployd checks it only every few seconds",
			     app->flags_dir);
		finding_fix(findings,
			    "flags_dir = /run/%s-flags in %s, or another "
			    "local directory",
			    app->ext_name, app->file);
	}
}

void check_files(const struct app_config *app, const char *deployd_show,
		 struct findings *findings)
{
	check_parents(app, findings);
	check_tree(app, findings);
	check_sandbox(app, deployd_show, findings);
	check_flags(app, findings);
}
