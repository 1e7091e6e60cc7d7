#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/journal.h"
#include "job/job_actions.h"
#include "server/dispatch.h"
#include "server/followers.h"
#include "util/fdio.h"
#include "util/session_protocol.h"

#define READY "{\"type\":\"ready\",\"version\":1}"
#define TAKEN "{\"type\":\"taken\"}"

struct room room;

/* --- what the room is surrounded by ------------------------------------------------
 */

/* Its socket is the test's own. */
int __real_spawner_start(struct spawner *spawner, uv_loop_t *loop, const char *path,
			 const struct spawner_events *events, void *userdata);
int __wrap_spawner_start(struct spawner *spawner, uv_loop_t *loop, const char *path,
			 const struct spawner_events *events, void *userdata);

int __wrap_spawner_start(struct spawner *spawner, uv_loop_t *loop, const char *path,
			 const struct spawner_events *events, void *userdata)
{
	assert_string_equal(path, SESSIONS_SOCKET_PATH);
	return __real_spawner_start(spawner, loop, room.spawner.path, events, userdata);
}

/* What the kernel says of the peer, but for its uid. */
int __real_peer_init(struct peer *peer, int fd);
int __wrap_peer_init(struct peer *peer, int fd);

int __wrap_peer_init(struct peer *peer, int fd)
{
	int r = __real_peer_init(peer, fd);

	assert_int_equal(r, 0);
	assert_int_equal(peer->uid, getuid());
	assert_int_equal(peer->pid, getpid());
	if (room.next_uid == (uid_t)-1)
		return -EPERM;
	peer->uid = peer->owner = room.next_uid;
	(void)snprintf(peer->user, sizeof(peer->user), "uid:%u",
		       (unsigned int)room.next_uid);
	return 0;
}

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
	return __real_uv_now(loop) + room.skew_ms;
}

static struct parked *park(struct parked *list, size_t *n)
{
	assert_true(*n < ROOM_PARKED_MAX);
	memset(&list[*n], 0, sizeof(list[*n]));
	return &list[(*n)++];
}

static const char *name_of(uid_t uid)
{
	switch (uid) {
	case ROOM_ROOT:
		return "root";
	case ROOM_ALICE:
		return "alice";
	case ROOM_BOB:
		return "bob";
	case ROOM_CAROL:
		return "carol";
	case ROOM_DAVE:
		return "dave";
	case ROOM_ERIN:
		return "erin";
	default:
		return "single";
	}
}

static void tell_name(const struct parked *question)
{
	struct user_answer answer = {
		.uid = question->uid, .owner = question->uid, .status = USER_KNOWN};

	if (question->uid >= ROOM_LENT) {
		answer.status = USER_SUBORDINATE;
		answer.owner = ROOM_ALICE;
		(void)strcpy(answer.owner_name, "alice");
	} else if (question->uid >= ROOM_UNLUCKY) {
		answer.status = USER_FAILED;
		(void)strcpy(answer.why, "LDAP is down");
	} else {
		(void)strcpy(answer.name, name_of(question->uid));
	}
	question->found(question->userdata, question->id, &answer);
}

void users_find(struct users *users, uid_t uid, user_found_fn done, void *userdata,
		uint64_t id)
{
	struct parked question = {
		.userdata = userdata, .found = done, .id = id, .uid = uid};

	assert_ptr_equal(users, &room.service.users);
	if (room.names_are_late)
		*park(room.names, &room.n_names) = question;
	else
		tell_name(&question);
}

uid_t users_owner(const struct users *users, uid_t uid)
{
	(void)users;
	return uid >= ROOM_LENT ? ROOM_ALICE : uid;
}

struct unit_query *__wrap_units_query(struct units *units, const char *unit,
				      unit_state_fn done, void *userdata);
struct unit_query *__wrap_units_query_patiently(struct units *units, const char *unit,
						unit_state_fn done, void *userdata);

struct unit_query *__wrap_units_query_patiently(struct units *units, const char *unit,
						unit_state_fn done, void *userdata)
{
	return __wrap_units_query(units, unit, done, userdata);
}

