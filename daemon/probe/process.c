#include "probe/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "probe/maps.h"

#define COMM_SIZE      64		    /* kernel: 16 */
#define STAT_SIZE      1024		    /* of /proc/PID/stat */
#define MAPS_LINE_SIZE (4 * PATH_MAX + 256) /* a path's bytes may be \ooo */

struct look {
	int dir_fd; /* /proc/PID: it stays this process's, also when the pid is reused
		     */
	char comm[COMM_SIZE], cwd[PATH_MAX], exe[PATH_MAX];
	struct mapped mapped;
	bool deleted, readable;
};

bool releases_init(struct releases *releases, const char *path)
{
	size_t length = strnlen(path, PATH_MAX);

	if (path[0] != '/' || length == PATH_MAX)
		return false;
	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 1)
		return false;
	memcpy(releases->given, path, length);
	releases->given[length] = '\0';
	releases->given_length = length;
	if (!realpath(releases->given, releases->real))
		memcpy(releases->real, releases->given, length + 1);
	releases->real_length = strlen(releases->real);
	return true;
}

static bool lies_below(const char *path, const char *dir, size_t dir_length)
{
	return strncmp(path, dir, dir_length) == 0 && path[dir_length] == '/' &&
	       path[dir_length + 1] != '\0';
}

void releases_rename(const struct releases *releases, char path[PATH_MAX])
{
	const char *rest = path + releases->real_length;

	if (!lies_below(path, releases->real, releases->real_length) ||
	    releases->given_length + strlen(rest) >= PATH_MAX)
		return;
	memmove(path + releases->given_length, rest, strlen(rest) + 1);
	memcpy(path, releases->given, releases->given_length);
}

static ssize_t read_small(int dir_fd, const char *name, char *buf, size_t size)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/*
 * Nothing can be told of a process that is exiting: it has let go of its memory and its
 * files. Its first thread may be in that state while others run on.
 */
static bool is_exiting(int dir_fd)
{
	char stat[STAT_SIZE];
	unsigned long vsize = 0;
	long n_threads = 0;
	const char *at;
	char state;

	if (read_small(dir_fd, "stat", stat, sizeof(stat)) < 0)
		return true;
	/* The name before it may hold anything, also brackets and blanks. */
	at = strrchr(stat, ')');
	if (!at || sscanf(at + 1,
			  " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			  "%*d %*d %ld %*d %*u %lu",
			  &state, &n_threads, &vsize) != 3)
		return false;
	return vsize == 0 && n_threads <= 1;
}

static int read_link(int dir_fd, const char *name, const struct releases *releases,
		     char ret_path[PATH_MAX], bool *deleted)
{
	char path[PATH_MAX];
	const ssize_t n = readlinkat(dir_fd, name, path, sizeof(path));

	if (n < 0)
		return -errno;
	if (n == sizeof(path))
		return -ENAMETOOLONG;
	path[n] = '\0';
	*deleted |= path_strip_deleted(path);
	releases_rename(releases, path);
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

static int take_line(struct look *look, char *line, const struct releases *releases)
{
	char *path = maps_path(line);

	if (!path || strlen(path) >= PATH_MAX)
		return 0;
	/* maps_path() cut it out of a buffer that is larger than PATH_MAX. */
	releases_rename(releases, path);
	if (!lies_below(path, releases->given, releases->given_length))
		return 0;
	return mapped_add(&look->mapped, path, releases->given_length);
}

static int read_maps(struct look *look, const struct releases *releases,
		     bool *truncated)
{
	static char line[MAPS_LINE_SIZE + PATH_MAX];
	cleanup_file FILE *file = NULL;
	bool in_line = false; /* the rest of one that was too long */
	size_t n_bytes = 0;
	int fd, r = 0;

	fd = openat(look->dir_fd, "maps", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		(void)close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (r == 0 && fgets(line, MAPS_LINE_SIZE, file)) {
		const bool whole = !in_line;

		n_bytes += strlen(line);
		in_line = !strchr(line, '\n');
		if (n_bytes > PROCESS_MAPS_BYTES_MAX) {
			*truncated = true;
			return 0;
		}
		if (whole && !in_line)
			r = take_line(look, line, releases);
	}
	if (r == 0 && ferror(file))
		r = errno != 0 ? -errno : -EIO;
	return r;
}

/* 0, -ENOMEM, or why the process cannot be read. */
static int look_inside(struct look *look, const struct releases *releases,
		       bool *truncated)
{
	int r;

	r = read_link(look->dir_fd, "cwd", releases, look->cwd, &look->deleted);
	if (r == 0)
		r = read_link(look->dir_fd, "exe", releases, look->exe, &look->deleted);
	if (r == 0)
		r = read_maps(look, releases, truncated);
	return r;
}

static json_t *text_json(const char *text)
{
	char escaped[4 * PATH_MAX];

	return json_string(names_escape(text, escaped, sizeof(escaped)));
}

static json_t *to_json(const struct look *look, pid_t pid)
{
	json_t *paths = json_array();

	for (size_t i = 0; paths && i < look->mapped.n_paths; i++) {
		if (json_array_append_new(paths, text_json(look->mapped.paths[i])) == 0)
			continue;
		json_decref(paths);
		paths = NULL;
	}
	return json_pack("{s:i, s:o, s:o, s:o, s:b, s:o, s:b}", "pid", (int)pid, "comm",
			 text_json(look->comm), "cwd", text_json(look->cwd), "exe",
			 text_json(look->exe), "deleted", look->deleted, "mapped",
			 paths, "readable", look->readable);
}

static int finish(struct look *look, pid_t pid, json_t **ret_process, bool *truncated)
{
	json_t *process = to_json(look, pid);

	*truncated |= look->mapped.truncated;
	mapped_deinit(&look->mapped);
	if (!process)
		return -ENOMEM;
	*ret_process = process;
	return 0;
}

int process_look(int proc_fd, pid_t pid, const struct releases *releases,
		 json_t **ret_process, bool *truncated)
{
	cleanup_close int dir_fd = -1;
	struct look look = {.dir_fd = -1};
	char name[16];
	int r;

	if (pid == 0) /* seen from outside of its namespace: kill() would be for us */
		return finish(&look, pid, ret_process, truncated);
	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0) {
		/* hidepid= and ProtectProc= hide what is there: kill() knows better. */
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return -ESRCH;
		return finish(&look, pid, ret_process, truncated);
	}
	look.dir_fd = dir_fd;
	if (read_small(dir_fd, "comm", look.comm, sizeof(look.comm)) > 0)
		look.comm[strcspn(look.comm, "\n")] = '\0';
	r = look_inside(&look, releases, truncated);
	look.readable = r == 0;
	if (r == -ENOMEM || (r < 0 && is_exiting(dir_fd))) {
		mapped_deinit(&look.mapped);
		return r == -ENOMEM ? r : -ESRCH;
	}
	return finish(&look, pid, ret_process, truncated);
}
