#include "proc/cgroup.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define SHOWN_SIZE 256
#define OPEN_DIR   (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct walk {
	struct pid_list *list;
	size_t n_cgroups;
};

bool cgroup_valid(const char *cgroup)
{
	const char *at = cgroup;

	if (strnlen(cgroup, PATH_MAX) == PATH_MAX)
		return false;
	do {
		size_t length;

		if (*at != '/')
			return false;
		at++;
		length = strcspn(at, "/");
		if (length == 0 || length > NAME_MAX ||
		    (length <= 2 && strncmp(at, "..", length) == 0))
			return false;
		at += length;
	} while (*at);
	return true;
}

int cgroup_open(const char *root, const char *cgroup, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	char shown[SHOWN_SIZE];
	const char *at = cgroup;

	assert(cgroup_valid(cgroup));
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open %s", root);
	while (*at) {
		char name[NAME_MAX + 1];
		const size_t length = strcspn(++at, "/");
		int next;

		memcpy(name, at, length);
		name[length] = '\0';
		next = openat(fd, name, OPEN_DIR);
		if (next < 0 && errno == ENOENT)
			return errinfo_refuse(
				ei, RESULT_FAILED,
				"there is no cgroup '%s': the unit has no process",
				names_escape(cgroup, shown, sizeof(shown)));
		if (next < 0)
			return errinfo_set(ei, errno, "cannot open the cgroup '%s'",
					   names_escape(cgroup, shown, sizeof(shown)));
		(void)close(fd);
		fd = next;
		at += length;
	}
	return steal_fd(&fd);
}

/* A line of cgroup.procs and nothing else: digits, newline. */
static bool read_pid(const char *line, pid_t *ret_pid)
{
	const size_t n_digits = strspn(line, "0123456789");
	unsigned long pid;

	if (n_digits == 0 || n_digits > 10 || strcmp(line + n_digits, "\n") != 0)
		return false;
	pid = strtoul(line, NULL, 10);
	if (pid > INT32_MAX)
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}

/* True also for EOPNOTSUPP: a threaded cgroup's processes are listed further up. */
static bool is_gone(int error)
{
	return error == ENOENT || error == ENODEV || error == EOPNOTSUPP;
}

static int read_procs(int fd, struct pid_list *list, struct errinfo *ei)
{
	cleanup_file FILE *file = NULL;
	char line[32];
	pid_t pid;
	int procs;

	procs = openat(fd, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (procs < 0)
		return is_gone(errno)
			       ? 0
			       : errinfo_set(ei, errno, "cannot open cgroup.procs");
	file = fdopen(procs, "r");
	if (!file) {
		(void)close(procs);
		return errinfo_set(ei, ENOMEM, "cannot read cgroup.procs");
	}
	errno = 0;
	while (fgets(line, sizeof(line), file)) {
		if (!read_pid(line, &pid))
			return errinfo_refuse(ei, RESULT_FAILED,
					      "cgroup.procs holds something else than "
					      "process ids");
		if (list->n_pids == CGROUP_PROCESSES_MAX) {
			list->truncated = true;
			return 0;
		}
		list->pids[list->n_pids++] = pid;
	}
	if (ferror(file) && !is_gone(errno))
		return errinfo_set(ei, errno, "cannot read cgroup.procs");
	return 0;
}

static int walk(struct walk *w, int fd, unsigned int level, struct errinfo *ei);

/* Takes fd over. */
static int walk_children(struct walk *w, int fd, unsigned int level, struct errinfo *ei)
{
	struct dirent *entry;
	DIR *dir = fdopendir(fd);
	int r = 0;

	if (!dir) {
		(void)close(fd);
		return errinfo_set(ei, ENOMEM, "cannot list a cgroup");
	}
	while (r == 0 && (entry = readdir(dir))) {
		int child;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (level == CGROUP_LEVELS_MAX || w->n_cgroups == CGROUPS_MAX) {
			w->list->truncated = true;
			break;
		}
		child = openat(dirfd(dir), entry->d_name, OPEN_DIR);
		if (child >= 0)
			r = walk(w, child, level + 1, ei);
		else if (!is_gone(errno))
			r = errinfo_set(ei, errno, "cannot open a cgroup");
	}
	(void)closedir(dir);
	return r;
}

/* Takes fd over. */
static int walk(struct walk *w, int fd, unsigned int level, struct errinfo *ei)
{
	int r;

	w->n_cgroups++;
	r = read_procs(fd, w->list, ei);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return walk_children(w, fd, level, ei);
}

static int compare(const void *a, const void *b)
{
	const pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int cgroup_pids(int cgroup_fd, struct pid_list *list, struct errinfo *ei)
{
	struct walk w = {.list = list};
	size_t n = 0;
	int fd, r;

	list->n_pids = 0;
	list->truncated = false;
	fd = openat(cgroup_fd, ".", OPEN_DIR);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the cgroup");
	r = walk(&w, fd, 0, ei);
	if (r < 0)
		return r;
	/* While a process moves between cgroups it can be in both lists. */
	qsort(list->pids, list->n_pids, sizeof(list->pids[0]), compare);
	for (size_t i = 0; i < list->n_pids; i++)
		if (n == 0 || list->pids[n - 1] != list->pids[i])
			list->pids[n++] = list->pids[i];
	list->n_pids = n;
	return 0;
}

bool pid_list_has(const struct pid_list *list, pid_t pid)
{
	return bsearch(&pid, list->pids, list->n_pids, sizeof(pid), compare) != NULL;
}
