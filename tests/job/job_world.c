#include "job_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY(message)                                                                 \
	"{\"_SYSTEMD_UNIT\":\"hello.service\",\"_PID\":\"7\",\"_HOSTNAME\":\"web1\","  \
	"\"SYSLOG_IDENTIFIER\":\"hello\",\"MESSAGE\":\"" message "\"}\n"
#define TICK_MSEC 20   /* no turn of the loop takes longer */
#define TICKS_MAX 1500 /* something that is waited for does not happen */
#define TURNS	  60

/* The fake shows one unit for all: deployd-proc's has ended well. */
const struct fake_unit unit_up = {.main_pid = 10,
				  .exec_main_code = CLD_EXITED,
				  .inactive_exit = 900,
				  .active_enter = 1000};
const struct fake_unit unit_up_again = {.main_pid = 11,
					.exec_main_code = CLD_EXITED,
					.inactive_exit = 5100,
					.active_exit = 5000,
					.active_enter = 7500};
const struct fake_unit unit_failed = {.active_state = "failed",
				      .sub_state = "failed",
				      .result = "exit-code",
				      .exec_main_code = CLD_EXITED,
				      .exec_main_status = 3,
				      .inactive_exit = 5100,
				      .active_exit = 5000,
				      .inactive_enter = 7000};

static const struct fake_unit no_socket = {
	.load_state = "not-found", .active_state = "inactive", .sub_state = "dead"};

/* --- the log -------------------------------------------------------------------------
 */

static void note(struct world *world, const char *app, const char *what)
{
	size_t length = strlen(world->log);
	bool is_other = *app && strcmp(app, "hello") != 0;

	(void)snprintf(world->log + length, sizeof(world->log) - length, "%s%s%s%s",
		       length > 0 ? " " : "", is_other ? app : "", is_other ? ":" : "",
		       what);
	assert_true(strlen(world->log) < sizeof(world->log) - 1);
	uv_stop(&world->loop); /* the test may be waiting for this */
}

void world_assert_log(struct world *world, const char *log)
{
	assert_string_equal(world->log, log);
	world->log[0] = '\0';
}

/* --- what jobs tell ------------------------------------------------------------------
 */

static struct told *find(struct world *world, const char *id)
{
	for (size_t i = 0; i < world->n_told; i++)
		if (strcmp(world->told[i].id, id) == 0)
			return &world->told[i];
	return NULL;
}

static struct told *know(struct world *world, const struct job *job)
{
	struct told *told = find(world, job->id);

	if (told)
		return told;
	assert_true(world->n_told < WORLD_JOBS_MAX);
	told = &world->told[world->n_told++];
	*told = (struct told){.kind = job->machine.kind, .state = JOB_STATE_QUEUED};
	(void)snprintf(told->id, sizeof(told->id), "%s", job->id);
	(void)snprintf(told->app, sizeof(told->app), "%s", job->settings->app_name);
	return told;
}

static bool on_is_there(void *userdata, uint64_t watcher)
{
	const struct world *world = userdata;

	return watcher != world->gone_watcher;
}

static void on_progress(void *userdata, const struct job *job)
{
	struct world *world = userdata;
	struct told *told = know(world, job);
	json_t *progress = manager_progress(job);

	assert_non_null(progress);
	assert_string_equal(json_string_value(json_object_get(progress, "job")),
			    job->id);
	json_decref(progress);
	assert_int_equal(told->n_ended, 0); /* no news of a job that has ended */
	if (told->state == job->machine.state)
		return;
	told->state = job->machine.state;
	if (told->state != JOB_STATE_DONE)
		note(world, told->app, job_phase_name(&job->machine));
	if (told->state == world->fails_in) {
		world->fake.unit = unit_failed;
		world->fails_in = JOB_STATE_COUNT;
	}
}

static void on_unit_begins(void *userdata, const struct job *job)
{
	struct world *world = userdata;

	flags_job_began(world->flags, job->settings->app_name, job->id);
}