struct unit_query *__wrap_units_query(struct units *units, const char *unit,
				      unit_state_fn done, void *userdata)
{
	struct parked *query;

	assert_ptr_equal(units, room.service.units);
	assert_non_null(strstr(unit, ".service"));
	if (room.units_without_memory)
		return NULL;
	query = park(room.queries, &room.n_queries);
	query->state = done;
	query->userdata = userdata;
	return (struct unit_query *)query;
}

static void answer_queries(void)
{
	struct parked queries[ROOM_PARKED_MAX];
	size_t n = room.n_queries;

	memcpy(queries, room.queries, sizeof(queries));
	room.n_queries = 0;
	for (size_t i = 0; i < n; i++)
		queries[i].state(queries[i].userdata, room.unit_error,
				 room.unit_error < 0 ? NULL : &room.unit);
}

struct unit_log *__wrap_units_log(struct units *units, const char *unit, uint64_t lines,
				  bool follow, const char *output, bool into_memory,
				  void (*done)(void *userdata, int error),
				  void *userdata);

struct unit_log *__wrap_units_log(struct units *units, const char *unit, uint64_t lines,
				  bool follow, const char *output, bool into_memory,
				  void (*done)(void *userdata, int error),
				  void *userdata)
{
	(void)lines;
	(void)follow;
	assert_ptr_equal(units, room.service.units);
	assert_string_equal(unit, "hello.service");
	assert_false(into_memory);
	assert_int_equal(access(output, F_OK), 0);
	if (room.log_without_memory)
		return NULL;
	room.n_logs++;
	room.log_done = done;
	room.log_userdata = userdata;
	return (struct unit_log *)&room.log_done;
}

void __wrap_unit_log_cancel(struct unit_log *log);

void __wrap_unit_log_cancel(struct unit_log *log)
{
	if (!log)
		return;
	assert_ptr_equal(log, &room.log_done);
	room.log_done = NULL;
	room.n_logs_cancelled++;
}

struct verification *verification_start(
	struct units *units, const struct app_config *settings, const char *release,
	void (*done)(void *userdata, const struct verification_outcome *outcome),
	void *userdata)
{
	(void)settings;
	(void)release;
	assert_ptr_equal(units, room.service.units);
	assert_null(room.verification.verified);
	room.n_verifications++;
	room.verification.verified = done;
	room.verification.userdata = userdata;
	return (struct verification *)&room.verification;
}

void verification_cancel(struct verification *verification)
{
	(void)verification;
	fail_msg("nobody cancels a verification here");
}

const char *flags_status(const struct flags *flags, const char *app)
{
	(void)app;
	assert_null(flags);
	return room.flag_trouble;
}

int store_call_start(struct store_call *call, uv_loop_t *loop,
		     const struct config_set *config, const struct app_config *app,
		     const char *verb, json_t *fields, uint64_t timeout_ms)
{
	assert_ptr_equal(loop, &room.loop);
	assert_ptr_equal(config, room.config.set);
	assert_string_equal(app->app_name, "hello");
	assert_string_equal(verb, "history");
	assert_true(timeout_ms > 0);
	assert_null(room.store);
	json_decref(room.store_fields);
	room.store_fields = fields;
	if (room.store_cannot_start)
		return -ENOMEM;
	room.store = call;
	return 0;
}

int store_call_start_audit(struct store_call *call, uv_loop_t *loop, json_t *lines,
			   uint64_t timeout_ms)
{
	assert_ptr_equal(loop, &room.loop);
	assert_true(timeout_ms > 0);
	assert_null(room.audit);
	assert_true(json_array_size(lines) > 0);
	json_decref(lines);
	room.audit = call;
	room.n_audits++;
	return 0;
}

int store_call_start_fd(struct store_call *call, uv_loop_t *loop,
			const struct config_set *config, const struct app_config *app,
			const char *verb, json_t *fields, int fd, uint64_t timeout_ms)
{
	(void)fd;
	return store_call_start(call, loop, config, app, verb, fields, timeout_ms);
}

