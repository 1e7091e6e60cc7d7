#include "base/store_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config_set.h"
#include "build_config.h"

#define STATE_ROOT "/var/lib/deployd"

static json_t *app_object(const struct config_set *config, const struct app_config *app)
{
	char state_dir[512];
	bool touch = app->restart_method == RESTART_METHOD_TOUCH;
	json_t *words = json_array();

	for (char **p = app->limits.link_targets; p && *p; p++)
		(void)json_array_append_new(words, json_string(*p));

	(void)snprintf(state_dir, sizeof(state_dir), STATE_ROOT "/%s", app->app_name);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i, "
			 "s:I, s:o}",
			 "name", app->app_name, "base_dir", app->base_dir, "deploy_dir",
			 app->deploy_dir, "releases_dir", app->releases_dir,
			 "current_dir", app->current_dir, "flags_dir", app->flags_dir,
			 "scripts_dir", app->scripts_dir, "etc_dir", app->etc_dir,
			 "state_dir", state_dir, "app_gid", (json_int_t)app->app_gid,
			 "deploy_uid", (json_int_t)app->deploy_uid, "flags_mode",
			 touch ? 0775 : 0755, "unpack_uid",
			 (json_int_t)config->unpack_uid, "link_targets", words);
}

static void on_done(struct child *child)
{
	struct store_call *call = child->userdata;
	const json_t *reply = NULL;
	struct errinfo error = {0};
	enum deploy_result result = child_outcome(child, &reply, &error);
	json_t *kept = json_incref((json_t *)reply);

	/* The call may be reused in done: nothing of the child is needed any more. */
	child_deinit(child);
	call->done(call, result, kept, &error);
	json_decref(kept);
}

/* Takes over the request, which is NULL if memory ran out. */
static int start(struct store_call *call, uv_loop_t *loop, const char *verb,
		 json_t *request, int fd, uint64_t timeout_ms)
{
	static const char *const argv[] = {DEPLOYD_LIBEXECDIR "/deployd-store", NULL};
	struct child_options options = {
		.argv = argv, .fd0 = -1, .fd1 = fd, .timeout_ms = timeout_ms};

	if (json_object_set_new(request, "verb", json_string(verb)) < 0 ||
	    !(options.request = json_dumps(request, JSON_COMPACT))) {
		json_decref(request);
		return -ENOMEM;
	}
	json_decref(request);
	call->child.userdata = call;
	call->child.on_progress = NULL;
	call->child.on_done = on_done;
	return child_start(&call->child, loop, &options);
}

int store_call_start(struct store_call *call, uv_loop_t *loop,
		     const struct config_set *config, const struct app_config *app,
		     const char *verb, json_t *fields, uint64_t timeout_ms)
{
	return store_call_start_fd(call, loop, config, app, verb, fields, -1,
				   timeout_ms);
}

int store_call_start_fd(struct store_call *call, uv_loop_t *loop,
			const struct config_set *config, const struct app_config *app,
			const char *verb, json_t *fields, int fd, uint64_t timeout_ms)
{
	json_t *request = fields ? fields : json_object();

	if (json_object_set_new(request, "app", app_object(config, app)) < 0) {
		json_decref(request);
		return -ENOMEM;
	}
	return start(call, loop, verb, request, fd, timeout_ms);
}

int store_call_start_audit(struct store_call *call, uv_loop_t *loop, json_t *lines,
			   uint64_t timeout_ms)
{
	return start(call, loop, "audit",
		     json_pack("{s:s, s:o}", "directory", STATE_ROOT, "lines", lines),
		     -1, timeout_ms);
}

void store_call_kill(struct store_call *call)
{
	child_kill(&call->child);
}
