#pragma once

#include "job/job.h"

/* What must hold before a job changes anything. */
/*
 * False, with the reason recorded: a hold, a release that awaits its confirmation, or
 * --if-current forbid it.
 */
bool job_may_switch(struct job *job) __attribute__((warn_unused_result, nonnull));

/* Settles which release to go to. False, with the reason recorded: there is none. */
bool job_choose_target(struct job *job) __attribute__((warn_unused_result, nonnull));

/* As things stand now, nothing forbids its switch. Changes nothing. */
bool job_would_switch(struct job *job) __attribute__((warn_unused_result, nonnull));

/* False, with the reason recorded: the archive is known to be a bad release. */
bool job_archive_is_welcome(struct job *job, const char *sha256)
	__attribute__((warn_unused_result, nonnull));

/*
 * Finds out whether there is a unit to restart, and calls go_on then; else the step has
 * failed: it is better to hear of a masked unit before the switch than after it. With
 * daemon_reload = yes systemd reads a changed unit file first.
 */
void job_with_unit(struct job *job, void (*go_on)(struct job *job))
	__attribute__((nonnull));

/* With daemon_reload = yes systemd reads a changed unit file; then calls go_on. */
void job_with_unit_file(struct job *job, void (*go_on)(struct job *job))
	__attribute__((nonnull));