void store_call_kill(struct store_call *call)
{
	(void)call;
	fail_msg("nobody kills deployd-store here");
}

/* The steps end when the test says so. */
void job_carry_out(struct job *job, enum job_action action)
{
	(void)job;
	room.n_actions++;
	room.action = action;
	if (action == JOB_ACTION_KILL)
		room.n_kills++;
}

static int reload(struct service *service, uint64_t session_id, reload_done_fn done)
{
	assert_ptr_equal(service, &room.service);
	if (room.reload_done)
		return -EBUSY;
	room.n_reloads++;
	room.reload_done = done;
	room.reload_session = session_id;
	return 0;
}

/* --- what the rooms tell each other, as daemon/daemon.c has it ----------------------
 */

static void dispatch(void *userdata, struct session *session)
{
	(void)userdata;
	dispatch_request(&room.service, session);
}

static void on_archive(void *userdata, struct session *session)
{
	(void)userdata;
	manager_archive_changed(&room.manager, session->id, &session->archive);
}

static bool on_is_there(void *userdata, uint64_t watcher)
{
	(void)userdata;
	return server_find(&room.service.server, watcher) != NULL;
}

static void on_progress(void *userdata, const struct job *job)
{
	(void)userdata;
	followers_progress(&room.service, job);
}

static void on_unit_begins(void *userdata, const struct job *job)
{
	(void)userdata;
	(void)job;
}

static void on_job_ended(void *userdata, const struct job *job, json_t *reply)
{
	(void)userdata;
	room.n_ended++;
	followers_answer(&room.service, job, reply);
}

static void on_idle(void *userdata)
{
	(void)userdata;
	room.n_idle++;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* --- the configuration -------------------------------------------------------------
 */

static struct app_config *make_app(const char *name, struct diag *diag)
{
	static const char text[] = "[users]\ndeploy_user = deploy\n";
	const struct config_text file = {"/etc/deployd/apps.d/APP.conf", text,
					 sizeof(text) - 1};
	struct app_config *app = app_config_parse(name, &file, 1, diag);

	assert_non_null(app);
	return app;
}

static bool no_user(const char *name, uid_t *ret_uid, void *userdata)
{
	(void)name;
	(void)ret_uid;
	(void)userdata;
	return false;
}

static bool no_group(const char *name, gid_t *ret_gid, void *userdata)
{
	(void)name;
	(void)ret_gid;
	(void)userdata;
	return false;
}

static struct policy *make_policy(const struct config_set *set, struct diag *diag)
{
	static const struct policy_resolver resolver = {.user = no_user,
							.group = no_group};
	char text[8192], all[512] = "";
	size_t used;
	struct config_text file = {.file = "/etc/deployd/policy.d/a.conf",
				   .text = text};
	struct policy *policy;

	for (int right = 0; right < RIGHT_COUNT; right++)
		if (right_is_used((enum right)right)) {
			(void)strcat(all, " ");
			(void)strcat(all, right_name((enum right)right));
		}
	used = (size_t)snprintf(
		text, sizeof(text),
		"[rule alice]\nallow =%s\nuser = uid:%d\napp = hello\n"
		"[rule bob]\nallow = status\nuser = uid:%d\napp = hello\n"
		"[rule carol]\nallow = deploy stage\nuser = uid:%d\napp = hello\n"
		"require_sha256 = yes\n"
		"[rule erin]\nallow = status restart\nuser = uid:%d\napp = *\n",
		all, ROOM_ALICE, ROOM_BOB, ROOM_CAROL, ROOM_ERIN);
	for (int right = 0; right < RIGHT_COUNT; right++)
		if (right_is_used((enum right)right))
			used += (size_t)snprintf(
				text + used, sizeof(text) - used,
				"[rule single%d]\nallow = %s\nuser = uid:%d\napp = "
				"hello\n",
				right, right_name((enum right)right),
				ROOM_SINGLE + right);
	file.length = used;
	policy = policy_parse(&file, 1, set->apps, set->n_apps, &resolver, diag);
	for (size_t i = 0; i < diag->n_messages; i++)
		print_message("%s\n", diag->messages[i]);
	assert_non_null(policy);
	return policy;
}

static struct config_set *make_config(void)
{
	static const char *const names[] = {"hello", "third", "world"};
	struct config_set *set = calloc(1, sizeof(*set));
	struct diag diag = {0};

	assert_non_null(set);
	set->refs = 1;
	set->daemon = daemon_config_parse(NULL, 0, &diag);
	assert_non_null(set->daemon);
	set->n_apps = 3;
	set->apps = calloc(set->n_apps, sizeof(struct app_config *));
	assert_non_null(set->apps);
	for (size_t i = 0; i < set->n_apps; i++)
		set->apps[i] = make_app(names[i], &diag);
	set->policy = make_policy(set, &diag);
	diag_deinit(&diag);
	return set;
}

/* --- the room ----------------------------------------------------------------------
 */

static int listen_at(const char *path, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 128), 0);
	return fd;
}

