#include "watch_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MSEC 10000

void must(int r, const char *what)
{
	if (r < 0)
		fail_msg("%s: %s", what, strerror(errno));
}

static struct seen *find(struct world *world, const char *name)
{
	for (size_t i = 0; i < APPS_MAX; i++)
		if (strcmp(world->apps[i].name, name) == 0)
			return &world->apps[i];
	fail_msg("a callback about '%s'", name);
	return NULL;
}

static void on_found(void *userdata, const char *app,
		     const struct flag_identity *identity, uid_t owner)
{
	struct world *world = userdata;
	struct seen *seen = find(world, app);

	assert_false(world->closed);
	if (!identity) {
		seen->n_none++;
		return;
	}
	/* Every look tells; the touches are what differs. */
	if (seen->n_found > 0 && flag_identity_equal(&seen->identity, identity))
		return;
	seen->n_found++;
	seen->identity = *identity;
	seen->owner = owner;
	seen->found_ms = uv_hrtime() / 1000000;
}

static void on_trouble(void *userdata, const char *app, const char *text)
{
	struct seen *seen = find(userdata, app);

	(void)printf("trouble of %s: %s\n", app, text ? text : "(none)");
	(void)snprintf(seen->trouble, sizeof(seen->trouble), "%s", text ? text : "");
	if (text)
		seen->n_troubles++;
	else
		seen->n_well++;
}

struct world *world_make(void)
{
	static const struct flag_watch_callbacks callbacks = {on_found, on_trouble};
	struct world *world = calloc(1, sizeof(*world));
	/* Not /tmp: everybody may write there, which is not safe. */
	char root[] = "/run/deployd-test-XXXXXX";

	if (geteuid() != 0) {
		(void)printf(
			"skipped: only root can make directories of other users\n");
		exit(77);
	}
	assert_non_null(world);
	(void)umask(022);
	assert_non_null(mkdtemp(root));
	must(chmod(root, 0755), "chmod");
	(void)strcpy(world->root, root);
	for (size_t i = 0; i < APPS_MAX; i++) {
		struct seen *app = &world->apps[i];
		const char name[] = {(char)('a' + i), '\0'};

		(void)strcpy(app->name, name);
		(void)snprintf(app->dir, sizeof(app->dir), "%s/%s/flags", root, name);
		(void)snprintf(app->flag, sizeof(app->flag), "%s/%s/flags/restart.flag",
			       root, name);
	}
	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(flag_watch_new(&world->loop, &callbacks, world, &world->watch),
			 0);
	return world;
}

static void on_closed(void *userdata)
{
	struct world *world = userdata;

	world->closed = true;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void world_free(struct world *world)
{
	flag_watch_close(world->watch, on_closed, world);
	assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
	assert_true(world->closed);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	(void)nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(world);
}

struct seen *world_watch(struct world *world, size_t at)
{
	struct seen *app = &world->apps[at];

	assert_int_equal(
		flag_watch_set(world->watch, app->name, app->dir, DEPLOY_UID, APP_UID),
		0);
	return app;
}

struct seen *world_app(struct world *world, size_t at)
{
	struct seen *app = &world->apps[at];
	char parent[256];

	(void)snprintf(parent, sizeof(parent), "%s/%s", world->root, app->name);
	must(mkdir(parent, 0750), parent);
	must(mkdir(app->dir, 0755), app->dir);
	must(chown(app->dir, DEPLOY_UID, DEPLOY_UID), app->dir);
	(void)world_watch(world, at);
	world_wait(world, &app->n_none, 0);
	return app;
}

static void on_deadline(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

void world_wait(struct world *world, const unsigned int *counter, unsigned int before)
{
	bool late = false;
	uv_timer_t timer;

	(void)uv_timer_init(&world->loop, &timer);
	timer.data = &late;
	(void)uv_timer_start(&timer, on_deadline, WAIT_MSEC, 0);
	while (*counter <= before && !late)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	if (*counter <= before)
		fail_msg("nothing came");
}

void world_run(struct world *world, uint64_t msec)
{
	bool over = false;
	uv_timer_t timer;

	(void)uv_timer_init(&world->loop, &timer);
	timer.data = &over;
	(void)uv_timer_start(&timer, on_deadline, msec, 0);
	while (!over)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&world->loop, UV_RUN_NOWAIT);
}

void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		      0644);

	must(fd, path);
	must(fchown(fd, DEPLOY_UID, DEPLOY_UID), path);
	must(futimens(fd, NULL), path);
	(void)close(fd);
}

uint64_t touch_found(struct world *world, struct seen *app)
{
	unsigned int before = app->n_found;
	uint64_t began;

	(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	before = app->n_found;
	began = uv_hrtime() / 1000000;
	touch(app->flag);
	world_wait(world, &app->n_found, before);
	return app->found_ms - began;
}
