/*
 * deployd-probe: checks whether an app is healthy. PID 1 starts it in a transient unit
 * in the app's network (deployd has no network), but as a user of its own, so that the
 * app cannot answer in its place. It checks once, prints one line of JSON on stdout and
 * exits: 0 passed, 1 failed, 2 usage. Waiting, repeating and acting on the result is up
 * to deployd; the probe must never change anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "probe/http.h"
#include "probe/lockdown.h"
#include "probe/options.h"
#include "probe/tcp.h"
#include "util/fdio.h"
#include "util/finding.h"

#define EXIT_PASSED 0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int run(int argc, char **argv, struct finding *finding, struct errinfo *ei)
{
	struct probe_options options;
	int64_t start_ms;
	int r;

	r = options_parse(argc, argv, &options, ei);
	if (r < 0)
		return r;
	start_ms = now_ms();
	switch (options.verb) {
	case PROBE_VERB_HTTP:
		r = http_check(&options, finding, ei);
		break;
	case PROBE_VERB_TCP:
		r = tcp_check(&options, finding, ei);
		break;
	case PROBE_VERB_COUNT:
		return -EINVAL;
	}
	finding->took_ms = now_ms() - start_ms;
	return r;
}

int main(int argc, char **argv)
{
	static struct finding finding = {.took_ms = -1};
	cleanup_free char *line = NULL;
	struct errinfo ei = {0};
	int status = EXIT_FAILED;
	size_t length;

	if (probe_lockdown(&ei) < 0 || run(argc, argv, &finding, &ei) < 0) {
		(void)fprintf(stderr, "deployd-probe: %s\n", ei.what);
		finding_fail(&finding, "%s", ei.what);
		finding.took_ms = -1;
		status = EXIT_USAGE;
	} else if (finding.passed) {
		status = EXIT_PASSED;
	}
	line = finding_line(&finding, &length);
	if (!line || fd_write_all(STDOUT_FILENO, line, length) < 0)
		status = EXIT_FAILED; /* who has no answer must not think it passed */
	/* Not exit(): a look-up may go on, and the filter allows no handlers. */
	_exit(status);
}
