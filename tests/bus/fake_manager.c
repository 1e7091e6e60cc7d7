#include "fake_manager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MANAGER		      "org.freedesktop.systemd1.Manager"
#define MANAGER_PATH	      "/org/freedesktop/systemd1"
#define EXEC_COMMAND	      "(sasbttttuii)"
#define UNIT_NAME	      "hello.service"
#define ACCEPT_NONBLOCK_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* --- answers ---------------------------------------------------------------------- */

static void append(sd_bus_message *message, const char *name, const char *type, ...)
{
	va_list ap;
	int r = sd_bus_message_open_container(message, 'e', "sv");

	va_start(ap, type);
	if (r >= 0)
		r = sd_bus_message_append(message, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', type);
	if (r >= 0)
		r = sd_bus_message_appendv(message, type, ap);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	va_end(ap);
	assert_true(r >= 0);
}

static void append_commands(sd_bus_message *message, const char *name, unsigned int n)
{
	int r = sd_bus_message_open_container(message, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(message, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', "a" EXEC_COMMAND);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', EXEC_COMMAND);
	for (; r >= 0 && n > 0; n--)
		r = sd_bus_message_append(message, EXEC_COMMAND, "/bin/stop", 1, "stop",
					  0, 0ULL, 0ULL, 0ULL, 0ULL, 0, 0, 0);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(message);
	assert_true(r >= 0);
}

static const char * or (const char *text, const char *other)
{
	return text ? text : other;
}

static int answer_properties(sd_bus_message *call, const struct fake_unit *unit,
			     const char *control_group,
			     void (*more)(sd_bus_message *reply))
{
	sd_bus_message *reply;

	assert_true(sd_bus_message_new_method_return(call, &reply) >= 0);
	assert_true(sd_bus_message_open_container(reply, 'a', "{sv}") >= 0);
	append(reply, "Id", "s", UNIT_NAME); /* one that nobody reads */
	append(reply, "LoadState", "s", or (unit->load_state, "loaded"));
	append(reply, "ActiveState", "s", or (unit->active_state, "active"));
	append(reply, "SubState", "s", or (unit->sub_state, "running"));
	append(reply, "Result", "s", or (unit->result, "success"));
	append(reply, "Type", "s", or (unit->type, "notify"));
	append(reply, "UnitFileState", "s", "enabled");
	append(reply, "ConditionResult", "b", !unit->condition_failed);
	append(reply, "RemainAfterExit", "b", unit->remain_after_exit);
	append(reply, "NeedDaemonReload", "b", unit->need_daemon_reload);
	append(reply, "MainPID", "u", unit->main_pid);
	append(reply, "NRestarts", "u", unit->n_restarts);
	append(reply, "ExecMainCode", "i", unit->exec_main_code);
	append(reply, "ExecMainStatus", "i", unit->exec_main_status);
	append(reply, "InactiveExitTimestampMonotonic", "t", unit->inactive_exit);
	append(reply, "ActiveEnterTimestamp", "t", unit->active_enter);
	append(reply, "ActiveEnterTimestampMonotonic", "t", unit->active_enter);
	append(reply, "ActiveExitTimestampMonotonic", "t", unit->active_exit);
	append(reply, "InactiveEnterTimestampMonotonic", "t", unit->inactive_enter);
	append(reply, "TimeoutStopUSec", "t",
	       unit->timeout_stop > 0 ? unit->timeout_stop : 90000000);
	append_commands(reply, "ExecStop", unit->n_stop_commands);
	append(reply, "ControlGroup", "s", or (control_group, ""));
	append(reply, "Job", "(uo)", unit->job ? 77u : 0u, or (unit->job, "/"));
	if (more)
		more(reply);
	assert_true(sd_bus_message_close_container(reply) >= 0);
	assert_true(sd_bus_send(sd_bus_message_get_bus(call), reply, NULL) >= 0);
	sd_bus_message_unref(reply);
	return 1;
}

static int on_get_all(struct fake_manager *fake, sd_bus_message *call)
{
	static const struct fake_unit ended = {.active_state = "inactive",
					       .sub_state = "dead",
					       .exec_main_code = CLD_EXITED};
	bool transient = strstr(sd_bus_message_get_path(call), "/deployd_2d");
	struct fake_unit now = fake->unit;

	if (transient && fake->log_over)
		return answer_properties(call, &ended, NULL, NULL);
	if (fake->socket && strstr(sd_bus_message_get_path(call), "_2esocket"))
		return answer_properties(call, fake->socket, NULL, NULL);
	if (transient && fake->transient_state)
		now.active_state = fake->transient_state;
	if (fake->later) {
		fake->unit = *fake->later;
		fake->later = NULL;
	}
	return answer_properties(call, &now, fake->control_group,
				 fake->more_properties);
}

static void send_job_removed(struct fake_manager *fake, const char *job,
			     const char *unit, const char *result)
{
	assert_true(sd_bus_emit_signal(fake->bus, MANAGER_PATH, MANAGER, "JobRemoved",
				       "uoss", 77u, job, unit, result) >= 0);
}

/* No number is used twice. */
static void new_job(struct fake_manager *fake)
{
	(void)snprintf(fake->job, sizeof(fake->job), MANAGER_PATH "/job/%u",
		       100 + ++fake->n_jobs);
}

void fake_manager_send_changed(struct fake_manager *fake, const char *sub_state,
			       uint64_t inactive_exit)
{
	sd_bus_message *message;

	assert_true(sd_bus_message_new_signal(fake->bus, &message,
					      MANAGER_PATH "/unit/hello_2eservice",
					      "org.freedesktop.DBus.Properties",
					      "PropertiesChanged") >= 0);
	assert_true(sd_bus_message_append(message, "sa{sv}as",
					  "org.freedesktop.systemd1.Unit", 3, "Id", "s",
					  UNIT_NAME, "SubState", "s", sub_state,
					  "InactiveExitTimestampMonotonic", "t",
					  inactive_exit, 0) >= 0);
	assert_true(sd_bus_send(fake->bus, message, NULL) >= 0);
	sd_bus_message_unref(message);
}

void fake_manager_end_job(struct fake_manager *fake)
{
	fake->unit = fake->after;
	send_job_removed(fake, fake->job, UNIT_NAME, or (fake->job_result, "done"));
}

static int on_job(struct fake_manager *fake, sd_bus_message *call)
{
	enum fake_plan plan = fake->plan;

	new_job(fake);
	fake->plan = fake->next_plan;
	switch (plan) {
	case FAKE_REPLY_FIRST:
		assert_true(sd_bus_reply_method_return(call, "o", fake->job) >= 0);
		fake_manager_end_job(fake);
		break;
	case FAKE_SIGNAL_FIRST:
		fake_manager_end_job(fake);
		assert_true(sd_bus_reply_method_return(call, "o", fake->job) >= 0);
		break;
	case FAKE_NO_END:
		/* One of another's meanwhile. */
		send_job_removed(fake, MANAGER_PATH "/job/10", UNIT_NAME, "failed");
		assert_true(sd_bus_reply_method_return(call, "o", fake->job) >= 0);
		send_job_removed(fake, MANAGER_PATH "/job/1011", UNIT_NAME, "failed");
		break;
	case FAKE_SILENT:
		break;
	case FAKE_REFUSE:
		assert_true(sd_bus_reply_method_errorf(
				    call, fake->refusal, "%s",
				    or (fake->refusal_text, "No.")) >= 0);
		break;
	case FAKE_BREAK_UNHEARD:
		fake_manager_break(fake);
		break;
	case FAKE_BREAK_REPLIED:
		assert_true(sd_bus_reply_method_return(call, "o", fake->job) >= 0);
		assert_true(sd_bus_flush(fake->bus) >= 0);
		fake->unit = fake->after;
		fake_manager_break(fake);
		break;
	case FAKE_BREAK_HEARD:
		fake->unit = fake->after;
		fake_manager_break(fake);
		break;
	}
	return 1;
}

/* --- transient units ---------------------------------------------- */

static void record(struct fake_manager *fake, const char *text)
{
	size_t length = strlen(fake->transient_properties);

	assert_true(length + strlen(text) < sizeof(fake->transient_properties));
	(void)strcpy(fake->transient_properties + length, text);
}

static void record_basic(struct fake_manager *fake, sd_bus_message *value, char type)
{
	union {
		const char *text;
		int truth;
		int32_t i;
		uint32_t u;
		uint64_t t;
		uint8_t y;
	} basic = {.t = 0};
	char number[32];

	assert_true(sd_bus_message_read_basic(value, type, &basic) > 0);
	if (strchr("sog", type)) {
		record(fake, basic.text);
	} else {
		(void)snprintf(number, sizeof(number), "%llu",
			       (unsigned long long)basic.t);
		record(fake, number);
	}
	record(fake, ",");
}

static void record_value(struct fake_manager *fake, sd_bus_message *value)
{
	const char *contents;
	char type;

	while (sd_bus_message_peek_type(value, &type, &contents) > 0) {
		if (!strchr("avre", type)) {
			record_basic(fake, value, type);
			continue;
		}
		assert_true(sd_bus_message_enter_container(value, type, contents) > 0);
		record_value(fake, value);
		assert_true(sd_bus_message_exit_container(value) >= 0);
	}
}

/* As the service manager does; -1 when it writes to no file. */
static int open_output(struct fake_manager *fake, sd_bus_message *call)
{
	char path[256];
	const char *name, *at, *end;

	fake->transient_properties[0] = '\0';
	assert_true(sd_bus_message_enter_container(call, 'a', "(sv)") >= 0);
	while (sd_bus_message_enter_container(call, 'r', "sv") > 0) {
		assert_true(sd_bus_message_read(call, "s", &name) >= 0);
		record(fake, name);
		record(fake, "=");
		record_value(fake, call);
		record(fake, "\n");
		assert_true(sd_bus_message_exit_container(call) >= 0);
	}
	at = strstr(fake->transient_properties, "StandardOutputFile=");
	if (!at)
		return -1;
	at += strlen("StandardOutputFile=");
	end = strchr(at, ',');
	(void)snprintf(path, sizeof(path), "%.*s", (int)(end - at), at);
	return open(path, O_WRONLY | O_CLOEXEC);
}

void fake_manager_send_transient_changed(struct fake_manager *fake)
{
	char *path;

	assert_true(sd_bus_path_encode(MANAGER_PATH "/unit", fake->log_unit, &path) >=
		    0);
	assert_true(sd_bus_emit_signal(fake->bus, path,
				       "org.freedesktop.DBus.Properties",
				       "PropertiesChanged", "sa{sv}as",
				       "org.freedesktop.systemd1.Unit", 0, 0) >= 0);
	free(path);
}

void fake_manager_end_log(struct fake_manager *fake)
{
	fake->log_over = true;
	fake_manager_send_transient_changed(fake);
}

static int on_start_log(struct fake_manager *fake, sd_bus_message *call)
{
	const char *name, *mode;
	const char *result = or (fake->job_result, "done");
	int fd;

	new_job(fake);
	fake->log_over = false;
	assert_true(sd_bus_message_read(call, "ss", &name, &mode) >= 0);
	(void)snprintf(fake->log_unit, sizeof(fake->log_unit), "%s", name);
	fd = open_output(fake, call);
	assert_true(fd >= 0);
	if (fake->log_text)
		assert_true(write(fd, fake->log_text, strlen(fake->log_text)) > 0);
	(void)close(fd);
	assert_true(sd_bus_reply_method_return(call, "o", fake->job) >= 0);
	send_job_removed(fake, fake->job, name, result);
	if (!fake->log_stays)
		fake_manager_end_log(fake);
	return 1;
}

/* --- the connection --------------------------------------------------------------- */

static bool is_job(const char *member)
{
	return strcmp(member, "RestartUnit") == 0 || strcmp(member, "StartUnit") == 0 ||
	       strcmp(member, "StopUnit") == 0 || strcmp(member, "ReloadUnit") == 0;
}

static int on_message(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct fake_manager *fake = userdata;
	const char *member = sd_bus_message_get_member(call);
	size_t length = strlen(fake->calls);

	(void)error;
	if (!sd_bus_message_is_method_call(call, NULL, NULL))
		return 0;
	(void)snprintf(fake->calls + length, sizeof(fake->calls) - length, "%s ",
		       member);
	uv_stop(fake->loop); /* the test may be waiting for this */
	if (fake->on_call)
		fake->on_call(fake->userdata, member);
	if (strcmp(member, "GetAll") == 0)
		return on_get_all(fake, call);
	if (strcmp(member, "StartTransientUnit") == 0)
		return on_start_log(fake, call);
	if (strcmp(member, "StopUnit") == 0 && fake->log_unit[0] != '\0')
		return 1; /* nobody waits for an answer */
	if (is_job(member))
		return on_job(fake, call);
	if (fake->plan == FAKE_REFUSE &&
	    (strstr(member, "UnitFiles") || strcmp(member, "Reload") == 0))
		return on_job(fake, call);
	if (fake->plan == FAKE_SILENT && strcmp(member, "Reload") == 0)
		return 1;
	if (strcmp(member, "Reload") == 0)
		fake->unit.need_daemon_reload = false;
	if (strcmp(member, "EnableUnitFiles") == 0)
		return sd_bus_reply_method_return(call, "ba(sss)", !fake->no_install,
						  0);
	if (strcmp(member, "DisableUnitFiles") == 0)
		return sd_bus_reply_method_return(call, "a(sss)", 0);
	return sd_bus_reply_method_return(call, NULL);
}

static void on_lost(struct busloop *busloop, int error)
{
	(void)busloop;
	(void)error;
}

static void on_closed(struct busloop *busloop)
{
	struct fake_manager *fake = busloop->userdata;

	fake->bus = sd_bus_close_unref(fake->bus);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct fake_manager *fake = poll->data;
	sd_id128_t id = SD_ID128_MAKE(5e, 21, 09, 8f, 11, 2c, 4d, 17, a1, 07, 3b, 6c,
				      44, 9d, e0, 52);
	int fd;

	(void)events;
	assert_int_equal(status, 0);
	fd = accept4(fake->listener_fd, NULL, NULL, ACCEPT_NONBLOCK_FLAGS);
	if (fd < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	assert_null(fake->bus);
	fake->n_connections++;
	assert_int_equal(sd_bus_new(&fake->bus), 0);
	assert_true(sd_bus_set_fd(fake->bus, fd, fd) >= 0);
	assert_true(sd_bus_set_server(fake->bus, 1, id) >= 0);
	assert_true(sd_bus_set_anonymous(fake->bus, 1) >= 0);
	assert_true(sd_bus_negotiate_fds(fake->bus, 1) >= 0);
	assert_true(sd_bus_add_filter(fake->bus, NULL, on_message, fake) >= 0);
	assert_true(sd_bus_start(fake->bus) >= 0);
	fake->busloop.userdata = fake;
	fake->busloop.on_lost = on_lost;
	fake->busloop.on_closed = on_closed;
	assert_int_equal(busloop_start(&fake->busloop, fake->loop, fake->bus), 0);
}

void fake_manager_open(struct fake_manager *fake, uv_loop_t *loop)
{
	static unsigned int counter;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int n;

	fake->loop = loop;
	/* Abstract: nothing to clean up, wherever the test ends. */
	n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "deployd-test-%d-%u",
		     (int)getpid(), counter++);
	(void)snprintf(fake->address, sizeof(fake->address), "unix:abstract=%s",
		       sa.sun_path + 1);
	fake->listener_fd = socket(AF_UNIX, SOCK_STREAM | ACCEPT_NONBLOCK_FLAGS, 0);
	assert_true(fake->listener_fd >= 0);
	assert_int_equal(bind(fake->listener_fd, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
					  (size_t)n)),
			 0);
	assert_int_equal(listen(fake->listener_fd, 4), 0);
	assert_int_equal(uv_poll_init(loop, &fake->listener, fake->listener_fd), 0);
	fake->listener.data = fake;
	assert_int_equal(uv_poll_start(&fake->listener, UV_READABLE, on_connection), 0);
}

void fake_manager_break(struct fake_manager *fake)
{
	if (fake->bus)
		busloop_close(&fake->busloop);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct fake_manager *fake = handle->data;

	(void)close(fake->listener_fd);
}

void fake_manager_close(struct fake_manager *fake)
{
	fake_manager_break(fake);
	uv_close((uv_handle_t *)&fake->listener, on_listener_closed);
}
