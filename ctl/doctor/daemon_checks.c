/* doctor: deployd's own units. */
#include "doctor/doctor.h"
#include "process/unit_text.h"

/* What answers nobody now, or after the next boot. */
static void check_deployd(const char *show, struct findings *findings)
{
	const char *state = unit_text_is(show, "UnitFileState", "disabled") ? "disabled"
			    : unit_text_is(show, "UnitFileState", "masked") ? "masked"
									    : NULL;

	if (state) {
		finding_add(findings, "deployd-disabled",
			    "after the next boot nobody could deploy or roll back, and "
			    "no touch of a flag would restart anything.");
		finding_what(findings, "deployd.service is %s", state);
		finding_fix(findings,
			    "%ssystemctl enable deployd.socket deployd.service",
			    *state == 'm' ? "systemctl unmask deployd.service\n" : "");
	}
	if (unit_text_is(show, "ActiveState", "active") ||
	    unit_text_is(show, "ActiveState", "reloading") ||
	    unit_text_is(show, "ActiveState", "activating"))
		return;
	finding_add(findings, "deployd-stopped",
		    "without it nobody can deploy or roll back; the apps continue to "
		    "run.");
	finding_what(findings, "deployd.service is %s",
		     unit_text_is(show, "ActiveState", "failed") ? "failed"
								 : "stopped");
	finding_fix(
		findings,
		"deployd --check && systemctl start deployd.socket deployd.service");
}

void check_daemon(const char *deployd_show, const char *sessions_show,
		  struct findings *findings)
{
	bool masked = unit_text_is(sessions_show, "LoadState", "masked");

	if (!unit_text_is(deployd_show, "LoadState", "loaded"))
		return; /* not installed here: what set-up verbs make is of use */
	check_deployd(deployd_show, findings);
	if (unit_text_is(sessions_show, "ActiveState", "active"))
		return;
	/* A start of deployd starts the socket, too (Wants=), unless it is masked. */
	if (!masked && !unit_text_is(deployd_show, "ActiveState", "active"))
		return;
	finding_add(findings, "sessions-stopped",
		    "deployd starts the processes that speak with its clients through "
		    "this socket; without it no request gets an answer.");
	finding_what(findings, "deployd-sessions.socket is %s",
		     masked ? "masked" : "stopped");
	finding_fix(findings, "%ssystemctl start deployd-sessions.socket",
		    masked ? "systemctl unmask deployd-sessions.socket\n" : "");
}
