/* deployctl: what an unprivileged user runs. Everything it may do, deployd decides. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/parse.h"
#include "deploy/result.h"
#include "output/pager.h"
#include "output/terminal.h"
#include "scripts/scripts.h"
#include "verbs.h"

/* With one of them closed, the next open() would take its number and its output. */
static int open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
	return 0;
}

static int run(int argc, char *argv[])
{
	const struct verb *verb;
	struct options options;
	int status = 0;

	verb = options_parse(&verbs, argc, argv, &options, &status);
	return verb ? verb->run(verb, &options) : status;
}

int main(int argc, char *argv[])
{
	int status;

	if (open_standard_fds() < 0)
		return result_exit_status(RESULT_FAILED);
	(void)setlocale(LC_CTYPE, "");
	(void)setlocale(LC_TIME, "");
	terminal_init();
	status = argc > 0 && script_is_name(argv[0]) ? script_main(&verbs, argc, argv)
						     : run(argc, argv);
	pager_finish();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		terminal_error("cannot write the output: %s", strerror(errno));
		if (status == 0)
			status = result_exit_status(RESULT_FAILED);
	}
	return status;
}
