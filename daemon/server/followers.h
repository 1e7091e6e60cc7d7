#pragma once

#include <jansson.h>

#include "job/job.h"
#include "job/manager.h"
#include "server/service.h"

/* The clients that follow a job: they started it, or attached to it. */

/* Sends its progress to those who asked for that. */
void followers_progress(struct service *service, const struct job *job)
	__attribute__((nonnull));

/* Sends the last reply to each, as far as the client may see it. */
void followers_answer(struct service *service, const struct job *job, json_t *reply)
	__attribute__((nonnull));

/* The sessions as readers of archives: userdata is the struct server. */
extern const struct archive_readers session_archive_readers;
