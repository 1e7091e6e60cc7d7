/*
 * deployd-unpack: unpacks the archive that comes through the pipe on fd 0 into the
 * staging directory. The bytes may be hostile and the parsers may have bugs, so before
 * the first byte is read this process has: its root directory in the staging directory,
 * a user of its own, no capability, no system call but those to make files, and limits
 * on memory, CPU and file size. It must never be given another fd or a network.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/limits.h"
#include "unpack/confine.h"
#include "unpack/unpack.h"
#include "util/args.h"
#include "util/privdrop.h"
#include "util/report.h"

#define DEFAULT_MEMORY_BYTES (1u << 30)
#define MEMORY_BYTES_MIN     (64u << 20)

struct arguments {
	const char *staging, *link_targets;
	uint64_t uid, gid, memory_bytes;
	struct unpack_limits limits;
};

static volatile sig_atomic_t cpu_used_up;

static void on_cpu_limit(int sig)
{
	(void)sig;
	cpu_used_up = 1;
}

static int parse(struct arguments *a, int argc, char **argv, struct errinfo *ei)
{
	struct unpack_limits *limits = &a->limits;
	struct args_option options[] = {
		{"staging", .text = &a->staging},
		{"uid", &a->uid, .min = 1, .max = UINT32_MAX - 1},
		{"gid", &a->gid, .min = 1, .max = UINT32_MAX - 1},
		{"max-bytes", &limits->max_bytes, .min = 1, .max = INT64_MAX},
		{"max-entries", &limits->max_entries, .min = 1, .max = INT64_MAX},
		{"max-file-bytes", &limits->max_file_bytes, .min = 1, .max = INT64_MAX},
		{"max-ratio", &limits->max_ratio, .min = 1, .max = INT64_MAX},
		{"max-depth", &limits->max_depth, .min = 1, .max = RELEASE_DEPTH_MAX},
		{"strip-components", &limits->strip_components,
		 .max = STRIP_COMPONENTS_MAX, .optional = true},
		{"link-targets", .text = &a->link_targets, .optional = true},
		{"cpu-sec", &limits->cpu_sec, .min = 1, .max = UNPACK_SEC_MAX},
		{"memory-bytes", &a->memory_bytes, .min = MEMORY_BYTES_MIN,
		 .max = INT64_MAX, .optional = true},
	};

	a->memory_bytes = DEFAULT_MEMORY_BYTES;
	limits->cpu_used_up = &cpu_used_up;
	return args_parse(argc, argv, options, sizeof(options) / sizeof(*options), ei);
}

/* O_RDONLY is not needed and, once inside, a directory fd to read is one too many. */
static int open_staging(const struct arguments *a, struct errinfo *ei)
{
	struct stat st;
	cleanup_close int fd = -1;

	fd = open(a->staging, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot open the staging directory");
	if (st.st_uid != (uid_t)a->uid)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "the staging directory belongs to uid %u, not %u",
				      (unsigned int)st.st_uid, (unsigned int)a->uid);
	return steal_fd(&fd);
}

/* A word for the client before the hard limit's SIGKILL. */
static int watch_cpu(struct errinfo *ei)
{
	struct sigaction action = {.sa_handler = on_cpu_limit};

	if (sigaction(SIGXCPU, &action, NULL) < 0)
		return errinfo_set(ei, errno, "cannot watch the CPU time");
	return 0;
}

static void on_progress(const struct unpack_totals *totals, void *userdata)
{
	int64_t *reported_ns = userdata;

	if (report_progress_due(reported_ns))
		report_progress(json_pack("{s:I, s:I}", "entries",
					  (json_int_t)totals->entries, "bytes",
					  (json_int_t)totals->bytes));
}

static int split_link_targets(struct arguments *a, struct errinfo *ei)
{
	/* It lives as long as the process. */
	a->limits.link_targets =
		(const char *const *)args_split(a->link_targets ? a->link_targets : "");
	return a->limits.link_targets
		       ? 0
		       : errinfo_set(ei, ENOMEM, "cannot read the arguments");
}

static int run(int argc, char **argv, struct unpack_totals *totals, struct errinfo *ei)
{
	struct arguments a = {0};
	cleanup_close int staging_fd = -1;
	int64_t reported_ns = 0;
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	r = parse(&a, argc, argv, ei);
	if (r == 0)
		r = split_link_targets(&a, ei);
	if (r < 0)
		return r;
	/* Names of pax archives are UTF-8; in the C locale libarchive converts them. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return errinfo_refuse(ei, RESULT_FAILED,
				      "the locale C.UTF-8 is missing");
	staging_fd = open_staging(&a, ei);
	if (staging_fd < 0)
		return staging_fd;
	r = watch_cpu(ei);
	if (r < 0)
		return r;
	r = confine(&(struct confinement){.uid = (uid_t)a.uid,
					  .gid = (gid_t)a.gid,
					  .memory_bytes = a.memory_bytes,
					  .max_file_bytes = a.limits.max_file_bytes,
					  .max_depth = a.limits.max_depth,
					  .cpu_sec = a.limits.cpu_sec},
		    staging_fd, ei);
	if (r < 0)
		return r;
	return unpack_archive(STDIN_FILENO, staging_fd, &a.limits, on_progress,
			      &reported_ns, totals, ei);
}

int main(int argc, char **argv)
{
	struct unpack_totals totals = {0};
	struct errinfo ei = {0};
	char message[96], warning[OMISSION_TEXT_BYTES];
	int status;

	if (!report_init()) {
		(void)fprintf(stderr, "deployd-unpack is started by deployd only\n");
		return 2;
	}
	if (run(argc, argv, &totals, &ei) < 0) {
		status = report_failure(&ei);
	} else {
		(void)snprintf(message, sizeof(message), "unpacked %llu files",
			       (unsigned long long)totals.files);
		status = report_result(
			RESULT_OK, message,
			json_pack("{s:I, s:I, s:I, s:s}", "entries",
				  (json_int_t)totals.entries, "files",
				  (json_int_t)totals.files, "bytes",
				  (json_int_t)totals.bytes, "warning",
				  omissions_text(&totals.omissions, warning)));
	}
	/* Not exit(): handlers of libraries would need more system calls. */
	_exit(status);
}
