/*
 * extract-release, for CodeDeploy: `current` is a directory, not a link, and there is
 * no release but that one. The archive is unpacked beside it and takes its place at
 * once, complete; the one before goes away afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/daemon_config.h"
#include "deploy/diag.h"
#include "deploy/names.h"
#include "generate/unpacker.h"
#include "generate/verbs.h"
#include "setup/accounts.h"
#include "setup/lock.h"
#include "setup/manifest.h"
#include "setup/place.h"
#include "setup/setup.h"
#include "util/config_files.h"
#include "util/release_tree.h"
#include "util/treewalk.h"

#define BESIDE ".extract" /* root's alone; in it the new release, then the old one */
#define NEW    "release"

struct extract {
	struct setup *setup;
	int archive_fd;
	int deploy_fd, beside_fd;
	uid_t unpack_uid;
	gid_t unpack_gid, app_gid;
	uint64_t memory_bytes;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int open_archive(struct extract *extract, struct errinfo *ei)
{
	const struct app_config *app = extract->setup->app;
	const struct options *options = extract->setup->options;
	char by_default[NAME_MAX + 8], shown[300];
	const char *path = options->n_args > 1 ? options->args[1] : by_default;
	struct stat st;

	(void)snprintf(by_default, sizeof(by_default), "%s.tar.gz", app->release_name);
	(void)names_escape(path, shown, sizeof(shown));
	extract->archive_fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (extract->archive_fd < 0 || fstat(extract->archive_fd, &st) < 0) {
		int err = errno;

		(void)errinfo_set(ei, err, "cannot read the archive '%s'", shown);
		if (err == ENOENT)
			ei->result = RESULT_NOT_FOUND;
		return ei->err;
	}
	if (!S_ISREG(st.st_mode))
		return errinfo_refuse(ei, RESULT_USAGE, "'%s' is not a regular file",
				      shown);
	if ((uint64_t)st.st_size > app->limits.max_archive_bytes)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "'%s' is larger than max_archive_bytes", shown);
	return 0;
}

/* Who unpacks, and with how much memory, is deployd's to say here as well. */
static int read_daemon_config(struct extract *extract, struct errinfo *ei)
{
	struct config_file_list files;
	struct diag diag = {0};
	struct daemon_config *config;
	const struct passwd *unpack;
	int r = 0;

	config_files_read("deployd.conf", &files, &diag);
	config = daemon_config_parse(files.texts, files.n_texts, &diag);
	config_file_list_deinit(&files);
	if (!config || diag.has_errors) {
		r = errinfo_refuse(ei, RESULT_BAD_CONFIG, "%s",
				   diag.n_messages > 0 ? diag.messages[0]
						       : "cannot read deployd.conf");
	} else {
		extract->memory_bytes = config->unpack_memory_bytes;
		errno = 0;
		unpack = getpwnam(config->unpack_user);
		if (!unpack || unpack->pw_uid == 0) {
			r = errinfo_refuse(ei, RESULT_FAILED,
					   "there is no user %s, who unpacks "
					   "(unpack_user in deployd.conf); is deployd "
					   "installed?",
					   config->unpack_user);
		} else {
			extract->unpack_uid = unpack->pw_uid;
			extract->unpack_gid = unpack->pw_gid;
		}
	}
	daemon_config_free(config);
	diag_deinit(&diag);
	return r;
}

static int find_users(struct extract *extract, struct errinfo *ei)
{
	struct owner owner;
	int r;

	if (!extract->setup->is_root)
		return errinfo_refuse(ei, RESULT_DENIED,
				      "only root can unpack as another user, also in a "
				      "DESTDIR");
	r = read_daemon_config(extract, ei);
	if (r < 0)
		return r;
	r = owner_resolve(extract->setup, "root", extract->setup->app->app_group,
			  &owner, ei);
	extract->app_gid = owner.gid;
	return r;
}

/* Whether there is a directory in its place; a link is deployd's. */
static int examine_current(struct extract *extract, bool *ret_is_there,
			   struct errinfo *ei)
{
	const struct app_config *app = extract->setup->app;
	struct stat st;
	int r = place_stat(extract->setup, app->current_dir, &st, ei);

	*ret_is_there = r == 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0 || S_ISDIR(st.st_mode))
		return r;
	return errinfo_refuse(ei, RESULT_FAILED,
			      "'%s' is no directory but %s; for an app with several "
			      "releases use `deployctl deploy %s FILE`",
			      app->current_dir,
			      S_ISLNK(st.st_mode) ? "the link of an app that deployd "
						    "deploys"
						  : "a file",
			      app->app_name);
}

