/* doctor: deployd's own units. */
#include "doctor/doctor.h"
#include "process/unit_text.h"

void check_daemon(const char *deployd_show, const char *sessions_show,
		  struct findings *findings)
{
	bool masked = unit_text_is(sessions_show, "LoadState", "masked");

	if (!unit_text_is(deployd_show, "LoadState", "loaded"))
		return; /* not installed here: what set-up verbs make is of use */
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
