#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "deploy/result.h"

/*
 * The archive that a job waits for, as far as the job knows it. Who reads it from the
 * client (a session process) is behind a table of functions.
 */

/* How far the reader is with it. */
enum archive_state {
	ARCHIVE_STATE_NONE,
	ARCHIVE_STATE_AWAITED,	/* too little has arrived for its job to begin */
	ARCHIVE_STATE_FLOWS,	/* a job may take its turn */
	ARCHIVE_STATE_COMPLETE, /* read to its end by the reader */
	ARCHIVE_STATE_FAILED,	/* will not be complete */
};

struct archive {
	enum archive_state state;
	uint64_t bytes;		   /* read, when complete */
	uint64_t total;		   /* 0: not known */
	enum deploy_result result; /* when it has failed: failed or rejected */
	char error[200];
};

/* reader: a number that is never reused; all of these accept one that has gone. */
struct archive_readers {
	/* False: it has gone, and with it what was not read. */
	bool (*is_there)(void *userdata, uint64_t reader);
	/* Its job has its turn: the archive goes into the pipe, the caller's. -errno */
	int (*pump)(void *userdata, uint64_t reader, int pipe_fd);
	/* All that was sent has arrived: it has to say now that it is complete. */
	void (*due)(void *userdata, uint64_t reader);
	/* Nobody waits for that any longer: it fails, but not before this returns. */
	void (*give_up)(void *userdata, uint64_t reader);
	/* The archive is not needed any more. */
	void (*drop)(void *userdata, uint64_t reader);
};
