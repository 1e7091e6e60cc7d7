#include "proc/options.h"

#include <limits.h>
#include <string.h>

#include "deploy/names.h"
#include "proc/cgroup.h"
#include "util/args.h"

#define SHOWN_SIZE 256

static int refuse(const char *option, const char *value, const char *wanted,
		  struct errinfo *ei)
{
	char shown[SHOWN_SIZE];

	return errinfo_refuse(ei, RESULT_FAILED, "--%s='%s': wanted a path like %s",
			      option, names_escape(value, shown, sizeof(shown)),
			      wanted);
}

int proc_options_parse(int argc, char **argv, struct proc_options *ret_options,
		       struct errinfo *ei)
{
	struct proc_options options = {0};
	struct args_option list[] = {
		{"releases", .text = &options.releases},
		{"cgroup", .text = &options.cgroup, .optional = true},
	};
	int r;

	r = args_parse(argc, argv, list, sizeof(list) / sizeof(*list), ei);
	if (r < 0)
		return r;
	if (options.releases[0] != '/' || options.releases[1] == '\0' ||
	    strnlen(options.releases, PATH_MAX) == PATH_MAX)
		return refuse("releases", options.releases, "/srv/hello/releases", ei);
	if (options.cgroup && !cgroup_valid(options.cgroup))
		return refuse("cgroup", options.cgroup, "/system.slice/hello.service",
			      ei);
	*ret_options = options;
	return 0;
}
