#include "setup/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "setup/place.h"
#include "util/fdio.h"
#include "util/newfile.h"

#define STATE_ROOT "/var/lib/deployd"
#define MANIFEST   "manifest"

/* The app's state directory; made when asked to. -ENOENT without a word. */
static int open_state(const struct setup *setup, bool make, int *ret_fd,
		      struct errinfo *ei)
{
	static const char *const above[] = {"var", "lib", "deployd"};
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	cleanup_close int fd = fcntl(setup->root_fd, F_DUPFD_CLOEXEC, 3);

	for (size_t i = 0; fd >= 0 && i < 4; i++) {
		const char *name = i < 3 ? above[i] : setup->app->app_name;
		int next;

		if (make && mkdirat(fd, name, i < 2 ? 0755 : 0700) < 0 &&
		    errno != EEXIST)
			break;
		next = openat(fd, name, flags);
		if (next < 0 && errno == ENOENT && !make)
			return -ENOENT;
		(void)close(fd);
		fd = next;
	}
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s" STATE_ROOT "/%s'",
				   setup->destdir, setup->app->app_name);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static char *read_text(int fd)
{
	char *text = malloc(MANIFEST_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = 1;

	while (text && n > 0 && length < MANIFEST_BYTES_MAX) {
		n = read(fd, text + length, MANIFEST_BYTES_MAX - length);
		length += n > 0 ? (size_t)n : 0;
	}
	if (text && n == 0) {
		text[length] = '\0';
		return text;
	}
	if (text && n > 0)
		errno = EFBIG;
	free(text);
	return NULL;
}

int manifest_load(struct setup *setup, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1, fd = -1;
	cleanup_free char *text = NULL;
	unsigned int line = 0;
	int r;

	if (setup->manifest)
		return 0;
	setup->manifest = calloc(1, sizeof(*setup->manifest));
	if (!setup->manifest)
		return errinfo_set(ei, ENOMEM, "cannot read the manifest");
	r = open_state(setup, false, &dir_fd, ei);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fd = openat(dir_fd, MANIFEST, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	text = fd < 0 ? NULL : read_text(fd);
	if (!text)
		return errinfo_set(ei, errno,
				   "cannot read '%s" STATE_ROOT "/%s/" MANIFEST "'",
				   setup->destdir, setup->app->app_name);
	r = manifest_parse(text, setup->manifest, &line);
	if (r < 0)
		return errinfo_set(ei, r,
				   "'%s" STATE_ROOT "/%s/" MANIFEST
				   "', line %u: not what deployctl writes",
				   setup->destdir, setup->app->app_name, line);
	return 0;
}

static bool has(const struct manifest *manifest, enum manifest_kind kind,
		const char *path)
{
	for (size_t i = 0; i < manifest->n_entries; i++)
		if (manifest->entries[i].kind == kind && manifest->entries[i].path &&
		    strcmp(manifest->entries[i].path, path) == 0)
			return true;
	return false;
}

int manifest_add(struct setup *setup, enum manifest_kind kind, const char *path,
		 struct errinfo *ei)
{
	cleanup_close int dir_fd = -1, fd = -1;
	cleanup_free char *line = manifest_line(kind, path);
	int r = line ? manifest_load(setup, ei) : errinfo_set(ei, ENOMEM, "manifest");

	if (r < 0 || setup->dry_run || has(setup->manifest, kind, path))
		return r;
	r = open_state(setup, true, &dir_fd, ei);
	if (r < 0)
		return r;
	if (setup->manifest->is_torn) {
		r = manifest_save(setup, ei);
		if (r < 0)
			return r;
		setup->manifest->is_torn = false;
	}
	r = manifest_append(setup->manifest, kind, path, strlen(path));
	if (r == 0) {
		fd = openat(dir_fd, MANIFEST,
			    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		r = fd < 0 ? -errno : fd_write_all(fd, line, strlen(line));
	}
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r < 0 ? errinfo_set(ei, r, "cannot add to the manifest of %s",
				   setup->app->app_name)
		     : 0;
}

int manifest_save(struct setup *setup, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	struct newfile file;
	size_t n_left = 0;
	int r = open_state(setup, false, &dir_fd, ei);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = newfile_open(&file, dir_fd, MANIFEST);
	for (size_t i = 0; r == 0 && i < setup->manifest->n_entries; i++) {
		const struct manifest_entry *entry = &setup->manifest->entries[i];
		cleanup_free char *line =
			entry->path ? manifest_line(entry->kind, entry->path) : NULL;

		if (!entry->path)
			continue;
		n_left++;
		r = line ? fd_write_all(file.fd, line, strlen(line)) : -ENOMEM;
	}
	if (r == 0)
		r = newfile_commit(&file, true);
	else
		newfile_discard(&file);
	if (r == 0 && n_left == 0 && unlinkat(dir_fd, MANIFEST, 0) < 0)
		r = -errno;
	return r < 0 ? errinfo_set(ei, r, "cannot write the manifest of %s",
				   setup->app->app_name)
		     : 0;
}