static void on_ended(void *userdata, const struct job *job, json_t *reply)
{
	struct world *world = userdata;
	struct told *told = know(world, job);
	const struct finished_job *finished =
		manager_find_finished(&world->manager, job->id);
	const json_t *outcome =
		job->result == RESULT_OK ? json_object_get(reply, "outcome") : reply;
	char text[96];

	assert_int_equal(told->n_ended, 0);
	assert_null(manager_find(&world->manager, job->id));
	assert_non_null(finished);
	assert_ptr_equal(finished->outcome, reply);
	assert_int_equal(finished->result, job->result);
	assert_string_equal(finished->app, told->app);
	told->n_ended++;
	world->n_ended++;
	told->result = job->result;
	told->reply = json_incref(reply);
	told->n_watchers = job->n_watchers;
	(void)memcpy(told->watchers, job->watchers, sizeof(told->watchers));
	(void)snprintf(told->message, sizeof(told->message), "%s",
		       json_string_value(json_object_get(outcome, "message")));
	(void)snprintf(text, sizeof(text), "%s=%s", job_kind_name(told->kind),
		       result_name(job->result));
	note(world, told->app, text);
	flags_job_ended(world->flags, told->app, told->id);
	confirm_update(&world->confirm);
}

static void on_idle(void *userdata)
{
	struct world *world = userdata;

	world->n_idle++;
	uv_stop(&world->loop);
}

/* --- archives ------------------------------------------------------------------------
 */

struct reader *world_reader(struct world *world, uint64_t reader)
{
	assert_in_range(reader, 1, WORLD_ARCHIVES_MAX);
	return &world->readers[reader];
}

static bool reader_is_there(void *userdata, uint64_t reader)
{
	return !world_reader(userdata, reader)->gone;
}

static int reader_pump(void *userdata, uint64_t reader, int pipe_fd)
{
	struct reader *it = world_reader(userdata, reader);

	assert_true(fcntl(pipe_fd, F_GETFD) >= 0);
	it->n_pumped++;
	return it->gone ? -EPIPE : 0;
}

static void reader_due(void *userdata, uint64_t reader)
{
	world_reader(userdata, reader)->n_due++;
}

static void reader_give_up(void *userdata, uint64_t reader)
{
	world_reader(userdata, reader)->n_given_up++;
}

static void reader_drop(void *userdata, uint64_t reader)
{
	world_reader(userdata, reader)->n_dropped++;
}

void world_archive(struct world *world, uint64_t reader, enum archive_state state)
{
	struct archive *archive = &world_reader(world, reader)->archive;

	archive->state = state;
	archive->total = FAKE_BYTES;
	archive->bytes = state == ARCHIVE_STATE_COMPLETE ? FAKE_BYTES : 0;
	archive->result = RESULT_FAILED;
	(void)snprintf(archive->error, sizeof(archive->error), "%s",
		       state == ARCHIVE_STATE_FAILED ? "the client hung up" : "");
	manager_archive_changed(&world->manager, reader, archive);
}

/* --- flags, as daemon.c joins them
 * ----------------------------------------------------- */

static enum deploy_result on_flag_submit(void *userdata,
					 const struct app_config *settings, uid_t owner,
					 const char *user, char ret_job[FLAGS_JOB_SIZE],
					 struct errinfo *error)
{
	struct world *world = userdata;
	struct job_request request = {
		.kind = JOB_KIND_FLAG, .uid = owner, .user = user};
	struct job *job = NULL;
	enum deploy_result result = manager_submit(&world->manager, world->config.set,
						   settings, &request, 0, &job, error);

	if (result == RESULT_OK)
		(void)strcpy(ret_job, know(world, job)->id);
	note(world, settings->app_name, result == RESULT_OK ? "touched" : "refused");
	return result;
}

static void on_flag_run(void *userdata)
{
	struct world *world = userdata;

	manager_run(&world->manager);
}

static bool on_flag_honoured(void *userdata, const char *name,
			     struct flag_identity *ret_identity)
{
	struct world *world = userdata;
	const struct app *app = manager_app(&world->manager, name);

	if (!app || !app->view || !app->view->have_flag)
		return false;
	*ret_identity = app->view->flag;
	return true;
}

