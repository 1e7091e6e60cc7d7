#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "build_config.h"
#include "bus/clone_review.h"

/* systemd waits this much longer at each beat while jobs end. */
#define STOP_EXTEND_USEC    UINT64_C(30000000)
#define STOP_EXTEND_MSEC    10000u
#define RECOVER_EXTEND_USEC UINT64_C(60000000)

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void log_messages(const struct diag *diag, bool ok)
{
	for (size_t i = 0; i < diag->n_messages; i++)
		journal_log(ok ? LOG_WARNING : LOG_ERR, "%s", diag->messages[i]);
}

static void update_status(const struct daemon *daemon)
{
	char status[128];

	(void)snprintf(
		status, sizeof(status), "%zu app%s%s", daemon->config->n_apps,
		daemon->config->n_apps == 1 ? "" : "s",
		daemon->config_stale
			? "; the configuration has errors, the one before is in use"
			: "");
	notify_status(status);
}

static const char *app_or_apps(const struct daemon *daemon)
{
	return daemon->config->n_apps == 1 ? "app" : "apps";
}

static void log_loaded(const struct daemon *daemon)
{
	journal_event(JOURNAL_CONFIG_LOADED, LOG_INFO, NULL,
		      "configuration loaded: %zu %s", daemon->config->n_apps,
		      app_or_apps(daemon));
}

/* --- reload ------------------------------------------------------------------- */

struct reload {
	uv_work_t work;
	struct daemon *daemon;
	uint64_t session_id;
	reload_done_fn done;
	struct diag diag;
	struct config_set *config;
};

static void on_reload_work(uv_work_t *work)
{
	struct reload *reload = work->data;

	reload->config = config_set_load(true, &reload->diag);
}

static void reload_end(struct reload *reload, bool ok)
{
	struct daemon *daemon = reload->daemon;

	daemon->reloading = false;
	log_messages(&reload->diag, ok);
	if (!daemon->stopping) {
		notify_ready("reloaded");
		update_status(daemon);
	}
	if (reload->done)
		reload->done(daemon, reload->session_id, ok, reload->diag.messages,
			     reload->diag.n_messages);
	diag_deinit(&reload->diag);
	free(reload);
}

static void on_reload_reviewed(void *userdata)
{
	reload_end(userdata, true);
}

static void on_reload_done(uv_work_t *work, int status)
{
	struct reload *reload = work->data;
	struct daemon *daemon = reload->daemon;
	bool ok = status == 0 && reload->config;

	/* What is being finished is finished as it was begun. */
	if (daemon->stopping)
		ok = false;
	else
		daemon->config_stale = !ok;
	if (ok) {
		config_set_unref(daemon->config);
		daemon->config = reload->config;
		users_flush(&daemon->users, reload->config->users_uid,
			    reload->config->users_gid);
		log_loaded(daemon);
		manager_take_config(&daemon->manager);
		clone_review(daemon->units, daemon->config, &reload->diag,
			     on_reload_reviewed, reload);
		return;
	}
	config_set_unref(reload->config);
	journal_event(JOURNAL_CONFIG_REFUSED, LOG_ERR, NULL,
		      "the configuration has errors; the previous one stays in use");
	reload_end(reload, false);
}

int daemon_reload(struct daemon *daemon, uint64_t session_id, reload_done_fn done)
{
	struct reload *reload;
	int r;

	if (daemon->reloading || daemon->stopping || !daemon->ready)
		return -EBUSY;
	reload = calloc(1, sizeof(*reload));
	if (!reload)
		return -ENOMEM;
	reload->work.data = reload;
	reload->daemon = daemon;
	reload->session_id = session_id;
	reload->done = done;
	r = uv_queue_work(daemon->loop, &reload->work, on_reload_work, on_reload_done);
	if (r < 0) {
		free(reload);
		return r;
	}
	daemon->reloading = true;
	notify_reloading();
	return 0;
}

/* --- the units, at a start and when systemd is back ------------------------------ */

static void on_reviewed(void *userdata)
{
	struct diag *diag = userdata;

	log_messages(diag, true);
	diag_deinit(diag);
	free(diag);
}

static void on_connected(void *userdata)
{
	struct daemon *daemon = userdata;
	struct diag *diag = calloc(1, sizeof(*diag));

	if (diag)
		clone_review(daemon->units, daemon->config, diag, on_reviewed, diag);
}

/* --- stop --------------------------------------------------------------------- */

static void on_units_closed(void *userdata)
{
	struct daemon *daemon = userdata;

	daemon->units = NULL;
}

static void on_flags_closed(void *userdata)
{
	struct daemon *daemon = userdata;

	daemon->flags = NULL;
}

