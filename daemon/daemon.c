/*
 * Puts the rooms together: the only file that knows all of them. What one room has to
 * tell another goes through the functions here.
 */
#include "daemon.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "base/notify.h"
#include "build_config.h"
#include "bus/clone_review.h"
#include "bus/units.h"
#include "flag/flags.h"
#include "job/confirm.h"
#include "job/manager.h"
#include "job/recovery.h"
#include "server/dispatch.h"
#include "server/followers.h"
#include "server/service.h"

/* systemd waits this much longer at each beat while jobs end. */
#define STOP_EXTEND_USEC    UINT64_C(30000000)
#define STOP_EXTEND_MSEC    10000u
#define RECOVER_EXTEND_USEC UINT64_C(60000000)

struct daemon {
	uv_loop_t *loop;
	struct config_current config;
	struct units *units;
	struct flags *flags;
	struct manager manager;
	struct recovery recovery;
	struct confirm confirm;
	struct service service; /* the server room */
	struct notify notify;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t stop_timer; /* asks systemd for more time, then closes everything */
	int listen_fd;	       /* until the server has it */
	bool ready;
	bool stopping;
	bool closed; /* everything is being closed */
	bool reloading;
	bool failed; /* exit status 1 */
};

/* The service is a part of it. */
static struct daemon *daemon_of(struct service *service)
{
	return (struct daemon *)((char *)service - offsetof(struct daemon, service));
}

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
		status, sizeof(status), "%zu app%s%s", daemon->config.set->n_apps,
		daemon->config.set->n_apps == 1 ? "" : "s",
		daemon->config.stale
			? "; the configuration has errors, the one before is in use"
			: "");
	notify_status(status);
}

static const char *app_or_apps(const struct daemon *daemon)
{
	return daemon->config.set->n_apps == 1 ? "app" : "apps";
}

