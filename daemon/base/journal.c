#include "base/journal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

/* The place in our source says nothing to an operator. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "deploy/names.h"

#define MESSAGE_BYTES_MAX 8192 /* the faults of a whole configuration */
#define FIELD_BYTES_MAX	  512
#define FIELDS_MAX	  16

static const char *const message_ids[] = {
	[JOURNAL_STARTED] = "875fe17ccc644584979a2bedcf56e7f5",
	[JOURNAL_DECISION_ALLOWED] = "153443e255d742dab1375e871a29c129",
	[JOURNAL_DECISION_DENIED] = "becff7a8d00b4a7f8f3c582d347338fa",
	[JOURNAL_JOB_STARTED] = "d785ba891ace434bb00fe48043ca2c1f",
	[JOURNAL_JOB_DONE] = "50fc8289fb8146258daedca732d1e9d3",
	[JOURNAL_JOB_FAILED] = "59bbda9a2d6444cc8583c9376988f966",
	[JOURNAL_SWITCHED] = "3f1485ca64594ae2a56430977fe7d65b",
	[JOURNAL_RECOVERED] = "11551ad21fc441c39ab7e2f8f5419b0b",
	[JOURNAL_CONFIG_LOADED] = "26cedaea39f9497b87426606bdfd1c20",
	[JOURNAL_CONFIG_REFUSED] = "77ce7767d332431082ff8c8ee15ab1e5",
	[JOURNAL_BUS_LOST] = "8de2f14397224825bd26123af0206b4b",
	[JOURNAL_FLAG_TOUCHED] = "382c980a393e40c9a9a802e40e07e7a2",
	[JOURNAL_FLAG_TROUBLE] = "50899d33f1c54a008b01b80985d3e8c3",
	[JOURNAL_SESSION_HUNG] = "793b3d8eb34e486596039a28f935fb76",
	[JOURNAL_LIMIT_REACHED] = "756b1102cbb147f5a8699203a4e9e0cd",
	[JOURNAL_MERGED] = "ad78bb0711e24209a10b8b20042d7501",
	[JOURNAL_DROPPED] = "63351029ce6a4c9a8007ecf07741d4b6",
	[JOURNAL_AUDIT_FILE] = "9a7ca228866c47318d7062768f1adfe2",
};
static_assert(sizeof(message_ids) / sizeof(*message_ids) == JOURNAL_EVENT_COUNT,
	      "every event has its id");

static struct {
	bool started;
	bool closed;
	uv_loop_t *loop;
	struct journal_socket socket;
	struct log_budget budget;
	uv_timer_t report; /* when the next report of merged entries is due */
} journal;

struct entry {
	struct iovec fields[FIELDS_MAX];
	char texts[FIELDS_MAX][FIELD_BYTES_MAX];
	int n_fields;
};

/* name ends in "=". */
static void add(struct entry *entry, const char *name, const char *value)
{
	char *text = entry->texts[entry->n_fields];
	size_t length = strlen(name);

	assert(entry->n_fields < FIELDS_MAX);
	if (!value || value[0] == '\0')
		return;
	(void)snprintf(text, FIELD_BYTES_MAX, "%s", name);
	(void)names_escape(value, text + length, FIELD_BYTES_MAX - length);
	entry->fields[entry->n_fields].iov_base = text;
	entry->fields[entry->n_fields].iov_len = strlen(text);
	entry->n_fields++;
}

static void add_number(struct entry *entry, const char *name, int64_t value)
{
	char text[32];

	if (value < 0)
		return;
	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	add(entry, name, text);
}

static void add_context(struct entry *entry, const struct journal_context *context)
{
	add(entry, "DEPLOY_APP=", context->app);
	/* With it the entry shows in `systemctl status UNIT`; uid 0 may. */
	add(entry, "OBJECT_SYSTEMD_UNIT=", context->unit);
	add(entry, "DEPLOY_RELEASE=", context->release);
	add(entry, "DEPLOY_JOB=", context->job);
	add(entry, "DEPLOY_OPERATION=", context->kind);
	add(entry, "DEPLOY_RESULT=", context->result);
	add(entry, "DEPLOY_RULE=", context->rule);
	add_number(entry, "DEPLOY_UID=", context->uid);
	add(entry, "DEPLOY_USER=", context->user);
	add_number(entry, "DEPLOY_PID=", context->pid);
	if (context->count > 0)
		add_number(entry, "DEPLOY_COUNT=", context->count);
}

struct receipt {
	journal_taken_fn on_taken;
	void *userdata;
};