void room_start_journald(void)
{
	room.journald = listen_at(room.journal_path, SOCK_DGRAM);
}

void room_stop_journald(void)
{
	if (room.journald >= 0)
		(void)close(room.journald);
	room.journald = -1;
	(void)unlink(room.journal_path);
}

static void start_manager(void)
{
	const struct manager_options options = {
		.loop = &room.loop,
		.units = room.service.units,
		.config = &room.config,
		.observer = {.userdata = &room,
			     .is_there = on_is_there,
			     .progress = on_progress,
			     .unit_begins = on_unit_begins,
			     .ended = on_job_ended,
			     .idle = on_idle},
		.archives = session_archive_readers,
		.archives_userdata = &room.service.server};

	assert_int_equal(manager_init(&room.manager, &options), 0);
}

static void start_server(void)
{
	const struct server_options options = {.loop = &room.loop,
					       .config = &room.config,
					       .users = &room.service.users,
					       .dispatch = dispatch,
					       .archive = on_archive,
					       .userdata = &room};

	room.listen_fd = listen_at(room.listen_path, SOCK_STREAM);
	assert_int_equal(server_start(&room.service.server, &options, room.listen_fd),
			 0);
}

void room_init(void)
{
	const char *filter = getenv("TEST_FILTER");

	(void)signal(SIGPIPE, SIG_IGN);
	if (filter)
		cmocka_set_test_filter(filter);
}