static void on_flag_honour(void *userdata, const char *name,
			   const struct flag_identity *identity)
{
	struct world *world = userdata;
	const struct app *app = manager_app(&world->manager, name);

	if (!app || !app->view)
		return;
	app->view->have_flag = true;
	app->view->flag = *identity;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void world_make_flags(struct world *world)
{
	char path[128];

	if (geteuid() != 0) {
		(void)printf(
			"skipped: only root can make directories of other users\n");
		skip();
	}
	/* Not /tmp: everybody may write there, which is not safe. */
	(void)strcpy(world->root, "/run/deployd-test-XXXXXX");
	assert_non_null(mkdtemp(world->root));
	assert_int_equal(chmod(world->root, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/hello", world->root);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/hello/flags", world->root);
	assert_int_equal(mkdir(path, 0755), 0);
}

void world_touch(struct world *world)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/hello/flags/restart.flag", world->root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, NULL), 0);
	(void)close(fd);
}

/* --- the service manager and the helpers
 * ----------------------------------------------- */

static bool is_unit_job(const char *member)
{
	return strcmp(member, "RestartUnit") == 0 || strcmp(member, "StartUnit") == 0 ||
	       strcmp(member, "StopUnit") == 0 || strcmp(member, "ReloadUnit") == 0;
}

static struct job *running_job(const struct world *world)
{
	for (struct job *o = world->manager.jobs; o; o = o->next)
		if (o->running)
			return o;
	return NULL;
}

/* What the transient unit writes: the unit's log, or deployd-proc's report. */
static void set_output(struct world *world)
{
	static char report[512];
	const struct job *job = running_job(world);
	char all[256] = "";
	const char *processes = world->processes;

	world->fake.log_over = false;
	/* deployd's own words about the unit are in the journal, too. */
	world->fake.log_text =
		ENTRY("boom") "{\"UNIT\":\"hello.service\",\"_UID\":\"0\","
			      "\"MESSAGE\":\"job begins\"}\n" ENTRY("bang");
	if (!job || job->machine.state != JOB_STATE_VERIFYING)
		return;
	(void)snprintf(all, sizeof(all),
		       "{\"pid\":%u,\"comm\":\"hello\",\"cwd\":\"%s/%s\",\"unit\":true,"
		       "\"exe\":\"/usr/bin/x\",\"mapped\":[],\"readable\":true,"
		       "\"deleted\":false}",
		       world->fake.unit.main_pid, job->settings->releases_dir,
		       job->app->view->current);
	(void)snprintf(report, sizeof(report),
		       "{\"type\":\"result\",\"result\":\"ok\",\"message\":\"\","
		       "\"processes\":[%s],\"truncated\":false,"
		       "\"unit_truncated\":false}\n",
		       processes ? processes : all);
	world->fake.log_text = report;
}

/* Not a transient unit, which is stopped when its output has come. */
static bool stops_the_app(const struct world *world)
{
	const struct job *job = running_job(world);

	return job && (job->machine.state == JOB_STATE_STOPPING ||
		       (job->machine.kind == JOB_KIND_STOP &&
			job->machine.state == JOB_STATE_RESTARTING));
}

static void on_bus_call(void *userdata, const char *member)
{
	struct world *world = userdata;

	if (strcmp(member, "StopUnit") == 0 && !stops_the_app(world))
		return;

	if (strcmp(member, "StartTransientUnit") == 0) {
		set_output(world);
		return;
	}
	if (!is_unit_job(member) && !strstr(member, "UnitFiles") &&
	    strcmp(member, "Reload") != 0)
		return;
	note(world, "", member);
	world->fake.log_unit[0] = '\0'; /* the call is for the app's unit */
	if (!is_unit_job(member))
		return;
	world->fake.after = world->n_afters > 0 ? *world->afters : unit_up_again;
	if (world->n_afters > 0) {
		world->afters++;
		world->n_afters--;
	}
}

static void on_helper(void *userdata, const char *app, const char *name)
{
	struct world *world = userdata;

	/* recover and flag come between those of jobs, at times that do not matter. */
	if (strcmp(name, "flag") != 0)
		note(world, app, name);
}

/* --- the configuration
 * ----------------------------------------------------------------- */

static struct app_config *parse_app(const struct world *world, const char *name,
				    const char *more)
{
	char text[512];
	struct diag diag = {0};
	struct config_text texts[] = {{.file = "app.conf", .text = text},
				      {.file = "more.conf", .text = more ? more : ""}};
	struct app_config *config;

	texts[0].length =
		(size_t)snprintf(text, sizeof(text),
				 "[users]\napp_user = hello\ndeploy_user = d\n"
				 "[directories]\nbase_dir = %s\n"
				 "[health]\nmin_healthy_sec = 0\nbake_sec = 0\n",
				 *world->root ? world->root : "/srv");
	texts[1].length = strlen(texts[1].text);
	config = app_config_parse(name, texts, 2, &diag);
	for (size_t i = 0; i < diag.n_messages; i++)
		(void)printf("%s\n", diag.messages[i]);
	diag_deinit(&diag);
	assert_non_null(config);
	config->app_uid = config->deploy_uid = 1;
	config->app_gid = config->deploy_gid = 1;
	return config;
}

static struct config_set *make_config(const struct world *world, const char *more,
				      const char *daemon, bool two)
{
	struct config_set *set = calloc(1, sizeof(*set));
	struct config_text text = {.file = "deployd.conf", .text = daemon};
	struct diag diag = {0};

	assert_non_null(set);
	set->refs = 1;
	if (daemon)
		text.length = strlen(daemon);
	set->daemon = daemon_config_parse(&text, daemon ? 1 : 0, &diag);
	diag_deinit(&diag);
	assert_non_null(set->daemon);
	set->apps = calloc(2, sizeof(struct app_config *));
	assert_non_null(set->apps);
	set->apps[set->n_apps++] = parse_app(world, "hello", more);
	if (two)
		set->apps[set->n_apps++] = parse_app(world, "other", NULL);
	return set;
}

/* --- the world
 * ------------------------------------------------------------------------- */

static void on_all_recovered(void *userdata)
{
	struct world *world = userdata;

	world->n_recovered++;
	uv_stop(&world->loop);
	if (world->stopping)
		return;
	flags_take_config(world->flags);
	confirm_update(&world->confirm);
	if (world->ready)
		return;
	world->ready = true;
	confirm_enable(&world->confirm);
}

static void on_tick(uv_timer_t *timer)
{
	struct world *world = timer->data;

	if (++world->n_ticks == TICKS_MAX)
		fail_msg("waited too long; so far: %s", world->log);
}

int world_set_up(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));

	(void)signal(SIGPIPE, SIG_IGN);
	world->fails_in = JOB_STATE_COUNT;
	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(uv_timer_init(&world->loop, &world->tick), 0);
	world->tick.data = world;
	assert_int_equal(uv_timer_start(&world->tick, on_tick, TICK_MSEC, TICK_MSEC),
			 0);
	fake_manager_open(&world->fake, &world->loop);
	world->fake.unit = world->fake.after = unit_up;
	world->fake.socket = &no_socket;
	world->fake.transient_state = "inactive";
	world->fake.control_group = "/system.slice/hello.service";
	world->fake.on_call = on_bus_call;
	world->fake.userdata = world;
	fake_helpers_open(&world->loop, on_helper, world);
	fake_store_add("hello", OLD, "good");
	(void)json_object_set_new(fake_store_view("hello"), "current",
				  json_string(OLD));
	assert_int_equal(
		units_new(&world->loop, world->fake.address, NULL, NULL, &world->units),
		0);
	*state = world;
	return 0;
}

