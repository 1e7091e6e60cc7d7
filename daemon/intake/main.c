/*
 * deployd-intake: reads the archive from the client's fd, counts and hashes it, and
 * feeds it to deployd-unpack. It owns nothing but three fds: 0 the client's, 1 the
 * pipe, 3 the report. It must never look at what the bytes mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/limits.h"
#include "deploy/result.h"
#include "util/args.h"
#include "util/fdio.h"
#include "util/landlock.h"
#include "util/privdrop.h"
#include "util/report.h"
#include "util/sandbox.h"
#include "util/source.h"

#define PIPE_FD	     1
#define BLOCK_BYTES  (256u << 10)
#define PIPE_BYTES   (1 << 20) /* fcntl(F_SETPIPE_SZ), best effort */
#define MEMORY_BYTES (256u << 20)
#define DIGEST_BYTES 32

struct intake {
	uint64_t uid, gid, max_bytes, idle_sec, min_rate;
	struct source source;
	EVP_MD_CTX *digest;
	uint64_t bytes;
	int64_t reported_ns;
	bool pipe_closed; /* unpack refused early: the reason is with it */
};

static int parse(struct intake *intake, int argc, char **argv, struct errinfo *ei)
{
	struct args_option options[] = {
		{"uid", &intake->uid, .min = 1, .max = UINT32_MAX - 1},
		{"gid", &intake->gid, .min = 1, .max = UINT32_MAX - 1},
		{"max-bytes", &intake->max_bytes, .min = 1, .max = INT64_MAX},
		{"idle-sec", &intake->idle_sec, .min = 1, .max = UNPACK_SEC_MAX},
		{"min-rate", &intake->min_rate, .max = INT64_MAX},
	};

	return args_parse(argc, argv, options, sizeof(options) / sizeof(*options), ei);
}

/* libcrypto reads no file of configuration and is done with set-up here. */
static int start_digest(struct intake *intake, struct errinfo *ei)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return errinfo_refuse(ei, RESULT_FAILED, "cannot start libcrypto");
	intake->digest = EVP_MD_CTX_new();
	if (!intake->digest ||
	    EVP_DigestInit_ex(intake->digest, EVP_sha256(), NULL) != 1)
		return errinfo_refuse(ei, RESULT_FAILED, "cannot start SHA-256");
	return 0;
}

static int enter_sandbox(const struct intake *intake, struct errinfo *ei)
{
	static const int syscalls[] = {SCMP_SYS(pread64)};
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NPROC, 0, 0},
		{RLIMIT_FSIZE, 0, 0},
		{RLIMIT_NOFILE, 8, 8},
		{RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES},
	};
	int r;

	r = privdrop_limits(limits, sizeof(limits) / sizeof(*limits), ei);
	if (r < 0)
		return r;
	r = privdrop_become((uid_t)intake->uid, (gid_t)intake->gid, ei);
	if (r < 0)
		return r;
	r = landlock_confine(-1, ei);
	if (r < 0)
		return r;
	return sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), ei);
}

static void progress(struct intake *intake)
{
	json_t *total = intake->source.seekable
				? json_integer((json_int_t)intake->source.expected)
				: json_null();

	report_progress(json_pack("{s:I, s:o}", "bytes", (json_int_t)intake->bytes,
				  "total", total));
}

static int too_large(const struct intake *intake, struct errinfo *ei)
{
	return errinfo_refuse(ei, RESULT_REJECTED,
			      "the archive is larger than max_archive_bytes (%llu)",
			      (unsigned long long)intake->max_bytes);
}

static int take_block(struct intake *intake, const char *block, size_t length,
		      struct errinfo *ei)
{
	int r;

	intake->bytes += length;
	if (intake->bytes > intake->max_bytes)
		return too_large(intake, ei);
	/* Into the pipe first: unpacking goes on while we hash. */
	r = fd_write_all(PIPE_FD, block, length);
	if (r == -EPIPE) {
		intake->pipe_closed = true;
		return errinfo_refuse(ei, RESULT_FAILED, "unpack closed the pipe");
	}
	if (r < 0)
		return errinfo_set(ei, r, "cannot hand on the archive");
	if (EVP_DigestUpdate(intake->digest, block, length) != 1)
		return errinfo_refuse(ei, RESULT_FAILED, "cannot hash the archive");
	if (report_progress_due(&intake->reported_ns))
		progress(intake);
	return 0;
}

static int transfer(struct intake *intake, struct errinfo *ei)
{
	static char block[BLOCK_BYTES];
	ssize_t n;
	int r;

	if (intake->source.expected > intake->max_bytes)
		return too_large(intake, ei);
	while ((n = source_read(&intake->source, block, sizeof(block), ei)) > 0) {
		r = take_block(intake, block, (size_t)n, ei);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return (int)n;
	if (intake->bytes == 0)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "the archive is empty (0 bytes): what makes or "
				      "sends it wrote nothing");
	return 0;
}

static int run(struct intake *intake, int argc, char **argv, struct errinfo *ei)
{
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	r = parse(intake, argc, argv, ei);
	if (r < 0)
		return r;
	r = start_digest(intake, ei);
	if (r < 0)
		return r;
	(void)fcntl(PIPE_FD, F_SETPIPE_SZ, PIPE_BYTES);
	r = source_init(
		&intake->source, STDIN_FILENO,
		&(struct source_pace){.idle_sec = (unsigned int)intake->idle_sec,
				      .bytes_per_sec = intake->min_rate},
		ei);
	if (r < 0)
		return r;
	r = enter_sandbox(intake, ei);
	if (r < 0)
		return r;
	return transfer(intake, ei);
}

static int report_done(struct intake *intake)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * DIGEST_BYTES + 1];
	char message[64];
	unsigned int length = 0;

	if (EVP_DigestFinal_ex(intake->digest, digest, &length) != 1 ||
	    length != DIGEST_BYTES)
		return report_result(RESULT_FAILED, "cannot hash the archive", NULL);
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	(void)snprintf(message, sizeof(message), "read %llu bytes",
		       (unsigned long long)intake->bytes);
	progress(intake);
	return report_result(RESULT_OK, message,
			     json_pack("{s:s, s:I}", "sha256", hex, "bytes",
				       (json_int_t)intake->bytes));
}

int main(int argc, char **argv)
{
	struct intake intake = {0};
	struct errinfo ei = {0};
	int status;

	if (!report_init()) {
		(void)fprintf(stderr, "deployd-intake is started by deployd only\n");
		return 2;
	}
	if (run(&intake, argc, argv, &ei) < 0)
		status = report_result(ei.result, ei.what,
				       json_pack("{s:b}", "epipe", intake.pipe_closed));
	else
		status = report_done(&intake);
	/* Not exit(): handlers of libraries would need more system calls. */
	_exit(status);
}
