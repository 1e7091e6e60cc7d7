#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "bus/unit_job.h"
#include "bus/unit_properties.h"

/*
 * What came of a unit job: whether the unit is what was asked for, from what it was
 * before and what it is now, and if it is not, why. Pure: unit_job.c reads the
 * properties, this judges them.
 */

/* The unit is now as the action was to make it. */
bool unit_result_is_wanted(enum unit_action action, const struct unit_properties *now)
	__attribute__((nonnull));

/* A start of it began since. */
bool unit_result_has_started(const struct unit_properties *before,
			     const struct unit_properties *now)
	__attribute__((nonnull));

/*
 * The unit itself shows that the action was carried out, whoever did it: for a job
 * whose end nobody heard.
 */
bool unit_result_is_verified(enum unit_action action,
			     const struct unit_properties *before,
			     const struct unit_properties *now)
	__attribute__((nonnull));

/* It is active, but only the lapse of time tells whether it stays so. */
bool unit_result_settles(enum unit_action action, const struct unit_properties *now)
	__attribute__((nonnull));

/* Puts start-limit-hit where systemd still shows the failure before it. */
void unit_result_start_limit(enum unit_action action, const char *job_result,
			     const struct unit_properties *before,
			     struct unit_properties *now) __attribute__((nonnull));

/* Between the last end of "active" and its new begin, if there was one. */
void unit_result_gap(enum unit_action action, const struct unit_properties *before,
		     const struct unit_properties *now, struct unit_outcome *outcome)
	__attribute__((nonnull));

/* --- in words: each fills outcome->error --------------------------------------------
 */

/* The call never came to a reply: error is what kept it. */
void unit_result_no_call(enum unit_action action, const char *unit, int error,
			 struct unit_outcome *outcome) __attribute__((nonnull));

/* Why the manager refused the call. */
void unit_result_refused(enum unit_action action, const char *unit,
			 const sd_bus_error *error, struct unit_outcome *outcome)
	__attribute__((nonnull));

/*
 * Why the unit is not what was asked for, though its job ended with job_result (NULL:
 * the job is gone, and nobody heard how it ended).
 */
void unit_result_failed(enum unit_action action, const char *unit,
			const char *job_result,
			const struct unit_properties *properties,
			struct unit_outcome *outcome) __attribute__((nonnull(2, 4, 5)));

/* There is nothing that enabling it could do. */
void unit_result_no_install(const char *unit, struct unit_outcome *outcome)
	__attribute__((nonnull));

/*
 * The step took too long, for sec. While it waits or stops, nothing is said against
 * what was to be started.
 */
void unit_result_step_late(enum unit_action action, const char *unit,
			   enum unit_step step, uint64_t sec,
			   struct unit_outcome *outcome) __attribute__((nonnull));

/* The deadline passed; connected and begun say how far it came. */
void unit_result_late(enum unit_action action, const char *unit, uint64_t timeout_ms,
		      bool connected, bool begun, struct unit_outcome *outcome)
	__attribute__((nonnull));