static void start(struct world *world, struct config_set *config)
{
	static const struct flags_events flag_events = {.submit = on_flag_submit,
							.run = on_flag_run,
							.honoured = on_flag_honoured,
							.honour = on_flag_honour};

	world->started = true;
	world->config.set = config;
	assert_int_equal(flags_new(&(struct flags_options){.loop = &world->loop,
							   .units = world->units,
							   .config = &world->config,
							   .events = &flag_events,
							   .userdata = world},
				   &world->flags),
			 0);
	assert_int_equal(
		manager_init(&world->manager,
			     &(struct manager_options){
				     .loop = &world->loop,
				     .units = world->units,
				     .config = &world->config,
				     .observer = {.userdata = world,
						  .is_there = on_is_there,
						  .progress = on_progress,
						  .unit_begins = on_unit_begins,
						  .ended = on_ended,
						  .idle = on_idle},
				     .archives = {.is_there = reader_is_there,
						  .pump = reader_pump,
						  .due = reader_due,
						  .give_up = reader_give_up,
						  .drop = reader_drop},
				     .archives_userdata = world}),
		0);
	recovery_init(&world->recovery, &world->manager, &world->config,
		      on_all_recovered, world);
	assert_int_equal(confirm_init(&world->confirm, &world->loop, &world->recovery),
			 0);
	while (!units_connected(world->units))
		world_turn(world);
	recovery_take_config(&world->recovery);
	while (world->n_recovered == 0 && !fake_helpers_is_held("recover"))
		world_turn(world);
}

void world_start(struct world *world, const char *more, const char *daemon)
{
	start(world, make_config(world, more, daemon, false));
}

void world_start_two(struct world *world, const char *daemon)
{
	fake_store_add("other", OLD, "good");
	(void)json_object_set_new(fake_store_view("other"), "current",
				  json_string(OLD));
	start(world, make_config(world, NULL, daemon, true));
}

void world_reload(struct world *world, const char *more)
{
	config_set_unref(world->config.set);
	world->config.set = make_config(world, more, NULL, false);
	recovery_take_config(&world->recovery);
}

static void on_closed(void *userdata)
{
	struct world *world = userdata;

	world->n_closed++;
}

