#include "job/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/app_view_json.h"

struct app *app_new(struct manager *manager, const char *name)
{
	struct app *app = calloc(1, sizeof(*app));

	if (!app)
		return NULL;
	app->manager = manager;
	(void)snprintf(app->name, sizeof(app->name), "%s", name);
	return app;
}

void app_free(struct app *app)
{
	if (!app)
		return;
	app_view_free(app->view);
	free(app->view_of);
	free(app);
}

bool app_is_recovered(const struct app *app, const struct app_config *settings)
{
	return app->view_of && strcmp(app->view_of, settings->deploy_dir) == 0;
}

void app_set_recovered(struct app *app, const struct app_config *settings)
{
	free(app->view_of);
	app->view_of = strdup(settings->deploy_dir);
}

void app_take_view(struct app *app, const struct app_config *settings,
		   const json_t *json)
{
	struct app_view *view;

	if (!app_is_recovered(app, settings))
		return;
	view = app_view_from_json(json);
	if (!view)
		return;
	app_view_free(app->view);
	app->view = view;
	app->problem[0] = '\0';
}

void app_forget_view(struct app *app, const char *why)
{
	app_view_free(app->view);
	app->view = NULL;
	free(app->view_of);
	app->view_of = NULL;
	(void)snprintf(app->problem, sizeof(app->problem), "%s", why);
}

const char *app_problem(const struct app *app)
{
	return *app->problem ? app->problem : "not recovered yet";
}
