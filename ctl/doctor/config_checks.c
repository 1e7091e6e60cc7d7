/* doctor: what the app's file asks of a program that cannot do it. */
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"
#include "doctor/limits.h"

static size_t status_length(const struct health_check *check)
{
	size_t length = 0;

	for (size_t i = 0; i < check->n_statuses; i++)
		length += (check->statuses[i].from == check->statuses[i].to ? 3 : 7) +
			  (i > 0);
	return length;
}

static void tell(const struct health_check *check, struct findings *findings,
		 const char *what, const char *fix)
{
	finding_add(findings, "probe-limit",
		    "deployd-probe does not take it, so the check fails and every "
		    "deploy is rolled back.");
	finding_what(findings, "%s:%u: [health_check %s]: %s", check->file, check->line,
		     check->name, what);
	finding_fix(findings, "%s", fix);
}

void check_config(const struct app_config *app, struct findings *findings)
{
	for (size_t i = 0; i < app->health.n_checks; i++) {
		const struct health_check *check = &app->health.checks[i];
		char text[128];
		size_t n = 0;

		if (status_length(check) > DOCTOR_PROBE_STATUS_TEXT_MAX) {
			(void)snprintf(text, sizeof(text),
				       "status is longer than %d characters",
				       DOCTOR_PROBE_STATUS_TEXT_MAX);
			tell(check, findings, text,
			     "write it with ranges: status = 200-299 304");
		}
		for (char **p = check->headers; p && *p; p++, n++)
			if (strcspn(*p, ":") > DOCTOR_PROBE_HEADER_NAME_MAX) {
				(void)snprintf(text, sizeof(text),
					       "the name of a header is longer than "
					       "%d characters",
					       DOCTOR_PROBE_HEADER_NAME_MAX);
				tell(check, findings, text, "choose another header");
			}
		if (n > DOCTOR_PROBE_HEADERS_MAX) {
			(void)snprintf(text, sizeof(text), "more than %d headers",
				       DOCTOR_PROBE_HEADERS_MAX);
			tell(check, findings, text,
			     "divide them among several [health_check NAME]");
		}
	}
}
