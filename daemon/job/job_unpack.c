/*
 * Unpacking: the session reads what its client sends, deployd-intake counts and hashes
 * it, and deployd-unpack turns it into files, with a pipe between each two. None of
 * them is trusted; deployd-store looks at the files again. All three have to agree that
 * the archive is complete: a session that is killed closes its pipe like one that is
 * done.
 */
#include "job/job_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "build_config.h"
#include "deploy/cleanup.h"
#include "job/job_guard.h"
#include "util/args.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool job_has_archive(const struct job *job)
{
	if (!job->running || !job_kind(job->machine.kind)->takes_archive)
		return false;
	if (job->archive_reader == 0)
		return true; /* it has been unpacked */
	return job->archive.state == ARCHIVE_STATE_COMPLETE;
}

/* If the archive itself is not at fault, the sender's error comes first. */
static bool archive_failed(struct job *job)
{
	const struct archive *archive = &job->archive;

	if (archive->state != ARCHIVE_STATE_FAILED)
		return false;
	job_fail(job, archive->result, "%s%s",
		 archive->result == RESULT_REJECTED ? ""
						    : "the archive is incomplete: ",
		 archive->error);
	return true;
}

/* Not believed, but passed on, for the client and the journal. */
static void keep_warning(struct job *job, const json_t *reply)
{
	const char *text = text_of(reply, "warning");

	if (!text || !*text)
		return;
	(void)snprintf(job->warning, sizeof(job->warning), "%s", text);
	(void)names_scrub(names_trim_utf8(job->warning));
	journal_log(LOG_WARNING, "%s: job %s: of the archive, %s",
		    job->settings->app_name, job->id, job->warning);
}

/* Combines the results of the helpers and the session, when all have reported. */
static void judge_pipeline(struct job *job)
{
	const struct archive *archive = &job->archive;
	const json_t *intake_reply = NULL, *unpack_reply = NULL;
	struct errinfo intake_error = {0}, unpack_error = {0};
	enum deploy_result intake, unpack;
	const char *hash;
	bool refused_early;

	intake = child_outcome(&job->intake, &intake_reply, &intake_error);
	unpack = child_outcome(&job->unpack, &unpack_reply, &unpack_error);
	/* Intake then only saw its pipe close; the reason is with unpack. */
	refused_early = unpack != RESULT_OK &&
			json_is_true(json_object_get(job->intake.result, "epipe"));
	if (!refused_early && archive_failed(job))
		return;
	if (intake != RESULT_OK && !refused_early) {
		job_fail(job, intake, "%s", intake_error.what);
		return;
	}
	if (unpack != RESULT_OK) {
		job_fail(job, unpack, "%s", unpack_error.what);
		return;
	}
	hash = text_of(intake_reply, "sha256");
	if (!hash || !names_sha256_valid(hash)) {
		job_fail(job, RESULT_FAILED, "deployd-intake gave no sha256");
		return;
	}
	keep_warning(job, unpack_reply);
	(void)snprintf(job->actual_sha256, sizeof(job->actual_sha256), "%s", hash);
	job->archive_bytes =
		(uint64_t)json_integer_value(json_object_get(intake_reply, "bytes"));
	if (job->archive_bytes != archive->bytes)
		job_fail(job, RESULT_FAILED,
			 "the archive is incomplete: %llu bytes were sent, "
			 "%llu arrived; send it again",
			 (unsigned long long)archive->bytes,
			 (unsigned long long)job->archive_bytes);
	else if (job->sha256 && strcmp(job->sha256, hash) != 0)
		job_fail(job, RESULT_REJECTED,
			 "sha256 of the archive is %s, not %s: it is not the file "
			 "you meant, or it was damaged on the way",
			 hash, job->sha256);
	else
		(void)!job_archive_is_welcome(job, hash);
}

static bool reader_is_there(const struct job *job)
{
	const struct job_context *context = job->context;

	return job->archive_reader != 0 &&
	       context->archives.is_there(context->archives_userdata,
					  job->archive_reader);
}

static bool is_settled(const struct archive *archive)
{
	return archive->state >= ARCHIVE_STATE_COMPLETE;
}

static void pipeline_over(struct job *job)
{
	bool ok;

	job->archive_awaited = false;
	judge_pipeline(job);
	job_drop_archive(job);
	ok = job->result == RESULT_OK;
	child_deinit(&job->intake);
	child_deinit(&job->unpack);
	job_step_done(job, ok);
}

static void on_helper_done(struct child *child)
{
	struct job *job = child->userdata;
	const struct job_context *context = job->context;
	const json_t *reply = NULL;
	struct errinfo error;

	if (--job->pipeline_left > 0)
		return;
	/*
	 * The session says "complete" before it closes its pipe, but through another
	 * pipe, so its word may arrive after the helpers have ended.
	 */
	if (reader_is_there(job) &&
	    child_outcome(&job->intake, &reply, &error) == RESULT_OK &&
	    child_outcome(&job->unpack, &reply, &error) == RESULT_OK &&
	    !is_settled(&job->archive)) {
		job->archive_awaited = true;
		context->archives.due(context->archives_userdata, job->archive_reader);
		return;
	}
	pipeline_over(job);
}