static int open_beside(struct extract *extract, struct errinfo *ei)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	cleanup_close int fd = -1;
	int r = place_open_dir(extract->setup, extract->setup->app->deploy_dir, true,
			       &fd, ei);

	/* Who can rename what is in it could exchange what is chowned there. */
	if (r == 0)
		r = place_check_dirs(extract->setup, extract->setup->app->deploy_dir,
				     ei);
	if (r < 0)
		return r;
	extract->deploy_fd = openat(fd, ".", flags);
	if (extract->deploy_fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'",
				   extract->setup->app->deploy_dir);
	/* Of one that was killed. */
	r = tree_remove(extract->deploy_fd, BESIDE, ei);
	if (r < 0)
		return r;
	if (mkdirat(extract->deploy_fd, BESIDE, 0700) < 0)
		return errinfo_set(ei, errno, "cannot make '%s/" BESIDE "'",
				   extract->setup->app->deploy_dir);
	extract->beside_fd = openat(extract->deploy_fd, BESIDE, flags);
	if (extract->beside_fd < 0 || mkdirat(extract->beside_fd, NEW, 0700) < 0 ||
	    fchownat(extract->beside_fd, NEW, extract->unpack_uid, extract->unpack_gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return errinfo_set(ei, errno, "cannot prepare for unpacking");
	return 0;
}

static int unpack(const struct extract *extract, struct errinfo *ei)
{
	const struct release_limits *limits = &extract->setup->app->limits;
	struct release_tree tree = {.unpack_uid = extract->unpack_uid,
				    .max_bytes = limits->max_release_bytes,
				    .max_entries = limits->max_entries,
				    .max_depth = limits->max_depth,
				    .link_targets =
					    (const char *const *)limits->link_targets};
	cleanup_close int fd = -1;
	int r = unpacker_run(&(struct unpacker){.limits = limits,
						.archive_fd = extract->archive_fd,
						.dir_fd = extract->beside_fd,
						.name = NEW,
						.uid = extract->unpack_uid,
						.gid = extract->unpack_gid,
						.memory_bytes = extract->memory_bytes},
			     ei);

	if (r < 0)
		return r;
	fd = openat(extract->beside_fd, NEW,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open what was unpacked");
	tree.root_fd = fd;
	r = release_tree_take(&tree, extract->app_gid, ei);
	release_tree_deinit(&tree);
	if (r == 0 && syncfs(fd) < 0)
		r = errinfo_set(ei, errno, "cannot make the release durable");
	return r;
}

/* The names change places in one step: there is no moment without a release. */
static int exchange(const struct extract *extract, bool is_there, struct errinfo *ei)
{
	const char *path = extract->setup->app->current_dir;
	int r = manifest_add(extract->setup, MANIFEST_DIRECTORY, path, ei);

	if (r < 0)
		return r;
	if (renameat2(extract->beside_fd, NEW, extract->deploy_fd, base_name(path),
		      is_there ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
		return errinfo_set(ei, errno, "cannot put the release into '%s'", path);
	if (fsync(extract->deploy_fd) < 0)
		return errinfo_set(ei, errno, "cannot make '%s' durable", path);
	return 0;
}

static int run(struct extract *extract, struct errinfo *ei)
{
	struct setup *setup = extract->setup;
	const struct options *options = setup->options;
	bool is_there = false;
	struct errinfo ignored = {0};
	int r = open_archive(extract, ei);

	if (r == 0)
		r = find_users(extract, ei);
	if (r == 0)
		r = examine_current(extract, &is_there, ei);
	if (r < 0)
		return r;
	setup_say(setup, is_there ? "replace" : "create", setup->app->current_dir,
		  "by what is in %s",
		  options->n_args > 1 ? options->args[1] : "the archive");
	if (setup->dry_run)
		return 0;
	r = open_beside(extract, ei);
	if (r == 0)
		r = unpack(extract, ei);
	if (r == 0)
		r = exchange(extract, is_there, ei);
	/* The old release, or what came of a bad archive. */
	if (extract->deploy_fd >= 0)
		(void)!tree_remove(extract->deploy_fd, BESIDE, r < 0 ? &ignored : ei);
	return r;
}

static int extract_release(struct setup *setup, struct errinfo *ei)
{
	struct extract extract = {
		.setup = setup, .archive_fd = -1, .deploy_fd = -1, .beside_fd = -1};
	cleanup_close int lock_fd = -1;
	int r = app_lock(setup, &lock_fd, ei);

	if (r == 0)
		r = run(&extract, ei);
	if (extract.archive_fd >= 0)
		(void)close(extract.archive_fd);
	if (extract.beside_fd >= 0)
		(void)close(extract.beside_fd);
	if (extract.deploy_fd >= 0)
		(void)close(extract.deploy_fd);
	return r;
}

int verb_extract_release(const struct verb *verb, const struct options *options)
{
	return setup_run(verb, options, extract_release);
}
