#include "proc/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "proc/process.h"

struct machine {
	struct scan scan;
	json_t *processes;
	struct pid_list *own;
	size_t n_seen;
	int64_t deadline_ms;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Without a cgroup, the unit has no processes. */
static int list_own(int cgroup_fd, struct pid_list *list, struct errinfo *ei)
{
	if (cgroup_fd >= 0)
		return cgroup_pids(cgroup_fd, list, ei);
	list->n_pids = 0;
	list->truncated = false;
	return 0;
}

static int look_at_one(struct machine *machine, pid_t pid, bool own)
{
	json_t *process = NULL;
	int r;

	if (machine->n_seen == LOOK_PROCESSES_MAX || now_ms() > machine->deadline_ms) {
		machine->scan.truncated = true;
		return 0;
	}
	r = process_scan(&machine->scan, pid, own, &process);
	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return r;
	machine->n_seen++;
	if (process && json_array_append_new(machine->processes, process) < 0)
		return -ENOMEM;
	return 0;
}

/* Before all others, so that nobody can use up their limits. */
static int look_at_own(struct machine *machine)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < machine->own->n_pids; i++)
		r = look_at_one(machine, machine->own->pids[i], true);
	return r;
}

/* False: not a process. */
static bool read_pid(const char *name, pid_t *ret_pid)
{
	const size_t length = strlen(name);

	if (length == 0 || length > 9 || strspn(name, "0123456789") != length)
		return false;
	*ret_pid = (pid_t)strtol(name, NULL, 10);
	return true;
}

static int look_at_others(struct machine *machine)
{
	const int fd =
		openat(machine->scan.proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;
	pid_t pid;
	int r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && !machine->scan.truncated && (entry = readdir(dir)))
		if (read_pid(entry->d_name, &pid) && !pid_list_has(machine->own, pid))
			r = look_at_one(machine, pid, false);
	(void)closedir(dir);
	return r;
}

/* A process that has left the unit meanwhile is reported like any other. */
static void disown_gone(json_t *processes, const struct pid_list *list)
{
	for (size_t i = json_array_size(processes); i-- > 0;) {
		json_t *process = json_array_get(processes, i);
		const json_t *pid = json_object_get(process, "pid");

		if (!json_is_true(json_object_get(process, "unit")) ||
		    pid_list_has(list, (pid_t)json_integer_value(pid)))
			continue;
		if (json_is_true(json_object_get(process, "readable")))
			(void)json_object_set_new(process, "unit", json_false());
		else
			(void)json_array_remove(processes, i);
	}
}

int scan_read(int cgroup_fd, int proc_fd, const struct releases *releases,
	      int64_t deadline_ms, struct finding *ret_finding, struct errinfo *ei)
{
	static struct pid_list own;
	cleanup_json json_t *processes = json_array();
	struct machine machine = {
		.scan = {.proc_fd = proc_fd, .releases = releases},
		.processes = processes,
		.own = &own,
		.deadline_ms = deadline_ms,
	};
	bool unit_truncated;
	int r;

	if (!processes)
		return errinfo_set(ei, ENOMEM, "cannot list processes");
	r = list_own(cgroup_fd, &own, ei);
	if (r < 0)
		return r;
	machine.scan.truncated = own.truncated || releases->truncated;
	r = look_at_own(&machine);
	unit_truncated = machine.scan.truncated;
	machine.scan.truncated = false;
	if (r == 0)
		r = look_at_others(&machine);
	if (r < 0)
		return errinfo_set(ei, r, "cannot examine the processes");
	r = list_own(cgroup_fd, &own, ei);
	if (r < 0)
		return r;
	disown_gone(processes, &own);
	ret_finding->unit_truncated = unit_truncated || own.truncated;
	ret_finding->truncated = machine.scan.truncated || ret_finding->unit_truncated;
	finding_pass(ret_finding, "examined %zu processes", machine.n_seen);
	ret_finding->processes = steal_ptr(&processes);
	return 0;
}

int scan_machine(const struct proc_options *options, struct finding *ret_finding,
		 struct errinfo *ei)
{
	static struct releases releases;
	const int64_t deadline_ms = now_ms() + SCAN_MSEC_MAX;
	cleanup_close int cgroup_fd = -1, proc_fd = -1;
	int r;

	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return errinfo_set(ei, errno, "cannot open /proc");
	if (options->cgroup) {
		cgroup_fd = cgroup_open(LOOK_CGROUP_ROOT, options->cgroup, ei);
		if (cgroup_fd < 0)
			return cgroup_fd;
	}
	r = releases_open(&releases, options->releases, ei);
	if (r == 0)
		r = releases_list(&releases, deadline_ms, ei);
	if (r == 0)
		r = scan_read(cgroup_fd, proc_fd, &releases, deadline_ms, ret_finding,
			      ei);
	releases_deinit(&releases);
	return r;
}