static enum journal_sent send_entry(struct entry *entry, int priority,
				    const struct receipt *receipt, const char *fmt,
				    va_list ap) __attribute__((format(printf, 4, 0)));

static enum journal_sent send_entry(struct entry *entry, int priority,
				    const struct receipt *receipt, const char *fmt,
				    va_list ap)
{
	static const char name[] = "MESSAGE=";
	char message[MESSAGE_BYTES_MAX];

	(void)strcpy(message, name);
	(void)vsnprintf(message + sizeof(name) - 1, sizeof(message) - sizeof(name) + 1,
			fmt, ap);
	(void)names_trim_utf8(message);
	/*
	 * Not names_escape(): what comes in should have its untrusted parts escaped,
	 * and a second time would double the backslashes. No line is hidden or forged.
	 */
	(void)names_scrub(message);
	add_number(entry, "PRIORITY=", priority);
	if (journal.started)
		add(entry, "SYSLOG_IDENTIFIER=", program_invocation_short_name);
	assert(entry->n_fields < FIELDS_MAX);
	entry->fields[entry->n_fields].iov_base = message;
	entry->fields[entry->n_fields].iov_len = strlen(message);
	entry->n_fields++;
	if (journal.started)
		return journal_socket_send(&journal.socket, entry->fields,
					   entry->n_fields,
					   receipt ? receipt->on_taken : NULL,
					   receipt ? receipt->userdata : NULL);
	/* Without journald there is nobody to tell. */
	return sd_journal_sendv(entry->fields, entry->n_fields) < 0
		       ? JOURNAL_SENT_LOST
		       : JOURNAL_SENT_TAKEN;
}

static enum journal_sent send_event(enum journal_event event, int priority,
				    const struct journal_context *context,
				    const struct receipt *receipt, const char *fmt,
				    va_list ap) __attribute__((format(printf, 5, 0)));

static enum journal_sent send_event(enum journal_event event, int priority,
				    const struct journal_context *context,
				    const struct receipt *receipt, const char *fmt,
				    va_list ap)
{
	struct entry entry = {.n_fields = 0};

	if (event != JOURNAL_EVENT_COUNT)
		add(&entry, "MESSAGE_ID=", message_ids[event]);
	if (context)
		add_context(&entry, context);
	return send_entry(&entry, priority, receipt, fmt, ap);
}

void journal_event(enum journal_event event, int priority,
		   const struct journal_context *context, const char *fmt, ...)
{
	va_list ap;

	assert(event < JOURNAL_EVENT_COUNT);
	va_start(ap, fmt);
	(void)send_event(event, priority, context, NULL, fmt, ap);
	va_end(ap);
}

void journal_log(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)send_event(JOURNAL_EVENT_COUNT, priority, NULL, NULL, fmt, ap);
	va_end(ap);
}

enum journal_sent journal_decision(const struct journal_context *context,
				   journal_taken_fn on_taken, void *userdata,
				   const char *fmt, ...)
{
	const struct receipt receipt = {on_taken, userdata};
	enum journal_sent sent;
	va_list ap;

	va_start(ap, fmt);
	sent = send_event(JOURNAL_DECISION_ALLOWED, LOG_INFO, context, &receipt, fmt,
			  ap);
	va_end(ap);
	return sent;
}

void journal_forget(const void *userdata)
{
	if (journal.started)
		journal_socket_forget(&journal.socket, userdata);
}

/* --- entries that clients cause --------------------------------------------------- */

