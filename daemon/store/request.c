#include "store/request.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/limits.h"
#include "store/protocol.h"

#define REQUEST_BYTES_MAX (1u << 20)
#define PATH_BYTES_MAX	  1000
_Static_assert(APP_DIR_MAX < PATH_BYTES_MAX, "a directory that --check accepts");

/* All of fd 0; NULL: ei says why. */
static char *read_input(size_t *ret_length, struct errinfo *ei)
{
	cleanup_free char *text = malloc(REQUEST_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = 1;

	if (!text) {
		(void)errinfo_set(ei, ENOMEM, "cannot read the request");
		return NULL;
	}
	while (n != 0 && length <= REQUEST_BYTES_MAX) {
		n = read(STDIN_FILENO, text + length, REQUEST_BYTES_MAX + 1 - length);
		if (n < 0 && errno != EINTR) {
			(void)errinfo_set(ei, errno, "cannot read the request");
			return NULL;
		}
		length += n > 0 ? (size_t)n : 0;
	}
	*ret_length = length;
	return steal_ptr(&text);
}

json_t *request_read(struct errinfo *ei)
{
	size_t length = 0;
	cleanup_free char *text = read_input(&length, ei);
	json_t *request;

	if (!text)
		return NULL;
	request = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(request)) {
		(void)errinfo_refuse(ei, RESULT_FAILED,
				     "the request is not a JSON object");
		json_decref(request);
		return NULL;
	}
	return request;
}

json_t *request_get(const json_t *request, const char *name)
{
	return json_object_get(request, name);
}

const char *request_text(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name));
}

int64_t request_int(const json_t *request, const char *name)
{
	return json_integer_value(json_object_get(request, name));
}

bool request_bool(const json_t *request, const char *name)
{
	return json_is_true(json_object_get(request, name));
}

int request_refuse(const char *what, struct errinfo *ei)
{
	return errinfo_refuse(ei, RESULT_FAILED, "bad request: %s", what);
}

static bool is_id(int64_t id)
{
	return id >= 0 && id < UINT32_MAX;
}

/* Absolute, not "/", every part a name. */
static bool is_path(const char *path)
{
	const char *part = path;

	if (strlen(path) >= PATH_BYTES_MAX || *part != '/')
		return false;
	while (*part == '/') {
		size_t n = strcspn(++part, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && part[0] == '.') ||
		    (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part += n;
	}
	return true;
}

static int read_link_targets(struct store_app *app, const json_t *list,
			     struct errinfo *ei)
{
	size_t n = json_array_size(list);

	app->link_targets = calloc(n + 1, sizeof(*app->link_targets));
	if (!app->link_targets)
		return errinfo_set(ei, ENOMEM, "cannot read the request");
	for (size_t i = 0; i < n; i++) {
		app->link_targets[i] = json_string_value(json_array_get(list, i));
		if (app->link_targets[i][0] != '/')
			return request_refuse("link_targets", ei);
	}
	return 0;
}

static int check_directories(struct store_app *app, struct errinfo *ei)
{
	size_t n;

	if (!is_path(app->base_dir) || !is_path(app->deploy_dir) ||
	    !is_path(app->releases_dir) || !is_path(app->current_dir) ||
	    !is_path(app->state_dir))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "directories must be absolute paths without "
				      "\"..\"");
	n = strlen(app->deploy_dir);
	if (strncmp(app->releases_dir, app->deploy_dir, n) != 0 ||
	    strncmp(app->current_dir, app->deploy_dir, n) != 0 ||
	    app->releases_dir[n] != '/' || app->current_dir[n] != '/' ||
	    strchr(app->releases_dir + n + 1, '/') ||
	    strchr(app->current_dir + n + 1, '/'))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "releases_dir and current_dir must be directly "
				      "in deploy_dir '%s'",
				      app->deploy_dir);
	app->releases_name = app->releases_dir + n + 1;
	app->current_name = app->current_dir + n + 1;
	if (strcmp(app->releases_name, app->current_name) == 0)
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"releases_dir and current_dir are both '%s'; current_dir is a "
			"link of its own",
			app->current_dir);
	return 0;
}

int request_read_app(const json_t *object, struct store_app *ret_app,
		     struct errinfo *ei)
{
	struct store_app *app = ret_app;
	int64_t gid, deploy_uid, unpack_uid;

	if (protocol_check_app(object, ei) < 0)
		return -EINVAL;
	app->name = request_text(object, "name");
	app->base_dir = request_text(object, "base_dir");
	app->deploy_dir = request_text(object, "deploy_dir");
	app->releases_dir = request_text(object, "releases_dir");
	app->current_dir = request_text(object, "current_dir");
	app->flags_dir = request_text(object, "flags_dir");
	app->scripts_dir = request_text(object, "scripts_dir");
	app->etc_dir = request_text(object, "etc_dir");
	app->state_dir = request_text(object, "state_dir");
	gid = request_int(object, "app_gid");
	deploy_uid = request_int(object, "deploy_uid");
	unpack_uid = request_int(object, "unpack_uid");
	if (read_link_targets(app, request_get(object, "link_targets"), ei) < 0)
		return -EINVAL;
	if (!is_id(gid) || !is_id(deploy_uid) || !is_id(unpack_uid))
		return request_refuse("uid or gid", ei);
	app->app_gid = (gid_t)gid;
	app->deploy_uid = (uid_t)deploy_uid;
	app->unpack_uid = (uid_t)unpack_uid;
	app->flags_mode = (mode_t)request_int(object, "flags_mode") & 0777;
	if (check_directories(app, ei) < 0)
		return -EINVAL;
	if (app->unpack_uid == 0)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "unpack_user must not be root");
	return 0;
}

void request_free_app(struct store_app *app)
{
	free(app->link_targets);
	app->link_targets = NULL;
}