static void close_rooms(struct world *world)
{
	unsigned int n_idle = world->n_idle;

	world->stopping = true;
	flags_stop(world->flags);
	fake_helpers_let_go();
	if (!world->manager.stopping)
		manager_stop(&world->manager);
	if (world->fake.plan == FAKE_NO_END && running_job(world))
		fake_manager_end_job(&world->fake);
	while (!manager_is_idle(&world->manager))
		world_turn(world);
	assert_true(world->n_idle > n_idle || n_idle > 0);
	world_settle(world);
	flags_close(world->flags, on_closed, world);
	confirm_close(&world->confirm);
	confirm_close(&world->confirm); /* harmless */
}

int world_tear_down(void **state)
{
	struct world *world = *state;

	if (world->started)
		close_rooms(world);
	units_close(world->units, on_closed, world);
	while (world->n_closed < (world->started ? 2 : 1))
		world_turn(world);
	uv_close((uv_handle_t *)&world->tick, NULL);
	fake_manager_close(&world->fake);
	fake_helpers_close();
	while (uv_run(&world->loop, UV_RUN_DEFAULT) != 0)
		; /* stopped by the fake; a leaked handle ends in the test's time limit
		   */
	assert_int_equal(uv_loop_close(&world->loop), 0);
	/* Every job that was taken or told of has ended, and was reported once. */
	for (size_t i = 0; i < world->n_told; i++) {
		assert_int_equal(world->told[i].n_ended, 1);
		json_decref(world->told[i].reply);
	}
	if (world->started) {
		manager_deinit(&world->manager);
		assert_int_equal(world->config.set->refs, 1);
		config_set_unref(world->config.set);
	}
	if (*world->root)
		(void)nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	test_free(world);
	return 0;
}

/* --- jobs
 * -------------------------------------------------------------------------------- */

struct told *world_submit(struct world *world, const char *app,
			  const struct job_request *wanted, uint64_t watcher,
			  struct errinfo *ret_error)
{
	struct job_request request = *wanted;
	struct config_set *config = world->config.set;
	struct job *job = NULL;
	struct told *told;

	if (!request.user) {
		request.user = "alice";
		request.uid = 1000;
	}
	if (manager_submit(&world->manager, config, config_set_app(config, app),
			   &request, watcher, &job, ret_error) != RESULT_OK)
		return NULL;
	told = know(world, job);
	manager_run(&world->manager);
	return told;
}

struct told *world_do(struct world *world, enum job_kind kind)
{
	struct errinfo error = {0};
	struct told *told = world_submit(
		world, "hello", &(struct job_request){.kind = kind}, 0, &error);

	assert_string_equal(error.what, "");
	assert_non_null(told);
	return told;
}

struct told *world_deploy(struct world *world, enum archive_state archive)
{
	struct errinfo error = {0};
	struct told *told = world_submit(world, "hello",
					 &(struct job_request){.kind = JOB_KIND_DEPLOY,
							       .archive_reader = 1,
							       .redeploy = true},
					 0, &error);

	assert_non_null(told);
	world_archive(world, 1, archive);
	return told;
}

/* --- waiting
 * ------------------------------------------------------------------------------ */

void world_turn(struct world *world)
{
	(void)uv_run(&world->loop, UV_RUN_ONCE);
}

void world_settle(struct world *world)
{
	for (int i = 0; i < TURNS; i++)
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
}

void world_until_ended(struct world *world, const struct told *told)
{
	while (told->n_ended == 0)
		world_turn(world);
}

void world_until_held(struct world *world, const char *name)
{
	while (!fake_helpers_is_held(name))
		world_turn(world);
}

void world_until_state(struct world *world, const struct told *told,
		       enum job_state state)
{
	while (told->state != state) {
		assert_int_equal(told->n_ended, 0);
		world_turn(world);
	}
}

void world_until_idle(struct world *world)
{
	while (!manager_is_idle(&world->manager))
		world_turn(world);
}

size_t world_count(const struct world *world, enum job_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < world->n_told; i++)
		n += world->told[i].kind == kind;
	return n;
}

struct told *world_until_told(struct world *world, enum job_kind kind, size_t n)
{
	while (world_count(world, kind) < n)
		world_turn(world);
	for (size_t i = 0; i < world->n_told; i++)
		if (world->told[i].kind == kind && --n == 0)
			return &world->told[i];
	return NULL;
}

void world_assert_ended(const struct told *told, enum deploy_result result,
			const char *message)
{
	assert_int_equal(told->n_ended, 1);
	assert_string_equal(result_name(told->result), result_name(result));
	assert_string_equal(told->message, message);
}
