#include "probe/proof.h"

#include <errno.h>
#include <fcntl.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "probe/lockdown.h"

#define SHOWN_SIZE 256

static int look_at_all(const struct pid_list *list, int proc_fd,
		       const struct releases *releases, json_t *processes,
		       bool *truncated)
{
	int r;

	for (size_t i = 0; i < list->n_pids; i++) {
		json_t *process = NULL;

		r = process_look(proc_fd, list->pids[i], releases, &process, truncated);
		if (r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		if (json_array_append_new(processes, process) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void keep_listed(json_t *processes, const struct pid_list *list)
{
	for (size_t i = json_array_size(processes); i-- > 0;) {
		const json_t *process = json_array_get(processes, i);
		const json_t *pid = json_object_get(process, "pid");

		if (!pid_list_has(list, (pid_t)json_integer_value(pid)))
			(void)json_array_remove(processes, i);
	}
}

int proof_read(int cgroup_fd, int proc_fd, const struct releases *releases,
	       struct finding *ret_finding, struct errinfo *ei)
{
	static struct pid_list list;
	cleanup_json json_t *processes = json_array();
	bool truncated;
	int r;

	if (!processes)
		return errinfo_set(ei, ENOMEM, "cannot list processes");
	r = cgroup_pids(cgroup_fd, &list, ei);
	if (r < 0)
		return r;
	truncated = list.truncated;
	r = look_at_all(&list, proc_fd, releases, processes, &truncated);
	if (r < 0)
		return errinfo_set(ei, r, "cannot look at the processes");
	r = cgroup_pids(cgroup_fd, &list, ei);
	if (r < 0)
		return r;
	keep_listed(processes, &list);
	ret_finding->truncated = truncated || list.truncated;
	finding_pass(ret_finding, "looked at %zu processes",
		     json_array_size(processes));
	ret_finding->processes = steal_ptr(&processes);
	return 0;
}

static int refuse(const char *option, const char *value, const char *wanted,
		  struct errinfo *ei)
{
	char shown[SHOWN_SIZE];

	return errinfo_refuse(ei, RESULT_FAILED, "--%s='%s': wanted a path like %s",
			      option, names_escape(value, shown, sizeof(shown)),
			      wanted);
}

static int proof(const struct probe_options *options, const struct releases *releases,
		 struct finding *ret_finding, struct errinfo *ei)
{
	cleanup_close int cgroup_fd = -1, proc_fd = -1;

	cgroup_fd = cgroup_open(PROOF_CGROUP_ROOT, options->cgroup, ei);
	if (cgroup_fd < 0)
		return cgroup_fd;
	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return errinfo_set(ei, errno, "cannot open /proc");
	lockdown_proof();
	return proof_read(cgroup_fd, proc_fd, releases, ret_finding, ei);
}

int proof_check(const struct probe_options *options, struct finding *ret_finding,
		struct errinfo *ei)
{
	static struct releases releases;
	struct errinfo why = {0};

	if (!cgroup_valid(options->cgroup))
		return refuse("cgroup", options->cgroup, "/system.slice/hello.service",
			      ei);
	if (!releases_init(&releases, options->releases))
		return refuse("releases", options->releases, "/srv/hello/releases", ei);
	if (proof(options, &releases, ret_finding, &why) < 0)
		finding_fail(ret_finding, "%s", why.what);
	return 0;
}