int room_setup(void **state)
{
	struct service *service = &room.service;

	(void)state;
	memset(&room, 0, sizeof(room));
	fake_spawner_init(&room.spawner);
	(void)snprintf(room.listen_path, sizeof(room.listen_path), "%s/listen",
		       room.spawner.dir);
	(void)snprintf(room.journal_path, sizeof(room.journal_path), "%s/journal",
		       room.spawner.dir);
	assert_int_equal(setenv("RUNTIME_DIRECTORY", room.spawner.dir, 1), 0);
	assert_int_equal(chdir(room.spawner.dir), 0);
	assert_int_equal(uv_loop_init(&room.loop), 0);
	(void)uv_timer_init(&room.loop, &room.tick);
	(void)uv_timer_start(&room.tick, on_tick, 1, 1);
	room_start_journald();
	assert_int_equal(journal_init(&room.loop, room.journal_path), 0);
	room.config.set = make_config();
	service->loop = &room.loop;
	service->config = &room.config;
	service->manager = &room.manager;
	service->units = (struct units *)&room.unit; /* only its address is used */
	service->reload = reload;
	service->users.loop = &room.loop;
	service->users.options.program = FAKE_USERS;
	assert_int_equal(decisions_init(&service->decisions, &room.loop), 0);
	start_manager();
	start_server();
	ROOM_UNTIL(room.n_processes >= SERVER_IDLE_SESSIONS_MAX);
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void bury(struct process *process)
{
	if (process->pid == 0)
		return;
	(void)kill(process->pid, SIGKILL);
	(void)waitpid(process->pid, NULL, 0);
	process->pid = 0;
}

static void forget_process(struct process *process)
{
	channel_ends_close(&process->ends);
	varlink_buffer_deinit(&process->heard);
	close_fd(&process->client);
	close_fd(&process->connection);
	json_decref(process->refuse);
	bury(process);
}

/* As when deployd's other rooms close: whoever waits gets some answer. */
static void answer_all(void)
{
	static const struct verification_outcome unknown = {
		.verdict = VERIFICATION_UNKNOWN, .reason = "deployd stops"};
	struct errinfo error = {.result = RESULT_FAILED, .what = "deployd stops"};

	room.unit_error = -ENOTCONN;
	answer_queries();
	if (room.verification.verified)
		room.verification.verified(room.verification.userdata, &unknown);
	if (room.store)
		room.store->done(room.store, RESULT_FAILED, NULL, &error);
	if (room.audit)
		room.audit->done(room.audit, RESULT_FAILED, NULL, &error);
	assert_null(room.log_done);
}

int room_teardown(void **state)
{
	struct server *server = &room.service.server;

	(void)state;
	room.service.stopping = true;
	server_stop(server);
	manager_stop(&room.manager);
	room_finish_all(false);
	room_settle();
	assert_true(room.n_idle > 0);
	server_close_sessions(server);
	decisions_close(&room.service.decisions);
	answer_all();
	assert_int_equal(room.service.n_logs, 0);
	assert_int_equal(room.service.n_verifying, 0);
	journal_close();
	uv_close((uv_handle_t *)&room.tick, NULL);
	(void)uv_run(&room.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&room.loop), 0);
	assert_int_equal(server->open_handles, 0);
	assert_null(server->sessions);
	journal_deinit();
	manager_deinit(&room.manager);
	assert_int_equal(room.config.set->refs, 1);
	config_set_unref(room.config.set);
	json_decref(room.store_fields);
	for (size_t i = 0; i < room.n_processes; i++)
		forget_process(&room.processes[i]);
	room_stop_journald();
	(void)close(room.listen_fd);
	(void)unlink(room.listen_path);
	(void)unlink("calls"); /* fake_users */
	assert_int_equal(chdir("/"), 0);
	fake_spawner_deinit(&room.spawner);
	return 0;
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLIN;
}

/* What deployd has sent, and not that it has hung up. */
static bool has_message(int fd)
{
	return fd >= 0 && recv(fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void take_processes(void)
{
	if (room.spawner.connection >= 0 &&
	    recv(room.spawner.connection, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		fake_spawner_hang_up(&room.spawner);
	if (room.spawner.connection < 0 && room.service.server.spawner_up &&
	    is_readable(room.spawner.listen_fd))
		fake_spawner_accept(&room.spawner);
	while (has_message(room.spawner.connection)) {
		struct process *process = &room.processes[room.n_processes];

		assert_true(room.n_processes < ROOM_PROCESSES_MAX);
		room.n_processes++;
		process->client = process->connection = -1;
		process->heard.message_bytes_max = SESSION_WORD_BYTES_MAX;
		process->number = fake_spawner_take(&room.spawner, &process->ends);
		process->there = true;
		assert_int_equal(fcntl(process->ends.words, F_SETFL, O_NONBLOCK), 0);
		if (!room.mute)
			room_say(process, READY);
	}
}

/* The client's first message is its own fd, so that the test knows which it is. */
static void take_connection(struct process *process)
{
	json_t *word = room_hear(process);

	if (!word)
		return;
	if (strcmp(json_string_value(json_object_get(word, "type")), "connection") ==
	    0) {
		process->connection = room_take_fd(process);
		assert_int_equal(recv(process->connection, &process->client,
				      sizeof(process->client), MSG_DONTWAIT),
				 sizeof(process->client));
		process->refuse = json_incref(json_object_get(word, "refuse"));
	}
	json_decref(word);
}

static void read_journal(void)
{
	char *end = room.journal + room.journal_length;
	ssize_t n;

	while (room.journald >= 0) {
		/* Only the latest are of interest. */
		if (sizeof(room.journal) - room.journal_length < 8192) {
			room.journal_length = 0;
			end = room.journal;
		}
		n = recv(room.journald, end,
			 sizeof(room.journal) - room.journal_length - 1, MSG_DONTWAIT);
		if (n <= 0)
			return;
		room.journal_length += (size_t)n;
		end += n;
		*end = '\0';
	}
}

void room_turn(void)
{
	(void)uv_run(&room.loop, UV_RUN_ONCE);
	take_processes();
	for (size_t i = 0; i < room.n_processes; i++)
		if (room.processes[i].ends.words >= 0 &&
		    room.processes[i].connection < 0)
			take_connection(&room.processes[i]);
	read_journal();
	if (!room.units_are_late)
		answer_queries();
}

void room_settle(void)
{
	for (int i = 0; i < 8; i++)
		room_turn();
}

bool room_journal_has(const char *text)
{
	read_journal();
	return memmem(room.journal, room.journal_length, text, strlen(text)) != NULL;
}

/* --- clients and their sessions ----------------------------------------------------
 */

int room_dial(uid_t uid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		       room.listen_path);
	room.next_uid = uid;
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, &fd, sizeof(fd), MSG_NOSIGNAL), sizeof(fd));
	return fd;
}

static struct process *process_of(int client)
{
	for (size_t i = 0; i < room.n_processes; i++)
		if (room.processes[i].client == client &&
		    room.processes[i].connection >= 0)
			return &room.processes[i];
	return NULL;
}

struct process *room_handed(int client)
{
	ROOM_UNTIL(process_of(client));
	return process_of(client);
}

struct session *room_session(const struct process *process)
{
	for (struct session *s = room.service.server.sessions; s; s = s->next)
		if (s->id == process->number)
			return s;
	return NULL;
}

struct process *room_connect(uid_t uid)
{
	struct process *process = room_handed(room_dial(uid));

	assert_true(json_is_null(process->refuse));
	room_say(process, TAKEN);
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_CONNECTED);
	return process;
}

