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

static const struct method methods[] = {
	{"Deploy", method_take_archive, RIGHT_DEPLOY, JOB_KIND_DEPLOY},
	{"Stage", method_take_archive, RIGHT_STAGE, JOB_KIND_STAGE},
	{"Activate", method_go_to_release, RIGHT_ACTIVATE, JOB_KIND_ACTIVATE},
	{"Rollback", method_go_to_release, RIGHT_ROLLBACK, JOB_KIND_ROLLBACK},
	{"Confirm", method_start_job, RIGHT_CONFIRM, JOB_KIND_CONFIRM},
	{"Hold", method_hold, RIGHT_HOLD, JOB_KIND_HOLD},
	{"Unhold", method_start_job, RIGHT_HOLD, JOB_KIND_UNHOLD},
	{"MarkGood", method_mark, RIGHT_MARK, JOB_KIND_MARK_GOOD},
	{"MarkBad", method_mark, RIGHT_MARK, JOB_KIND_MARK_BAD},
	{"Pin", method_mark, RIGHT_PIN, JOB_KIND_PIN},
	{"Unpin", method_mark, RIGHT_PIN, JOB_KIND_UNPIN},
	{"Restart", method_start_job, RIGHT_RESTART, JOB_KIND_RESTART},
	{"Reload", method_start_job, RIGHT_RELOAD, JOB_KIND_RELOAD},
	{"Start", method_start_job, RIGHT_START, JOB_KIND_START},
	{"Stop", method_start_job, RIGHT_STOP, JOB_KIND_STOP},
	{"Enable", method_start_job, RIGHT_ENABLE, JOB_KIND_ENABLE},
	{"Disable", method_start_job, RIGHT_ENABLE, JOB_KIND_DISABLE},
	{"Cancel", method_cancel, RIGHT_CANCEL, JOB_KIND_COUNT},
	{"Status", method_status, RIGHT_STATUS, JOB_KIND_COUNT},
	{"Releases", method_releases, RIGHT_STATUS, JOB_KIND_COUNT},
	{"Show", method_show, RIGHT_STATUS, JOB_KIND_COUNT},
	{"History", method_history, RIGHT_HISTORY, JOB_KIND_COUNT},
	{"Logs", method_logs, RIGHT_LOGS, JOB_KIND_COUNT},
	{"List", method_list, RIGHT_COUNT, JOB_KIND_COUNT},
	{"Jobs", method_jobs, RIGHT_COUNT, JOB_KIND_COUNT},
	{"Attach", method_attach, RIGHT_COUNT, JOB_KIND_COUNT},
	{"Can", method_can, RIGHT_COUNT, JOB_KIND_COUNT},
	{"PolicyList", method_policy_list, RIGHT_COUNT, JOB_KIND_COUNT},
	{"ReloadConfiguration", method_reload_configuration, RIGHT_COUNT,
	 JOB_KIND_COUNT},
	{"DaemonStatus", method_daemon_status, RIGHT_COUNT, JOB_KIND_COUNT},
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
