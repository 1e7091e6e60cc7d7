#include "server/dispatch.h"

#include <string.h>

#include "build_config.h"
#include "deploy/names.h"
#include "deploy/varlink.h"
#include "server/methods.h"
#include "server/request.h"
#ifdef DEPLOYD_CERTIFICATION
#include "server/certification.h"
#endif

#define STARTS(name, how, what)                                                        \
	{                                                                              \
		name, method_##how, RIGHT_##what, JOB_KIND_##what                      \
	}
#define READS(name, how, right)                                                        \
	{                                                                              \
		name, method_##how, RIGHT_##right, JOB_KIND_COUNT                      \
	}
#define OWN_RULES(name, how)                                                           \
	{                                                                              \
		name, method_##how, RIGHT_COUNT, JOB_KIND_COUNT                        \
	}

static const struct method methods[] = {
	STARTS("Deploy", take_archive, DEPLOY),
	STARTS("Stage", take_archive, STAGE),
	STARTS("Activate", go_to_release, ACTIVATE),
	STARTS("Rollback", go_to_release, ROLLBACK),
	STARTS("Confirm", start_job, CONFIRM),
	STARTS("Hold", hold, HOLD),
	{"Unhold", method_start_job, RIGHT_HOLD, JOB_KIND_UNHOLD},
	STARTS("Restart", start_job, RESTART),
	STARTS("Reload", start_job, RELOAD),
	STARTS("Start", start_job, START),
	STARTS("Stop", start_job, STOP),
	STARTS("Enable", start_job, ENABLE),
	{"Disable", method_start_job, RIGHT_ENABLE, JOB_KIND_DISABLE},
	READS("Cancel", cancel, CANCEL),
	READS("Status", status, STATUS),
	READS("Releases", releases, STATUS),
	READS("Show", show, STATUS),
	READS("History", history, HISTORY),
	READS("Logs", logs, LOGS),
	OWN_RULES("List", list),
	OWN_RULES("Jobs", jobs),
	OWN_RULES("Attach", attach),
	OWN_RULES("Can", can),
	OWN_RULES("PolicyList", policy_list),
	OWN_RULES("ReloadConfiguration", reload_configuration),
	OWN_RULES("DaemonStatus", daemon_status),
};

static const struct {
	const char *name;
	const char *text;
} interfaces[] = {
	{"org.varlink.service", varlink_interface_service},
	{"io.deployd", varlink_interface_io_deployd},
#ifdef DEPLOYD_CERTIFICATION
	{"org.varlink.certification", certification_interface},
#endif
};
#define N_INTERFACES (sizeof(interfaces) / sizeof(*interfaces))

static void get_info(struct session *session)
{
	json_t *names = json_array();

	if (!request_params(session, NULL, 0)) {
		json_decref(names);
		return;
	}
	for (size_t i = 0; i < N_INTERFACES; i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	session_reply(session,
		      json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "deployd",
				"product", "deployd", "version", DEPLOYD_VERSION, "url",
				"https://varlink.org/Service", "interfaces", names),
		      false);
}

static void get_interface(struct session *session)
{
	const char *name = NULL;
	const struct param params[] = {{"interface", PARAM_STRING, true, &name}};
	char escaped[256];

	if (!request_params(session, params, 1))
		return;
	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (strcmp(interfaces[i].name, name) == 0) {
			session_reply(
				session,
				json_pack("{s:s}", "description", interfaces[i].text),
				false);
			return;
		}
	}
	session_error(session, "org.varlink.service.InterfaceNotFound",
		      json_pack("{s:s}", "interface",
				names_escape(name, escaped, sizeof(escaped))));
}

static void method_not_found(struct session *session)
{
	char escaped[320];

	session_error(session, "org.varlink.service.MethodNotFound",
		      json_pack("{s:s}", "method",
				names_escape(session->call.method, escaped,
					     sizeof(escaped))));
}

void dispatch_request(struct service *service, struct session *session)
{
	const struct varlink_call *call = &session->call;
	char escaped[256];

	/* Not a denial: whoever it is may well be allowed. */
	if (session->peer.trouble[0] && strcmp(call->interface, "io.deployd") == 0) {
		session_refuse(session, RESULT_FAILED,
			       "cannot look up the user of uid %u: %s; try again",
			       (unsigned int)session->peer.uid, session->peer.trouble);
		return;
	}
	if (strcmp(call->interface, "io.deployd") == 0) {
		for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
			if (strcmp(methods[i].member, call->member) == 0) {
				methods[i].answer(service, session, &methods[i]);
				return;
			}
		}
		method_not_found(session);
		return;
	}
	if (strcmp(call->interface, "org.varlink.service") == 0) {
		if (strcmp(call->member, "GetInfo") == 0)
			get_info(session);
		else if (strcmp(call->member, "GetInterfaceDescription") == 0)
			get_interface(session);
		else
			method_not_found(session);
		return;
	}
#ifdef DEPLOYD_CERTIFICATION
	if (strcmp(call->interface, "org.varlink.certification") == 0) {
		certification_dispatch(session);
		return;
	}
#endif
	session_error(
		session, "org.varlink.service.InterfaceNotFound",
		json_pack("{s:s}", "interface",
			  names_escape(call->interface, escaped, sizeof(escaped))));
}