void room_say_bytes(const struct process *process, const void *data, size_t length)
{
	assert_int_equal(write(process->ends.report, data, length), length);
}

void room_say(const struct process *process, const char *text)
{
	room_say_bytes(process, text, strlen(text) + 1);
}

void room_let_read(const struct process *process)
{
	int left = 1;

	while (left > 0) {
		room_turn();
		assert_int_equal(ioctl(process->ends.report, FIONREAD, &left), 0);
	}
	room_turn();
}

json_t *room_hear(struct process *process)
{
	char data[4096];
	json_t *word = NULL;
	ssize_t n;

	while (varlink_buffer_take(&process->heard, &word) == 0) {
		n = read(process->ends.words, data, sizeof(data));
		if (n <= 0)
			return NULL;
		assert_int_equal(varlink_buffer_add(&process->heard, data, (size_t)n),
				 0);
	}
	return word;
}

json_t *room_expect(struct process *process, const char *type)
{
	json_t *word = NULL;

	ROOM_UNTIL((word = room_hear(process)));
	if (strcmp(json_string_value(json_object_get(word, "type")), type) != 0) {
		char *text = json_dumps(word, 0);

		fail_msg("not a %s: %s", type, text);
	}
	return word;
}

int room_take_fd(const struct process *process)
{
	char byte;
	size_t n_fds;
	int fd = -1;

	assert_int_equal(fd_receive(process->ends.fds, &byte, 1, &fd, 1, &n_fds), 1);
	assert_int_equal(n_fds, 1);
	return fd;
}

void room_expect_silence(struct process *process)
{
	json_t *word;

	room_settle();
	word = room_hear(process);
	if (word) {
		char *text = json_dumps(word, 0);

		fail_msg("unexpected: %s", text);
	}
}

void room_ask_with_fds(struct process *process, int n_fds, const char *call)
{
	char *text = NULL;

	process->request++;
	assert_true(asprintf(&text,
			     "{\"type\":\"request\",\"request\":%d,\"fds\":%d,"
			     "\"call\":%s}",
			     (int)process->request, n_fds, call) > 0);
	room_say(process, text);
	free(text);
}

void room_ask(struct process *process, const char *call)
{
	room_ask_with_fds(process, 0, call);
}

