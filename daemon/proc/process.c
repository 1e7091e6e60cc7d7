#include "proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "proc/maps.h"

#define COMM_SIZE      64		    /* kernel: 16 */
#define STAT_SIZE      1024		    /* of /proc/PID/stat */
#define MAPS_LINE_SIZE (4 * PATH_MAX + 256) /* a path's bytes may be \ooo */

struct process {
	pid_t pid;
	int dir_fd; /* /proc/PID: it stays this process's, also when the pid is reused
		     */
	bool own;
	char comm[COMM_SIZE];
	struct used_file cwd, exe;
	bool uses_release;
	struct mapped mapped;
	bool deleted, readable;
};

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
 * Nothing is known about a process that is exiting: it has released its memory and its
 * files. Its first thread may be in that state while others still run.
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

/*
 * A link in /proc leads to the file itself, in whatever mount namespace it is, and past
 * the modes of the directories above. The kernel's cached data is enough: the file may
 * be on a server that does not respond.
 */
static int read_link(const struct process *process, const char *name,
		     struct used_file *ret_file)
{
	struct statx stx;
	ssize_t n;

	ret_file->own = process->own;
	n = readlinkat(process->dir_fd, name, ret_file->path, sizeof(ret_file->path));
	if (n < 0)
		return -errno;
	if (n == sizeof(ret_file->path)) {
		ret_file->path[0] = '\0';
		return -ENAMETOOLONG;
	}
	ret_file->path[n] = '\0';
	if (statx(process->dir_fd, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_INO, &stx) < 0)
		return -errno;
	ret_file->id = (struct file_id){
		(uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor, stx.stx_ino};
	ret_file->id_known = true;
	return 0;
}

static int take_link(struct scan *scan, struct process *process, const char *name,
		     struct used_file *ret_file)
{
	const int r = read_link(process, name, ret_file);

	if (r < 0) {
		ret_file->path[0] = '\0';
		return r;
	}
	process->uses_release |= releases_place(scan->releases, ret_file);
	process->deleted |= ret_file->deleted;
	return 0;
}

static int take_mapped(struct scan *scan, struct process *process,
		       struct used_file *file)
{
	if (!releases_place(scan->releases, file))
		return 0;
	process->uses_release = true;
	return mapped_add(&process->mapped, file->path, scan->releases->given_length);
}

static int take_line(struct scan *scan, struct process *process, char *text,
		     struct file_id *last)
{
	static struct used_file file;
	struct maps_line line;
	struct file_id id;

	if (!maps_parse(text, &line) || strlen(line.path) >= PATH_MAX)
		return 0;
	id = (struct file_id){line.dev, line.ino};
	/* One file has several lines in a row. */
	if (memcmp(&id, last, sizeof(id)) == 0)
		return 0;
	*last = id;
	memset(&file, 0, sizeof(file));
	file.own = process->own;
	file.id_known = releases_of_maps(scan->releases, id, &file.id);
	memcpy(file.path, line.path, strlen(line.path) + 1);
	return take_mapped(scan, process, &file);
}

static int take_maps(struct scan *scan, struct process *process, FILE *file)
{
	static char line[MAPS_LINE_SIZE];
	struct file_id last = {0};
	bool in_line = false; /* the rest of one that was too long */
	size_t n_bytes = 0;
	int r = 0;

	errno = 0;
	while (r == 0 && fgets(line, sizeof(line), file)) {
		const bool whole = !in_line;
		const size_t length = strlen(line);

		n_bytes += length;
		scan->n_maps_bytes += length;
		in_line = !strchr(line, '\n');
		if (n_bytes > PROCESS_MAPS_BYTES_MAX ||
		    scan->n_maps_bytes > MAPS_BYTES_MAX) {
			scan->truncated = true;
			return 0;
		}
		if (whole && !in_line)
			r = take_line(scan, process, line, &last);
	}
	if (r == 0 && ferror(file))
		r = errno != 0 ? -errno : -EIO;
	return r;
}

static int read_maps(struct scan *scan, struct process *process)
{
	cleanup_file FILE *file = NULL;
	int fd;

	fd = openat(process->dir_fd, "maps", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		(void)close(fd);
		return -ENOMEM;
	}
	return take_maps(scan, process, file);
}

static int read_root(struct scan *scan, struct process *process)
{
	static struct used_file root;
	int r;

	memset(&root, 0, sizeof(root));
	r = read_link(process, "root", &root);
	return r < 0 ? r : take_mapped(scan, process, &root);
}

/* 0, -ENOMEM, or why the process cannot be read. */
static int look_inside(struct scan *scan, struct process *process)
{
	int r;

	r = take_link(scan, process, "cwd", &process->cwd);
	if (r == 0)
		r = take_link(scan, process, "exe", &process->exe);
	if (r == 0)
		r = read_root(scan, process);
	if (r == 0)
		r = read_maps(scan, process);
	return r;
}

static json_t *text_json(const char *text)
{
	static char escaped[4 * PATH_MAX];

	return json_string(names_escape(text, escaped, sizeof(escaped)));
}

static json_t *to_json(const struct process *process)
{
	json_t *paths = json_array();

	for (size_t i = 0; paths && i < process->mapped.n_paths; i++) {
		if (json_array_append_new(paths, text_json(process->mapped.paths[i])) ==
		    0)
			continue;
		json_decref(paths);
		paths = NULL;
	}
	return json_pack(
		"{s:i, s:o, s:o, s:o, s:b, s:o, s:b, s:b}", "pid", (int)process->pid,
		"comm", text_json(process->comm), "cwd", text_json(process->cwd.path),
		"exe", text_json(process->exe.path), "deleted", process->deleted,
		"mapped", paths, "readable", process->readable, "unit", process->own);
}

/* Another user's process that cannot be read may also be in a release. */
static int finish(struct scan *scan, struct process *process, json_t **ret_process)
{
	const bool told = process->own || process->uses_release || !process->readable;

	*ret_process = told ? to_json(process) : NULL;
	scan->truncated |= process->mapped.truncated;
	mapped_deinit(&process->mapped);
	return told && !*ret_process ? -ENOMEM : 0;
}

int process_scan(struct scan *scan, pid_t pid, bool own, json_t **ret_process)
{
	static struct process process;
	cleanup_close int dir_fd = -1;
	char name[16];
	int r;

	memset(&process, 0, sizeof(process));
	process.pid = pid;
	process.own = own;
	if (pid == 0) /* of the unit, and in no namespace of ours */
		return finish(scan, &process, ret_process);
	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	dir_fd = openat(scan->proc_fd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0 && errno == ENOENT)
		return -ESRCH;
	if (dir_fd < 0)
		return finish(scan, &process, ret_process);
	process.dir_fd = dir_fd;
	if (read_small(dir_fd, "comm", process.comm, sizeof(process.comm)) > 0)
		process.comm[strcspn(process.comm, "\n")] = '\0';
	r = look_inside(scan, &process);
	process.readable = r == 0;
	if (r == -ENOMEM || (r < 0 && is_exiting(dir_fd))) {
		mapped_deinit(&process.mapped);
		return r == -ENOMEM ? r : -ESRCH;
	}
	return finish(scan, &process, ret_process);
}
