/*
 * Unpacking: deployd-intake reads what the client sent, deployd-unpack makes files of
 * it, a pipe between them. Neither is believed; deployd-store looks at the files again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build_config.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/operation.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What the two helpers said, put together; called when both have ended. */
static void judge_pipeline(struct operation *operation)
{
	const json_t *intake_reply = NULL, *unpack_reply = NULL;
	struct errinfo intake_error = {0}, unpack_error = {0};
	enum deploy_result intake, unpack;
	const char *hash;
	bool refused_early;

	intake = child_outcome(&operation->intake, &intake_reply, &intake_error);
	unpack = child_outcome(&operation->unpack, &unpack_reply, &unpack_error);
	/* Intake then only saw its pipe close; the reason is with unpack. */
	refused_early =
		unpack != RESULT_OK &&
		json_is_true(json_object_get(operation->intake.result, "epipe"));
	if (intake != RESULT_OK && !refused_early) {
		operation_fail(operation, intake, "%s", intake_error.what);
		return;
	}
	if (unpack != RESULT_OK) {
		operation_fail(operation, unpack, "%s", unpack_error.what);
		return;
	}
	hash = text_of(intake_reply, "sha256");
	if (!hash || !names_sha256_valid(hash)) {
		operation_fail(operation, RESULT_FAILED,
			       "deployd-intake gave no sha256");
		return;
	}
	(void)snprintf(operation->actual_sha256, sizeof(operation->actual_sha256), "%s",
		       hash);
	operation->archive_bytes =
		(uint64_t)json_integer_value(json_object_get(intake_reply, "bytes"));
	if (operation->sha256 && strcmp(operation->sha256, hash) != 0)
		operation_fail(
			operation, RESULT_REJECTED,
			"sha256 of the archive is %s, not %s: it is not the file "
			"you meant, or it was damaged on the way",
			hash, operation->sha256);
	else
		(void)!operation_archive_is_welcome(operation, hash);
}

static void on_helper_done(struct child *child)
{
	struct operation *operation = child->userdata;
	bool ok;

	if (--operation->pipeline_left > 0)
		return;
	judge_pipeline(operation);
	ok = operation->result == RESULT_OK;
	child_deinit(&operation->intake);
	child_deinit(&operation->unpack);
	operation_step_done(operation, ok);
}

static void on_intake_progress(struct child *child, const json_t *progress)
{
	struct operation *operation = child->userdata;

	operation->bytes =
		(uint64_t)json_integer_value(json_object_get(progress, "bytes"));
	operation->total_bytes =
		(uint64_t)json_integer_value(json_object_get(progress, "total"));
	operation_tell(operation);
}

static void on_unpack_progress(struct child *child, const json_t *progress)
{
	struct operation *operation = child->userdata;

	operation->entries =
		(uint64_t)json_integer_value(json_object_get(progress, "entries"));
}

static int start_unpack(struct operation *operation, int fd0)
{
	const struct release_limits *limits = &operation->settings->limits;
	const struct config_set *config = operation->config;
	char args[9][560];
	const char *argv[] = {DEPLOYD_LIBEXECDIR "/deployd-unpack",
			      args[0],
			      args[1],
			      args[2],
			      args[3],
			      args[4],
			      args[5],
			      args[6],
			      args[7],
			      args[8],
			      NULL,
			      NULL};
	char cpu[64];
	struct child_options options = {.argv = argv,
					.fd0 = fd0,
					.fd1 = -1,
					.timeout_ms = limits->unpack_sec * 1000};

	(void)snprintf(args[0], sizeof(args[0]), "--staging=%s", operation->staging);
	(void)snprintf(args[1], sizeof(args[1]), "--uid=%u",
		       (unsigned int)config->unpack_uid);
	(void)snprintf(args[2], sizeof(args[2]), "--gid=%u",
		       (unsigned int)config->unpack_gid);
	(void)snprintf(args[3], sizeof(args[3]), "--max-bytes=%llu",
		       (unsigned long long)limits->max_release_bytes);
	(void)snprintf(args[4], sizeof(args[4]), "--max-entries=%llu",
		       (unsigned long long)limits->max_entries);
	(void)snprintf(args[5], sizeof(args[5]), "--max-file-bytes=%llu",
		       (unsigned long long)limits->max_file_bytes);
	(void)snprintf(args[6], sizeof(args[6]), "--max-ratio=%llu",
		       (unsigned long long)limits->max_ratio);
	(void)snprintf(args[7], sizeof(args[7]), "--max-depth=%llu",
		       (unsigned long long)limits->max_depth);
	(void)snprintf(args[8], sizeof(args[8]), "--memory-bytes=%llu",
		       (unsigned long long)config->daemon->unpack_memory_bytes);
	(void)snprintf(cpu, sizeof(cpu), "--cpu-sec=%llu",
		       (unsigned long long)limits->unpack_sec);
	argv[10] = cpu;
	operation->unpack.userdata = operation;
	operation->unpack.on_progress = on_unpack_progress;
	operation->unpack.on_done = on_helper_done;
	return child_start(&operation->unpack, operation->daemon->loop, &options);
}

static int start_intake(struct operation *operation, int fd1)
{
	const struct config_set *config = operation->config;
	const struct release_limits *limits = &operation->settings->limits;
	char uid[32], gid[32], bytes[48], idle[48], rate[48];
	const char *argv[] = {DEPLOYD_LIBEXECDIR "/deployd-intake",
			      uid,
			      gid,
			      bytes,
			      idle,
			      rate,
			      NULL};
	struct child_options options = {.argv = argv,
					.fd0 = operation->archive_fd,
					.fd1 = fd1,
					.timeout_ms = limits->unpack_sec * 1000};

	(void)snprintf(uid, sizeof(uid), "--uid=%u", (unsigned int)config->intake_uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u", (unsigned int)config->intake_gid);
	(void)snprintf(bytes, sizeof(bytes), "--max-bytes=%llu",
		       (unsigned long long)limits->max_archive_bytes);
	(void)snprintf(idle, sizeof(idle), "--idle-sec=%llu",
		       (unsigned long long)config->daemon->intake_idle_sec);
	(void)snprintf(rate, sizeof(rate), "--min-rate=%llu",
		       (unsigned long long)config->daemon->intake_min_bytes_per_sec);
	operation->intake.userdata = operation;
	operation->intake.on_progress = on_intake_progress;
	operation->intake.on_done = on_helper_done;
	return child_start(&operation->intake, operation->daemon->loop, &options);
}

void operation_unpack(struct operation *operation)
{
	int fds[2];
	int r = pipe2(fds, O_CLOEXEC);

	if (r < 0) {
		operation_fail(operation, RESULT_FAILED, "cannot make a pipe: %s",
			       strerror(errno));
		operation_step_done(operation, false);
		return;
	}
	operation->pipeline_left = 2;
	r = start_unpack(operation, fds[0]);
	(void)close(fds[0]);
	if (r < 0) {
		(void)close(fds[1]);
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-unpack: %s", strerror(-r));
		operation_step_done(operation, false);
		return;
	}
	r = start_intake(operation, fds[1]);
	(void)close(fds[1]);
	/* The helper has it; held here too, the sender would never see it closed. */
	(void)close(operation->archive_fd);
	operation->archive_fd = -1;
	if (r < 0) {
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-intake: %s", strerror(-r));
		operation->pipeline_left = 1;
		child_kill(&operation->unpack);
	}
}