json_t *room_reply(struct process *process)
{
	json_t *word = room_expect(process, "reply");

	assert_int_equal(json_integer_value(json_object_get(word, "request")),
			 process->request);
	return word;
}

static json_t *last_reply(struct process *process)
{
	json_t *reply = room_reply(process);

	if (!json_is_false(json_object_get(reply, "continues"))) {
		char *text = json_dumps(reply, 0);

		fail_msg("not the last: %s", text);
	}
	return reply;
}

void room_expect_error(struct process *process, const char *error, const char *text)
{
	json_t *reply = last_reply(process);
	const char *got = json_string_value(json_object_get(reply, "error"));
	char *all = json_dumps(reply, JSON_COMPACT);

	if (!got || strcmp(got, error) != 0 || !strstr(all, text))
		fail_msg("not %s with '%s': %s", error, text, all);
	free(all);
	json_decref(reply);
}

json_t *room_expect_ok(struct process *process)
{
	json_t *reply = last_reply(process);
	json_t *parameters = json_incref(json_object_get(reply, "parameters"));

	if (!json_is_null(json_object_get(reply, "error"))) {
		char *text = json_dumps(reply, 0);

		fail_msg("an error: %s", text);
	}
	json_decref(reply);
	return parameters;
}

void room_expect_progress(struct process *process, const char *phase)
{
	json_t *reply = room_reply(process);
	json_t *progress =
		json_object_get(json_object_get(reply, "parameters"), "progress");

	assert_true(json_is_true(json_object_get(reply, "continues")));
	assert_string_equal(json_string_value(json_object_get(progress, "phase")),
			    phase);
	json_decref(reply);
}

void room_close_ends(struct process *process)
{
	channel_ends_close(&process->ends);
	process->ends = (struct channel_ends){-1, -1, -1};
	close_fd(&process->connection);
}

void room_say_ended(struct process *process)
{
	char line[64];

	if (process->there && room.spawner.report >= 0) {
		(void)snprintf(line, sizeof(line), "ended %d\n", (int)process->number);
		fake_spawner_say(&room.spawner, line);
	}
	process->there = false;
}

void room_end(struct process *process)
{
	room_close_ends(process);
	bury(process);
	room_say_ended(process);
	ROOM_UNTIL(!room_session(process));
}

void room_embody(struct process *process)
{
	char line[64];

	process->pid = fork();
	if (process->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close_range(3, ~0U, 0); /* the ends are the test's alone */
		for (;;)
			(void)pause();
	}
	(void)snprintf(line, sizeof(line), "started %d %d\n", (int)process->number,
		       (int)process->pid);
	fake_spawner_say(&room.spawner, line);
	ROOM_UNTIL(room_session(process)->pid != 0);
}

bool room_was_killed(struct process *process)
{
	siginfo_t info = {0};

	assert_int_equal(waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT),
			 0);
	return info.si_status == SIGKILL;
}

/* --- jobs --------------------------------------------------------------------------
 */

struct job *room_running(const char *app)
{
	return manager_app(&room.manager, app)->running;
}

static void end_step(struct job *job, bool ok)
{
	if (!ok)
		job_fail(job, RESULT_FAILED, "the test said no");
	job_step_done(job, ok);
}

void room_step(const char *app, bool ok)
{
	assert_non_null(room_running(app));
	end_step(room_running(app), ok);
}

void room_finish_all(bool ok)
{
	for (int i = 0; room.manager.jobs; i++) {
		struct job *job = room.manager.jobs;

		assert_true(i < 1000);
		while (job && !job->running)
			job = job->next;
		if (job)
			end_step(job, ok);
		else
			job_abandon(room.manager.jobs, RESULT_CANCELLED, "dropped");
	}
}

void room_take_view(const char *app, const char *json)
{
	struct app *entry = manager_app(&room.manager, app);
	const struct app_config *settings = config_set_app(room.config.set, app);
	json_t *view = json_loads(json, 0, NULL);

	assert_non_null(view);
	app_set_recovered(entry, settings);
	app_take_view(entry, settings, view);
	assert_non_null(entry->view);
	json_decref(view);
}
