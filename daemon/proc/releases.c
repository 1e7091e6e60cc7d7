#include "proc/releases.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "proc/maps.h"

#define SHOWN_SIZE     256
#define OPEN_DIR       (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MAPS_LINE_SIZE (4 * PATH_MAX + 256)
#define CLOCK_EVERY    1024 /* files between two looks at the clock */

static struct file_id id_of(const struct statx *stx)
{
	return (struct file_id){(uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor,
				stx->stx_ino};
}

/* --- the directory ------------------------------------------------------------------
 */

int releases_open(struct releases *releases, const char *path, struct errinfo *ei)
{
	size_t length = strnlen(path, PATH_MAX);
	char shown[SHOWN_SIZE];
	struct statx stx;

	memset(releases, 0, sizeof(*releases));
	releases->fd = -1;
	if (path[0] != '/' || length == PATH_MAX)
		return errinfo_refuse(ei, RESULT_FAILED, "not an absolute path");
	while (length > 1 && path[length - 1] == '/')
		length--;
	memcpy(releases->given, path, length);
	releases->given[length] = '\0';
	releases->given_length = length;
	releases->fd = open(releases->given, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (releases->fd < 0 ||
	    statx(releases->fd, "", AT_EMPTY_PATH, STATX_INO, &stx) < 0 ||
	    !realpath(releases->given, releases->real))
		return errinfo_set(ei, errno, "cannot open the releases '%s'",
				   names_escape(path, shown, sizeof(shown)));
	releases->dev = id_of(&stx).dev;
	releases->real_length = strlen(releases->real);
	if (releases->real_length == 1)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'/' cannot be the directory of releases");
	return 0;
}

void releases_deinit(struct releases *releases)
{
	for (size_t i = 0; i < releases->n_ids; i++)
		free(releases->ids[i]);
	free(releases->ids);
	free(releases->files);
	if (releases->fd >= 0)
		(void)close(releases->fd);
	memset(releases, 0, sizeof(*releases));
	releases->fd = -1;
}

/* --- the list -----------------------------------------------------------------------
 */

struct listing {
	struct releases *releases;
	int64_t deadline_ms;
	uint32_t release; /* that is being listed */
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int compare_ids(const struct file_id *a, const struct file_id *b)
{
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return (a->ino > b->ino) - (a->ino < b->ino);
}

static int compare(const void *a, const void *b)
{
	return compare_ids(&((const struct known_file *)a)->id,
			   &((const struct known_file *)b)->id);
}

/* The kernel's cached data is enough: do not wait for a file server. */
static int look_at(int dir_fd, const char *name, struct statx *ret_stx)
{
	if (statx(dir_fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_NLINK | STATX_INO | STATX_SIZE, ret_stx) < 0)
		return -errno;
	return 0;
}

/* True when there is room and time for one more. */
static bool may_add(struct listing *listing)
{
	struct releases *releases = listing->releases;

	if (releases->n_files == RELEASES_FILES_MAX ||
	    (releases->n_files % CLOCK_EVERY == 0 && now_ms() > listing->deadline_ms))
		releases->truncated = true;
	return !releases->truncated;
}

static int add(struct listing *listing, const struct statx *stx)
{
	struct releases *releases = listing->releases;

	if (releases->n_files == releases->files_room) {
		const size_t room =
			releases->files_room > 0 ? 2 * releases->files_room : 1024;
		struct known_file *files =
			reallocarray(releases->files, room, sizeof(*files));

		if (!files)
			return -ENOMEM;
		releases->files = files;
		releases->files_room = room;
	}
	releases->files[releases->n_files++] = (struct known_file){
		.id = id_of(stx),
		.release = listing->release,
		.single = S_ISDIR(stx->stx_mode) || stx->stx_nlink == 1,
	};
	return 0;
}

static bool find_mapping(FILE *maps, const void *address, struct maps_line *ret_line)
{
	static char line[MAPS_LINE_SIZE];

	while (fgets(line, sizeof(line), maps))
		if (strtoull(line, NULL, 16) == (uintptr_t)address)
			return maps_parse(line, ret_line);
	return false;
}

/* Maps one of the files to see which device number the kernel reports there. */
static void learn_maps(struct releases *releases, int dir_fd, const char *name,
		       const struct statx *stx)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_file FILE *maps = NULL;
	struct maps_line line;
	void *address;

	if (fd < 0)
		return;
	address = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (address == MAP_FAILED)
		return;
	maps = fopen("/proc/self/maps", "re");
	if (maps && find_mapping(maps, address, &line) && line.ino == stx->stx_ino) {
		releases->maps_known = true;
		releases->maps_dev = line.dev;
		releases->maps_stat_dev = id_of(stx).dev;
	}
	(void)munmap(address, 1);
}

static int list_dir(struct listing *listing, int fd, unsigned int level);

/* Directories that cannot be entered are left out. */
static int list_below(struct listing *listing, int dir_fd, const char *name,
		      unsigned int level)
{
	int fd;

	if (level == RELEASES_LEVELS_MAX) {
		listing->releases->truncated = true;
		return 0;
	}
	fd = openat(dir_fd, name, OPEN_DIR);
	if (fd >= 0)
		return list_dir(listing, fd, level + 1);
	return errno == EMFILE || errno == ENOMEM ? -errno : 0;
}

static int list_entry(struct listing *listing, int dir_fd, const char *name,
		      unsigned int level)
{
	struct statx stx;
	int r;

	if (look_at(dir_fd, name, &stx) < 0 ||
	    !(S_ISDIR(stx.stx_mode) || S_ISREG(stx.stx_mode)))
		return 0;
	r = add(listing, &stx);
	if (r < 0)
		return r;
	/* Something mounted there is not part of the release. */
	if (S_ISDIR(stx.stx_mode) && !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return list_below(listing, dir_fd, name, level);
	if (S_ISREG(stx.stx_mode) && stx.stx_size > 0 && !listing->releases->maps_known)
		learn_maps(listing->releases, dir_fd, name, &stx);
	return 0;
}

/* Takes fd over. */
static int list_dir(struct listing *listing, int fd, unsigned int level)
{
	struct dirent *entry;
	DIR *dir = fdopendir(fd);
	int r = 0;

	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && may_add(listing) && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = list_entry(listing, dirfd(dir), entry->d_name, level);
	(void)closedir(dir);
	return r;
}

static int list_release(struct listing *listing, int dir_fd, const char *name)
{
	struct releases *releases = listing->releases;
	struct statx stx;
	int r;

	if (name[0] == '.' || look_at(dir_fd, name, &stx) < 0 || !S_ISDIR(stx.stx_mode))
		return 0;
	if (releases->n_ids == RELEASES_MAX) {
		releases->truncated = true;
		return 0;
	}
	releases->ids[releases->n_ids] = strdup(name);
	if (!releases->ids[releases->n_ids])
		return -ENOMEM;
	listing->release = (uint32_t)releases->n_ids++;
	r = add(listing, &stx);
	return r < 0 ? r : list_below(listing, dir_fd, name, 0);
}

int releases_list(struct releases *releases, int64_t deadline_ms, struct errinfo *ei)
{
	struct listing listing = {.releases = releases, .deadline_ms = deadline_ms};
	const int fd = openat(releases->fd, ".", OPEN_DIR);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fd < 0)
		return errinfo_set(ei, errno, "cannot list the releases");
	dir = fdopendir(fd);
	releases->ids = calloc(RELEASES_MAX, sizeof(*releases->ids));
	if (!dir || !releases->ids) {
		if (dir)
			(void)closedir(dir);
		else
			(void)close(fd);
		return errinfo_set(ei, ENOMEM, "cannot list the releases");
	}
	while (r == 0 && may_add(&listing) && (entry = readdir(dir)))
		r = list_release(&listing, dirfd(dir), entry->d_name);
	(void)closedir(dir);
	if (r < 0)
		return errinfo_set(ei, r, "cannot list the releases");
	if (releases->n_files > 0)
		qsort(releases->files, releases->n_files, sizeof(*releases->files),
		      compare);
	return 0;
}

/* --- the question -------------------------------------------------------------------
 */

bool releases_of_maps(const struct releases *releases, struct file_id maps,
		      struct file_id *ret_file)
{
	if (!releases->maps_known)
		return false;
	*ret_file = maps;
	if (maps.dev == releases->maps_dev)
		ret_file->dev = releases->maps_stat_dev;
	return true;
}

/* The release that is the only place of this file; NULL: none. */
static const char *find(const struct releases *releases, struct file_id id)
{
#ifdef BREAK_PROC_BY_PATH_ONLY
	(void)releases;
	(void)id;
	return NULL;
#else
	const struct known_file key = {.id = id};
	const struct known_file *known = NULL;

	if (releases->n_files > 0)
		known = bsearch(&key, releases->files, releases->n_files, sizeof(key),
				compare);
	return known && known->single ? releases->ids[known->release] : NULL;
#endif
}

/* The rest of path behind a prefix and a slash; NULL when path is not below it. */
static const char *below(const char *path, const char *prefix, size_t length)
{
	if (strncmp(path, prefix, length) != 0 || path[length] != '/' ||
	    path[length + 1] == '\0' || path[length + 1] == '/')
		return NULL;
	return path + length + 1;
}

/* True when the name leads to the file here, too, or when that cannot be told. */
static bool is_true(const struct releases *releases, const struct used_file *file,
		    const char *rest)
{
	struct file_id here;
	struct statx stx;
	int r;

	if (!file->id_known)
		return true;
	r = look_at(releases->fd, rest, &stx);
	if (r == -EACCES)
		return file->id.dev == releases->dev;
	if (r < 0)
		return false;
	here = id_of(&stx);
	return compare_ids(&here, &file->id) == 0;
}

static bool is_of(const char *rest, const char *release)
{
	const size_t length = strlen(release);

	return strncmp(rest, release, length) == 0 &&
	       (rest[length] == '/' || rest[length] == '\0');
}

/* Turns a path in the real directory into one in the given directory. */
static void rename_to(const struct releases *releases, char path[PATH_MAX],
		      const char *rest)
{
	const size_t length = strlen(rest);

	if (releases->given_length + 1 + length >= PATH_MAX) {
		path[0] = '\0';
		return;
	}
	memmove(path + releases->given_length + 1, rest, length + 1);
	memcpy(path, releases->given, releases->given_length);
	path[releases->given_length] = '/';
}

static bool is_deleted(const struct releases *releases, struct used_file *file)
{
	const char *rest = below(file->path, releases->real, releases->real_length);

	/* A file may really have such a name. */
	if (rest && file->id_known && is_true(releases, file, rest))
		return false;
	return path_strip_deleted(file->path);
}

bool releases_place(const struct releases *releases, struct used_file *file)
{
	const char *rest, *release;

	file->deleted = is_deleted(releases, file);
	rest = below(file->path, releases->real, releases->real_length);
	if (rest && file->deleted && file->own) {
		rename_to(releases, file->path, rest);
		return true;
	}
	release = file->id_known ? find(releases, file->id) : NULL;
	if (release && !(rest && is_of(rest, release))) {
		rename_to(releases, file->path, release);
		return true;
	}
	if (rest && (release || (!file->deleted && is_true(releases, file, rest)))) {
		rename_to(releases, file->path, rest);
		return true;
	}
	if (rest || below(file->path, releases->given, releases->given_length))
		file->path[0] = '\0';
	return false;
}