static void close_everything(struct daemon *daemon)
{
	if (daemon->flags)
		flags_close(daemon->flags, on_flags_closed, daemon);
	server_close_sessions(&daemon->server);
	decisions_close(&daemon->decisions);
	users_close(&daemon->users);
	close_handle((uv_handle_t *)&daemon->stop_timer);
	close_handle((uv_handle_t *)&daemon->sigterm);
	close_handle((uv_handle_t *)&daemon->sigint);
	close_handle((uv_handle_t *)&daemon->sighup);
	confirm_close(&daemon->confirm);
	journal_close();
	notify_close(&daemon->notify);
	if (daemon->units)
		units_close(daemon->units, on_units_closed, daemon);
}

static void on_stop_timer(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	if (daemon->closed)
		close_everything(daemon);
	else
		notify_extend_timeout(STOP_EXTEND_USEC);
}

/* Not at once: it may be a session whose end has ended the last job. */
static void on_idle(struct daemon *daemon)
{
	if (daemon->stopping && !daemon->closed) {
		daemon->closed = true;
		(void)uv_timer_start(&daemon->stop_timer, on_stop_timer, 0, 0);
	}
}

void daemon_stop(struct daemon *daemon)
{
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	notify_stopping();
	server_stop(&daemon->server);
	(void)uv_timer_start(&daemon->stop_timer, on_stop_timer, 0, STOP_EXTEND_MSEC);
	manager_stop(&daemon->manager);
}

static void on_stop_signal(uv_signal_t *signal, int signum)
{
	(void)signum;
	daemon_stop(signal->data);
}

static void on_reload_signal(uv_signal_t *signal, int signum)
{
	int r = daemon_reload(signal->data, 0, NULL);

	(void)signum;
	if (r < 0)
		journal_log(LOG_WARNING, "ignoring SIGHUP: %s",
			    r == -EBUSY ? "deployd starts, stops or reloads already"
					: strerror(-r));
}

/* --- start -------------------------------------------------------------------- */

static void on_archive(struct daemon *daemon, struct session *session)
{
	manager_archive_changed(&daemon->manager, session);
}

static void on_recovered(struct daemon *daemon)
{
	int r;

	if (daemon->stopping)
		return;
	flags_take_config(daemon->flags);
	confirm_update(&daemon->confirm);
	if (daemon->ready)
		return;
	r = server_start(&daemon->server, daemon, daemon->listen_fd);
	if (r < 0) {
		journal_log(LOG_ERR, "cannot listen: %s", strerror(-r));
		daemon->failed = true;
		daemon_stop(daemon);
		return;
	}
	daemon->server.on_archive = on_archive;
	daemon->listen_fd = -1;
	daemon->ready = true;
	journal_event(JOURNAL_STARTED, LOG_INFO, NULL,
		      "deployd " DEPLOYD_VERSION " is ready: %zu %s",
		      daemon->config->n_apps, app_or_apps(daemon));
	notify_ready("ready");
	update_status(daemon);
	confirm_update(&daemon->confirm);
}

static void on_job_over(struct daemon *daemon, const struct job *job)
{
	flags_job_ended(daemon->flags, job);
	confirm_update(&daemon->confirm);
}

static int watch_signal(struct daemon *daemon, uv_signal_t *handle, int signum,
			uv_signal_cb callback)
{
	int r = uv_signal_init(daemon->loop, handle);

	if (r < 0)
		return r;
	handle->data = daemon;
	return uv_signal_start(handle, callback, signum);
}

int daemon_start(struct daemon *daemon, uv_loop_t *loop, struct config_set *config,
		 int listen_fd)
{
	int r;

	*daemon =
		(struct daemon){.loop = loop, .config = config, .listen_fd = listen_fd};
	r = journal_init(loop, JOURNAL_SOCKET_PATH);
	if (r < 0)
		return r;
	r = users_start(
		&daemon->users, loop,
		&(struct users_options){.program = DEPLOYD_LIBEXECDIR "/deployd-users",
					.dir = USERS_DIR,
					.uid = config->users_uid,
					.gid = config->users_gid});
	if (r == 0)
		r = manager_init(&daemon->manager, daemon);
	if (r == 0)
		r = decisions_init(&daemon->decisions, daemon);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sigterm, SIGTERM, on_stop_signal);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sigint, SIGINT, on_stop_signal);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sighup, SIGHUP, on_reload_signal);
	if (r == 0)
		r = uv_timer_init(loop, &daemon->stop_timer);
	daemon->stop_timer.data = daemon;
	if (r == 0)
		r = confirm_init(&daemon->confirm, daemon);
	if (r == 0)
		r = flags_new(daemon, &daemon->flags);
	if (r == 0)
		r = notify_start(&daemon->notify, loop);
	if (r == 0)
		r = units_new(loop, NULL, on_connected, daemon, &daemon->units);
	if (r < 0)
		return r;
	daemon->manager.on_recovered = on_recovered;
	daemon->manager.on_idle = on_idle;
	daemon->manager.on_job_over = on_job_over;
	log_loaded(daemon);
	notify_extend_timeout(RECOVER_EXTEND_USEC);
	manager_take_config(&daemon->manager);
	return 0;
}