/* A reader should see at a glance that it is thousands. */
static const char *with_commas(uint64_t number, char text[static 32])
{
	char digits[32];
	int length =
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	char *to = text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

static const char *user_of(const struct log_report *report, char *text, size_t size)
{
	if (report->others)
		return "other users";
	if (report->uid == UINT32_MAX)
		return "unknown users";
	if (report->user[0] != '\0')
		return report->user;
	(void)snprintf(text, size, "uid %u", report->uid);
	return text;
}

static void say_merged(const struct log_report *report)
{
	static const struct {
		const char *verb, *one, *many;
	} words[] = {
		[LOG_KIND_DENIED] = {"denied", "request", "requests"},
		[LOG_KIND_CLOSED] = {"closed", "connection", "connections"},
		[LOG_KIND_TURNED_AWAY] = {"turned away", "connection", "connections"},
		[LOG_KIND_SESSION] = {"ended", "session", "sessions"},
	};
	struct journal_context context = {.uid = report->others ? -1
								: (int64_t)report->uid,
					  .user = report->others ? NULL : report->user,
					  .pid = -1};
	char number[32], user[32];

	static_assert(sizeof(words) / sizeof(*words) == LOG_KIND_COUNT,
		      "every kind has its words");
	for (int kind = 0; kind < LOG_KIND_COUNT; kind++) {
		uint64_t n = report->merged[kind];

		if (n == 0)
			continue;
		context.count = (int64_t)n;
		journal_event(JOURNAL_MERGED, LOG_NOTICE, &context,
			      "%s %s more %s of %s in the last %llu s",
			      words[kind].verb, with_commas(n, number),
			      n == 1 ? words[kind].one : words[kind].many,
			      user_of(report, user, sizeof(user)),
			      (unsigned long long)(report->over_ms + 500) / 1000);
	}
}

static void report_merged(uint64_t now_ms)
{
	struct log_report report;

	while (log_budget_report(&journal.budget, now_ms, &report))
		say_merged(&report);
}

static void on_report(uv_timer_t *timer);

static void report_in_time(void)
{
	uint64_t due_ms, now_ms = uv_now(journal.loop);

	if (!journal.closed && log_budget_next(&journal.budget, &due_ms))
		(void)uv_timer_start(&journal.report, on_report,
				     due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_report(uv_timer_t *timer)
{
	(void)timer;
	report_merged(uv_now(journal.loop));
	report_in_time();
}

struct payer {
	uint32_t uid;
	const char *name;
};

static struct payer payer_of(const struct journal_context *context)
{
	bool own = context->owner == 0 || context->owner == context->uid;
	const char *name = own ? context->user : context->owner_name;

	return (struct payer){.uid = (uint32_t)(own ? context->uid : context->owner),
			      .name = name ? name : ""};
}

/* Without a loop there is no clock and nothing to report the rest later. */
static bool may_say(enum log_kind kind, const struct journal_context *context)
{
	struct payer payer = payer_of(context);

	if (!journal.started || log_budget_take(&journal.budget, payer.uid, payer.name,
						kind, uv_now(journal.loop)))
		return true;
	if (!uv_is_active((uv_handle_t *)&journal.report))
		report_in_time();
	return false;
}

void journal_client(enum log_kind kind, enum journal_event event, int priority,
		    const struct journal_context *context, const char *fmt, ...)
{
	va_list ap;

	if (!may_say(kind, context))
		return;
	va_start(ap, fmt);
	(void)send_event(event, priority, context, NULL, fmt, ap);
	va_end(ap);
}

static void send_read(const struct journal_context *context, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void send_read(const struct journal_context *context, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)send_event(JOURNAL_EVENT_COUNT, LOG_INFO, context, NULL, fmt, ap);
	va_end(ap);
}

void journal_read(const struct journal_context *context, const char *fmt, ...)
{
	char text[1024], more[64] = "", number[32];
	struct payer payer = payer_of(context);
	uint64_t n = 0;
	va_list ap;

	if (journal.started && !log_budget_read(&journal.budget, payer.uid, payer.name,
						uv_now(journal.loop), &n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		(void)snprintf(more, sizeof(more),
			       "; %s more %s since the previous line",
			       with_commas(n, number), n == 1 ? "read" : "reads");
	send_read(context, "%s%s", text, more);
}

/* --- the object ------------------------------------------------------------------- */

static void on_dropped(void *userdata, uint64_t n)
{
	const struct journal_context context = {
		.uid = -1, .pid = -1, .count = (int64_t)n};
	char number[32];

	(void)userdata;
	journal_event(JOURNAL_DROPPED, LOG_WARNING, &context,
		      "%s journal %s from deployd %s lost because journald did not "
		      "accept %s",
		      with_commas(n, number), n == 1 ? "entry" : "entries",
		      n == 1 ? "was" : "were", n == 1 ? "it" : "them");
}

int journal_init(uv_loop_t *loop, const char *path)
{
	int r;

	(void)memset(&journal, 0, sizeof(journal));
	r = journal_socket_init(&journal.socket, loop, path);
	if (r < 0)
		return r;
	journal.socket.on_dropped = on_dropped;
	journal.loop = loop;
	(void)uv_timer_init(loop, &journal.report);
	journal.started = true;
	return 0;
}

void journal_close(void)
{
	if (!journal.started || journal.closed)
		return;
	journal.closed = true;
	report_merged(UINT64_MAX);
	uv_close((uv_handle_t *)&journal.report, NULL);
	journal_socket_close(&journal.socket);
}

void journal_deinit(void)
{
	if (!journal.started)
		return;
	journal_socket_deinit(&journal.socket);
	journal.started = false;
}
