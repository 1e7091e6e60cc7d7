#pragma once

#include "core/job_machine.h"
#include "deploy/right.h"
#include "server/service.h"
#include "server/session.h"

/*
 * The methods of io.deployd. Each reads its parameters from session->call, asks for its
 * right (request.h), and answers, now or later. dispatch.c has the table.
 */

/* A row of the table. */
struct method {
	const char *member; /* of the interface: "Deploy" */
	void (*answer)(struct service *service, struct session *session,
		       const struct method *method);
	enum right right;   /* on the app; RIGHT_COUNT: the method decides itself */
	enum job_kind kind; /* of the job it starts; JOB_KIND_COUNT: none */
};

#define METHOD(name)                                                                   \
	void method_##name(struct service *service, struct session *session,           \
			   const struct method *method) __attribute__((nonnull))

/* Starting jobs: with an archive, about a release, about the app alone. */
METHOD(take_archive);
METHOD(go_to_release);
METHOD(start_job);
METHOD(hold);
METHOD(mark);
METHOD(cancel);
METHOD(attach);

METHOD(list);
METHOD(status);
METHOD(releases);
METHOD(show);
METHOD(history);
METHOD(jobs);
METHOD(logs);

METHOD(can);
METHOD(policy_list);
METHOD(reload_configuration);
METHOD(daemon_status);

#undef METHOD
