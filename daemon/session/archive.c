#include "session/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/session_protocol.h"

/* One read or write at most, so that pings are answered in between. */
#define ARCHIVE_STEP_BYTES_MAX (256u << 10)

void archive_init(struct archive *archive)
{
	*archive = (struct archive){.source.fd = -1, .pump_fd = -1};
}

static void fail(struct archive *archive)
{
	archive->state = ARCHIVE_FAILED;
	free(archive->ahead);
	archive->ahead = NULL;
	archive->length = 0;
}

void archive_start(struct archive *archive, int fd)
{
	archive_init(archive);
	archive->state = ARCHIVE_STARTED;
	if (fd < 0) {
		(void)errinfo_refuse(
			&archive->error, RESULT_REJECTED,
			"the request came without the archive's file descriptor");
		fail(archive);
		return;
	}
	archive->ahead = malloc(SESSION_AHEAD_BYTES);
	if (!archive->ahead)
		(void)errinfo_set(&archive->error, ENOMEM, "cannot read the archive");
	/* The pace is the pipe's reader's to watch. */
	if (!archive->ahead ||
	    source_init(&archive->source, fd, &(struct source_pace){0},
			&archive->error) < 0)
		fail(archive);
	else if (archive->source.seekable)
		archive->state = ARCHIVE_FLOWS;
	archive->source.fd = fd;
}

void archive_pump_into(struct archive *archive, int pump_fd)
{
	if (archive->state == ARCHIVE_NONE || archive->pump_fd >= 0) {
		(void)close(pump_fd);
		return;
	}
	/* Our end of the pipe is ours alone: deployd has closed its copy. */
	(void)fcntl(pump_fd, F_SETFL, O_WRONLY | O_NONBLOCK);
	archive->pump_fd = pump_fd;
}

bool archive_is_wanted(const struct archive *archive)
{
	return archive->state != ARCHIVE_NONE;
}

bool archive_may_read(const struct archive *archive, bool if_file)
{
	return (archive->state == ARCHIVE_STARTED || archive->state == ARCHIVE_FLOWS) &&
	       archive->length < SESSION_AHEAD_BYTES &&
	       archive->source.seekable == if_file;
}

bool archive_may_write(const struct archive *archive)
{
	return archive->pump_fd >= 0 && archive->length > 0;
}

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

void archive_read(struct archive *archive)
{
	size_t end = (archive->start + archive->length) % SESSION_AHEAD_BYTES;
	ssize_t n = source_read_once(&archive->source, archive->ahead + end,
				     least(SESSION_AHEAD_BYTES - archive->length,
					   SESSION_AHEAD_BYTES - end,
					   ARCHIVE_STEP_BYTES_MAX),
				     &archive->error);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		fail(archive);
		return;
	}
	archive->length += (size_t)n;
	archive->bytes += (uint64_t)n;
	if (n == 0)
		archive->state = ARCHIVE_COMPLETE;
	else if (archive->length == SESSION_AHEAD_BYTES)
		archive->state = ARCHIVE_FLOWS;
}

void archive_write(struct archive *archive)
{
	ssize_t n = write(archive->pump_fd, archive->ahead + archive->start,
			  least(archive->length, SESSION_AHEAD_BYTES - archive->start,
				ARCHIVE_STEP_BYTES_MAX));

	if (n >= 0) {
		archive->length -= (size_t)n;
		archive->start = (archive->start + (size_t)n) % SESSION_AHEAD_BYTES;
		if (archive->length == 0)
			archive->start = 0;
	} else if (errno != EAGAIN && errno != EINTR) {
		archive_drop(archive);
	}
}

void archive_settle(struct archive *archive)
{
	if (archive->state == ARCHIVE_FAILED ||
	    (archive->state == ARCHIVE_COMPLETE && archive->pump_fd >= 0 &&
	     archive->length == 0))
		archive_drop(archive);
}

void archive_drop(struct archive *archive)
{
	struct archive old = *archive;

	archive_init(archive);
	free(old.ahead);
	if (old.pump_fd >= 0)
		(void)close(old.pump_fd);
	if (old.source.fd >= 0)
		(void)close(old.source.fd);
}