void job_archive_changed(struct job *job, const struct archive *archive)
{
	job->archive = *archive;
	job->total_bytes = archive->total;
	if (job->archive_awaited) {
		if (is_settled(archive))
			pipeline_over(job);
		return;
	}
	if (archive->state != ARCHIVE_STATE_FAILED)
		return;
	if (job->running && job->machine.state == JOB_STATE_UNPACKING) {
		/* A session that hangs still holds the pipe, which would never end. */
		child_kill(&job->intake);
		child_kill(&job->unpack);
	} else if (!job->running) {
		(void)archive_failed(job);
		job_abandon(job, RESULT_FAILED, job->error.what);
	}
}

void job_kill_pipeline(struct job *job)
{
	const struct job_context *context = job->context;

	child_kill(&job->intake);
	child_kill(&job->unpack);
	/* They have ended, and the session alone is waited for. */
	if (job->archive_awaited && job->archive_reader != 0)
		context->archives.give_up(context->archives_userdata,
					  job->archive_reader);
}

static void on_intake_progress(struct child *child, const json_t *progress)
{
	struct job *job = child->userdata;

	job->bytes = (uint64_t)json_integer_value(json_object_get(progress, "bytes"));
	job_tell(job);
}

static void on_unpack_progress(struct child *child, const json_t *progress)
{
	struct job *job = child->userdata;

	job->entries =
		(uint64_t)json_integer_value(json_object_get(progress, "entries"));
}

static int start_unpack(struct job *job, int fd0)
{
	const struct release_limits *limits = &job->settings->limits;
	const struct config_set *config = job->config;
	char args[9][sizeof("--staging=") + JOB_STAGING_SIZE];
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
			      NULL,
			      NULL};
	cleanup_free char *link_targets =
		args_words("link-targets", limits->link_targets);
	char cpu[64];
	struct child_options options = {.argv = argv,
					.fd0 = fd0,
					.fd1 = -1,
					.timeout_ms = limits->unpack_sec * 1000};

	(void)snprintf(args[0], sizeof(args[0]), "--staging=%s", job->staging);
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
	argv[11] = link_targets;
	if (!link_targets)
		return -ENOMEM;
	job->unpack.userdata = job;
	job->unpack.on_progress = on_unpack_progress;
	job->unpack.on_done = on_helper_done;
	return child_start(&job->unpack, job->context->loop, &options);
}

static int start_intake(struct job *job, int fd0, int fd1)
{
	const struct config_set *config = job->config;
	const struct release_limits *limits = &job->settings->limits;
	char uid[32], gid[32], bytes[48], idle[48], rate[48];
	const char *argv[] = {DEPLOYD_LIBEXECDIR "/deployd-intake",
			      uid,
			      gid,
			      bytes,
			      idle,
			      rate,
			      NULL};
	struct child_options options = {.argv = argv,
					.fd0 = fd0,
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
	job->intake.userdata = job;
	job->intake.on_progress = on_intake_progress;
	job->intake.on_done = on_helper_done;
	return child_start(&job->intake, job->context->loop, &options);
}

/* deployd closes its copy at once, so that the session alone ends the archive. */
static int start_pump(struct job *job, int fd)
{
	const struct job_context *context = job->context;

	return context->archives.pump(context->archives_userdata, job->archive_reader,
				      fd);
}

static bool archive_is_acceptable(struct job *job)
{
	const struct archive *archive = &job->archive;
	uint64_t bytes_max = job->settings->limits.max_archive_bytes;

	if (archive_failed(job))
		return false;
	job->total_bytes = archive->total;
	if (archive->total <= bytes_max)
		return true;
	job_fail(job, RESULT_REJECTED,
		 "the archive is larger than max_archive_bytes (%llu)",
		 (unsigned long long)bytes_max);
	return false;
}

static int make_pipes(int archive[2], int unpack[2])
{
	int r;

	if (pipe2(archive, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(unpack, O_CLOEXEC) == 0)
		return 0;
	r = -errno;
	(void)close(archive[0]);
	(void)close(archive[1]);
	return r;
}

void job_unpack(struct job *job)
{
	int archive[2], unpack[2];
	int r;

	if (!archive_is_acceptable(job)) {
		job_step_done(job, false);
		return;
	}
	r = make_pipes(archive, unpack);
	if (r < 0) {
		job_fail(job, RESULT_FAILED, "cannot make a pipe: %s", strerror(-r));
		job_step_done(job, false);
		return;
	}
	job->pipeline_left = 2;
	r = start_unpack(job, unpack[0]);
	(void)close(unpack[0]);
	if (r < 0) {
		(void)close(unpack[1]);
		(void)close(archive[0]);
		(void)close(archive[1]);
		job_fail(job, RESULT_FAILED, "cannot start deployd-unpack: %s",
			 strerror(-r));
		job_step_done(job, false);
		return;
	}
	r = start_intake(job, archive[0], unpack[1]);
	(void)close(unpack[1]);
	(void)close(archive[0]);
	if (r < 0) {
		job_fail(job, RESULT_FAILED, "cannot start deployd-intake: %s",
			 strerror(-r));
		job->pipeline_left = 1;
		child_kill(&job->unpack);
	} else if (start_pump(job, archive[1]) < 0) {
		job_fail(job, RESULT_FAILED,
			 "the archive is incomplete: the connection of its "
			 "sender has ended");
		child_kill(&job->intake);
		child_kill(&job->unpack);
	}
	(void)close(archive[1]);
}
