#include "process/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "process/program.h"

struct output {
	char *text;
	size_t length;
};

/* What does not fit is read, and cut. */
static int take(const char *data, size_t length, void *userdata)
{
	struct output *output = userdata;
	size_t room = TOOL_OUTPUT_SIZE - 1 - output->length;

	if (length > room)
		length = room;
	memcpy(output->text + output->length, data, length);
	output->length += length;
	output->text[output->length] = '\0';
	return 0;
}

int tool_run(const char *const argv[], const char *input, unsigned int timeout_sec,
	     char ret_output[TOOL_OUTPUT_SIZE], struct errinfo *ei)
{
	static const char *const directories[] = {"/usr/bin", "/bin", "/usr/sbin",
						  "/sbin", NULL};
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
						  "LC_ALL=C", "SYSTEMD_COLORS=0",
						  "SYSTEMD_PAGER=", NULL};
	cleanup_close int in = input ? program_input(input) : PROGRAM_NULL;
	cleanup_close int out = -1, out_child = -1;
	struct output output = {.text = ret_output};
	int fds[2], status, r;
	pid_t pid;

	ret_output[0] = '\0';
	if ((input && in < 0) || pipe2(fds, O_CLOEXEC) < 0)
		return errinfo_set(ei, input && in < 0 ? in : errno, "cannot run %s",
				   argv[0]);
	out = fds[0];
	out_child = fds[1];
	pid = program_start(&(struct program){.argv = argv,
					      .directories = directories,
					      .environment = environment,
					      .in = in,
					      .out = out_child,
					      .err = out_child,
					      .report = -1,
					      .dies_with_us = true});
	if (pid < 0)
		return errinfo_set(ei, pid, "cannot run %s", argv[0]);
	(void)close(out_child);
	out_child = -1;
	r = program_read(out, program_now_ms() + timeout_sec * INT64_C(1000), take,
			 &output);
	status = program_end(pid, r == -ETIMEDOUT);
	if (r == -ETIMEDOUT)
		return errinfo_set(ei, r, "%s does not end", argv[0]);
	if (status == PROGRAM_NOT_RUN)
		return errinfo_set(ei, ENOENT, "cannot run %s; is systemd installed?",
				   argv[0]);
	return status < 0 ? 128 - status : status;
}

int tool_must(const char *const argv[], const char *input, unsigned int timeout_sec,
	      struct errinfo *ei)
{
	char output[TOOL_OUTPUT_SIZE], shown[400];
	int status = tool_run(argv, input, timeout_sec, output, ei);
	size_t n;

	if (status <= 0)
		return status;
	n = strlen(output);
	while (n > 0 && output[n - 1] == '\n')
		output[--n] = '\0';
	for (char *p = output; (p = strchr(p, '\n'));)
		*p = ' ';
	return errinfo_refuse(ei, RESULT_FAILED, "%s ends with status %d: %s", argv[0],
			      status, names_escape(output, shown, sizeof(shown)));
}
