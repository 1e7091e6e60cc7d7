#include "loop/journal.h"

#include <assert.h>
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
	[JOURNAL_OPERATION_STARTED] = "d785ba891ace434bb00fe48043ca2c1f",
	[JOURNAL_OPERATION_DONE] = "50fc8289fb8146258daedca732d1e9d3",
	[JOURNAL_OPERATION_FAILED] = "59bbda9a2d6444cc8583c9376988f966",
	[JOURNAL_SWITCHED] = "3f1485ca64594ae2a56430977fe7d65b",
	[JOURNAL_RECOVERED] = "11551ad21fc441c39ab7e2f8f5419b0b",
	[JOURNAL_CONFIG_LOADED] = "26cedaea39f9497b87426606bdfd1c20",
	[JOURNAL_CONFIG_REFUSED] = "77ce7767d332431082ff8c8ee15ab1e5",
	[JOURNAL_BUS_LOST] = "8de2f14397224825bd26123af0206b4b",
	[JOURNAL_FLAG_TOUCHED] = "382c980a393e40c9a9a802e40e07e7a2",
	[JOURNAL_FLAG_TROUBLE] = "50899d33f1c54a008b01b80985d3e8c3",
	[JOURNAL_SESSION_HUNG] = "793b3d8eb34e486596039a28f935fb76",
	[JOURNAL_LIMIT_REACHED] = "756b1102cbb147f5a8699203a4e9e0cd",
};
static_assert(sizeof(message_ids) / sizeof(*message_ids) == JOURNAL_EVENT_COUNT,
	      "every event has its id");

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

static void send_entry(struct entry *entry, int priority, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void send_entry(struct entry *entry, int priority, const char *fmt, va_list ap)
{
	static const char name[] = "MESSAGE=";
	char message[MESSAGE_BYTES_MAX];

	(void)strcpy(message, name);
	(void)vsnprintf(message + sizeof(name) - 1, sizeof(message) - sizeof(name) + 1,
			fmt, ap);
	/*
	 * Not names_escape(): what comes in should have its untrusted parts escaped,
	 * and a second time would double the backslashes. No line is hidden or forged.
	 */
	(void)names_scrub(message);
	add_number(entry, "PRIORITY=", priority);
	assert(entry->n_fields < FIELDS_MAX);
	entry->fields[entry->n_fields].iov_base = message;
	entry->fields[entry->n_fields].iov_len = strlen(message);
	entry->n_fields++;
	/* Without journald there is nobody to tell. */
	(void)sd_journal_sendv(entry->fields, entry->n_fields);
}

void journal_event(enum journal_event event, int priority,
		   const struct journal_context *context, const char *fmt, ...)
{
	struct entry entry = {.n_fields = 0};
	va_list ap;

	assert(event < JOURNAL_EVENT_COUNT);
	add(&entry, "MESSAGE_ID=", message_ids[event]);
	if (context) {
		add(&entry, "DEPLOY_APP=", context->app);
		/* With it the entry shows in `systemctl status UNIT`; uid 0 may. */
		add(&entry, "OBJECT_SYSTEMD_UNIT=", context->unit);
		add(&entry, "DEPLOY_RELEASE=", context->release);
		add(&entry, "DEPLOY_JOB=", context->job);
		add(&entry, "DEPLOY_OPERATION=", context->operation);
		add(&entry, "DEPLOY_RESULT=", context->result);
		add(&entry, "DEPLOY_RULE=", context->rule);
		add_number(&entry, "DEPLOY_UID=", context->uid);
		add(&entry, "DEPLOY_USER=", context->user);
		add_number(&entry, "DEPLOY_PID=", context->pid);
	}
	va_start(ap, fmt);
	send_entry(&entry, priority, fmt, ap);
	va_end(ap);
}

void journal_log(int priority, const char *fmt, ...)
{
	struct entry entry = {.n_fields = 0};
	va_list ap;

	va_start(ap, fmt);
	send_entry(&entry, priority, fmt, ap);
	va_end(ap);
}