static void log_loaded(const struct daemon *daemon)
{
	journal_event(JOURNAL_CONFIG_LOADED, LOG_INFO, NULL,
		      "configuration loaded: %zu %s", daemon->config.set->n_apps,
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
		reload->done(&daemon->service, reload->session_id, ok,
			     reload->diag.messages, reload->diag.n_messages);
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
		daemon->config.stale = !ok;
	if (ok) {
		config_set_unref(daemon->config.set);
		daemon->config.set = reload->config;
		users_flush(&daemon->service.users, reload->config->users_uid,
			    reload->config->users_gid);
		log_loaded(daemon);
		recovery_take_config(&daemon->recovery);
		clone_review(daemon->units, daemon->config.set, &reload->diag,
			     on_reload_reviewed, reload);
		return;
	}
	config_set_unref(reload->config);
	journal_event(JOURNAL_CONFIG_REFUSED, LOG_ERR, NULL,
		      "the configuration has errors; the previous one stays in use");
	reload_end(reload, false);
}

static int reload(struct service *service, uint64_t session_id, reload_done_fn done)
{
	struct daemon *daemon = daemon_of(service);
	struct reload *loading;
	int r;

	if (daemon->reloading || daemon->stopping || !daemon->ready)
		return -EBUSY;
	loading = calloc(1, sizeof(*loading));
	if (!loading)
		return -ENOMEM;
	loading->work.data = loading;
	loading->daemon = daemon;
	loading->session_id = session_id;
	loading->done = done;
	r = uv_queue_work(daemon->loop, &loading->work, on_reload_work, on_reload_done);
	if (r < 0) {
		free(loading);
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
		clone_review(daemon->units, daemon->config.set, diag, on_reviewed,
			     diag);
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
	server_close_sessions(&daemon->service.server);
	decisions_close(&daemon->service.decisions);
	users_close(&daemon->service.users);
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
static void on_idle(void *userdata)
{
	struct daemon *daemon = userdata;

	if (daemon->stopping && !daemon->closed) {
		daemon->closed = true;
		(void)uv_timer_start(&daemon->stop_timer, on_stop_timer, 0, 0);
	}
}

static void daemon_stop(struct daemon *daemon)
{
	if (daemon->stopping)
		return;
	daemon->stopping = daemon->service.stopping = true;
	notify_stopping();
	flags_stop(daemon->flags);
	server_stop(&daemon->service.server);
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
	struct daemon *daemon = signal->data;
	int r = reload(&daemon->service, 0, NULL);

	(void)signum;
	if (r < 0)
		journal_log(LOG_WARNING, "ignoring SIGHUP: %s",
			    r == -EBUSY ? "deployd starts, stops or reloads already"
					: strerror(-r));
}

/* --- start -------------------------------------------------------------------- */

static void dispatch(void *userdata, struct session *session)
{
	struct daemon *daemon = userdata;

	dispatch_request(&daemon->service, session);
}

static void on_archive(void *userdata, struct session *session)
{
	struct daemon *daemon = userdata;

	manager_archive_changed(&daemon->manager, session->id, &session->archive);
}

static int start_server(struct daemon *daemon)
{
	const struct server_options options = {.loop = daemon->loop,
					       .config = &daemon->config,
					       .users = &daemon->service.users,
					       .dispatch = dispatch,
					       .archive = on_archive,
					       .userdata = daemon};

	return server_start(&daemon->service.server, &options, daemon->listen_fd);
}

static void on_all_recovered(void *userdata)
{
	struct daemon *daemon = userdata;
	int r;

	if (daemon->stopping)
		return;
	flags_take_config(daemon->flags);
	confirm_update(&daemon->confirm);
	if (daemon->ready)
		return;
	r = start_server(daemon);
	if (r < 0) {
		journal_log(LOG_ERR, "cannot listen: %s", strerror(-r));
		daemon->failed = true;
		daemon_stop(daemon);
		return;
	}
	daemon->listen_fd = -1;
	daemon->ready = true;
	journal_event(JOURNAL_STARTED, LOG_INFO, NULL,
		      "deployd " DEPLOYD_VERSION " is ready: %zu %s",
		      daemon->config.set->n_apps, app_or_apps(daemon));
	notify_ready("ready");
	update_status(daemon);
	confirm_enable(&daemon->confirm);
}

/* --- what jobs tell --------------------------------------------------------------- */

static bool on_is_there(void *userdata, uint64_t watcher)
{
	struct daemon *daemon = userdata;

	return server_find(&daemon->service.server, watcher) != NULL;
}

static void on_progress(void *userdata, const struct job *job)
{
	struct daemon *daemon = userdata;

	followers_progress(&daemon->service, job);
}

static void on_unit_begins(void *userdata, const struct job *job)
{
	struct daemon *daemon = userdata;

	flags_job_began(daemon->flags, job->settings->app_name, job->id);
}

static void on_job_ended(void *userdata, const struct job *job, json_t *reply)
{
	struct daemon *daemon = userdata;

	followers_answer(&daemon->service, job, reply);
	flags_job_ended(daemon->flags, job->settings->app_name, job->id);
	confirm_update(&daemon->confirm);
}

/* --- what flags need -------------------------------------------------------------- */

static_assert(FLAGS_JOB_SIZE >= JOB_ID_SIZE, "an id fits");

static enum deploy_result on_flag_submit(void *userdata,
					 const struct app_config *settings, uid_t owner,
					 const char *user, char ret_job[FLAGS_JOB_SIZE],
					 struct errinfo *error)
{
	struct daemon *daemon = userdata;
	struct job_request request = {
		.kind = JOB_KIND_FLAG, .uid = owner, .user = user};
	struct job *job = NULL;
	enum deploy_result result = manager_submit(&daemon->manager, daemon->config.set,
						   settings, &request, 0, &job, error);

	if (result == RESULT_OK)
		(void)strcpy(ret_job, job->id);
	return result;
}

static void on_flag_run(void *userdata)
{
	struct daemon *daemon = userdata;

	manager_run(&daemon->manager);
}

static bool on_flag_honoured(void *userdata, const char *name,
			     struct flag_identity *ret_identity)
{
	struct daemon *daemon = userdata;
	const struct app *app = manager_app(&daemon->manager, name);

	if (!app || !app->view || !app->view->have_flag)
		return false;
	*ret_identity = app->view->flag;
	return true;
}

static void on_flag_honour(void *userdata, const char *name,
			   const struct flag_identity *identity)
{
	struct daemon *daemon = userdata;
	const struct app *app = manager_app(&daemon->manager, name);

	if (!app || !app->view)
		return;
	app->view->have_flag = true;
	app->view->flag = *identity;
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

static int start_rooms(struct daemon *daemon)
{
	static const struct flags_events flag_events = {.submit = on_flag_submit,
							.run = on_flag_run,
							.honoured = on_flag_honoured,
							.honour = on_flag_honour};
	uv_loop_t *loop = daemon->loop;
	int r;

	r = units_new(loop, NULL, on_connected, daemon, &daemon->units);
	if (r < 0)
		return r;
	r = flags_new(&(struct flags_options){.loop = loop,
					      .units = daemon->units,
					      .config = &daemon->config,
					      .events = &flag_events,
					      .userdata = daemon},
		      &daemon->flags);
	if (r < 0)
		return r;
	r = manager_init(&daemon->manager,
			 &(struct manager_options){
				 .loop = loop,
				 .units = daemon->units,
				 .config = &daemon->config,
				 .observer = {.userdata = daemon,
					      .is_there = on_is_there,
					      .progress = on_progress,
					      .unit_begins = on_unit_begins,
					      .ended = on_job_ended,
					      .idle = on_idle},
				 .archives = session_archive_readers,
				 .archives_userdata = &daemon->service.server});
	if (r < 0)
		return r;
	recovery_init(&daemon->recovery, &daemon->manager, &daemon->config,
		      on_all_recovered, daemon);
	return confirm_init(&daemon->confirm, loop, &daemon->recovery);
}

static int start_service(struct daemon *daemon)
{
	const struct config_set *config = daemon->config.set;
	struct service *service = &daemon->service;
	int r;

	service->loop = daemon->loop;
	service->config = &daemon->config;
	service->manager = &daemon->manager;
	service->units = daemon->units;
	service->flags = daemon->flags;
	service->reload = reload;
	r = users_start(
		&service->users, daemon->loop,
		&(struct users_options){.program = DEPLOYD_LIBEXECDIR "/deployd-users",
					.dir = USERS_DIR,
					.uid = config->users_uid,
					.gid = config->users_gid});
	return r < 0 ? r : decisions_init(&service->decisions, daemon->loop);
}

static int start(struct daemon *daemon)
{
	int r = journal_init(daemon->loop, JOURNAL_SOCKET_PATH);

	if (r < 0)
		return r;
	(void)uv_timer_init(daemon->loop, &daemon->stop_timer); /* never fails */
	daemon->stop_timer.data = daemon;
	r = start_rooms(daemon);
	if (r == 0)
		r = start_service(daemon);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sigterm, SIGTERM, on_stop_signal);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sigint, SIGINT, on_stop_signal);
	if (r == 0)
		r = watch_signal(daemon, &daemon->sighup, SIGHUP, on_reload_signal);
	if (r == 0)
		r = notify_start(&daemon->notify, daemon->loop);
	return r;
}

int daemon_start(uv_loop_t *loop, struct config_set *config, int listen_fd,
		 struct daemon **ret_daemon)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->loop = loop;
	daemon->config.set = config;
	daemon->listen_fd = listen_fd;
	r = start(daemon);
	if (r < 0)
		return r; /* the process exits */
	log_loaded(daemon);
	notify_extend_timeout(RECOVER_EXTEND_USEC);
	recovery_take_config(&daemon->recovery);
	*ret_daemon = daemon;
	return 0;
}

bool daemon_end(struct daemon *daemon)
{
	bool ok = !daemon->failed;

	manager_deinit(&daemon->manager);
	config_set_unref(daemon->config.set);
	free(daemon);
	return ok;
}
