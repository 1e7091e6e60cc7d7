#include "server/decision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "deploy/names.h"
#include "server/session.h"

enum decision_state {
	DECISION_STATE_JOURNAL, /* waiting for journald until the deadline */
	DECISION_STATE_FILE,	/* to be written to the audit file */
	DECISION_STATE_STORED,	/* being written by deployd-store */
	DECISION_STATE_WRITTEN,
	DECISION_STATE_FAILED,
};

/* A request held until its decision is recorded. */
struct decision {
	struct decision *next;
	struct decisions *decisions;
	enum decision_state state;
	struct session *session; /* held; NULL once deployd is stopping */
	uint64_t deadline_ms;
	json_t *line; /* of the audit file */
};

static void on_timer(uv_timer_t *timer);

static struct journal_context context_of(const struct session *session,
					 const struct decision_subject *subject,
					 const char *reason)
{
	return (struct journal_context){.app = subject->app,
					.unit = subject->unit,
					.kind = subject->what,
					.rule = reason,
					.uid = session->peer.uid,
					.user = session->peer.user,
					.pid = session->peer.pid,
					.owner = session->peer.owner,
					.owner_name = session->peer.owner_name};
}

/* --- decisions that nothing waits for --------------------------------------------- */

void decision_deny(const struct session *session,
		   const struct decision_subject *subject, const char *reason)
{
	struct journal_context context = context_of(session, subject, reason);
	bool says_so = strncmp(reason, "denied ", strlen("denied ")) == 0;

	journal_client(LOG_KIND_DENIED, JOURNAL_DECISION_DENIED, LOG_NOTICE, &context,
		       "%s %s for %s (uid %u, pid %d): %s%s", subject->what,
		       subject->app, session->peer.user,
		       (unsigned int)session->peer.uid, (int)session->peer.pid,
		       says_so ? "" : "denied: ", reason);
}

void decision_allow_read(const struct session *session,
			 const struct decision_subject *subject, const char *reason)
{
	struct journal_context context = context_of(session, subject, reason);

	/* The journal of the app's unit shows changes only. */
	context.unit = NULL;
	journal_read(&context, "%s %s for %s (uid %u, pid %d): %s", subject->what,
		     subject->app, session->peer.user, (unsigned int)session->peer.uid,
		     (int)session->peer.pid, reason);
}

/* --- the list --------------------------------------------------------------------- */

static void wake(struct decisions *decisions, uint64_t delay_ms)
{
	if (decisions->open)
		(void)uv_timer_start(&decisions->timer, on_timer, delay_ms, 0);
}

static void remove_decision(struct decision *decision)
{
	struct decisions *decisions = decision->decisions;
	struct decision **p = &decisions->first;

	while (*p != decision)
		p = &(*p)->next;
	*p = decision->next;
	if (!*p)
		decisions->last = p;
	journal_forget(decision);
	json_decref(decision->line);
	free(decision);
}

static void on_taken(void *userdata, bool taken)
{
	struct decision *decision = userdata;

	decision->state = taken ? DECISION_STATE_WRITTEN : DECISION_STATE_FILE;
	wake(decision->decisions, 0);
}

/* --- the audit file --------------------------------------------------------------- */

static void say_file_in_use(struct decisions *decisions)
{
	if (decisions->file_in_use)
		return;
	decisions->file_in_use = true;
	journal_event(JOURNAL_AUDIT_FILE, LOG_WARNING, NULL,
		      "journald does not accept entries; decisions are recorded "
		      "in " STORE_AUDIT_FILE " until it does");
}

static void on_stored(struct store_call *call, enum deploy_result result,
		      const json_t *reply, const struct errinfo *error)
{
	struct decisions *decisions = call->userdata;
	struct decision *next;

	(void)reply;
	decisions->storing = false;
	if (result == RESULT_OK)
		say_file_in_use(decisions);
	else
		journal_log(LOG_ERR, "cannot write to " STORE_AUDIT_FILE ": %s",
			    error->what);
	for (struct decision *d = decisions->first; d; d = next) {
		next = d->next;
		if (d->state != DECISION_STATE_STORED)
			continue;
		d->state = result == RESULT_OK ? DECISION_STATE_WRITTEN
					       : DECISION_STATE_FAILED;
		if (!d->session)
			remove_decision(d);
	}
	wake(decisions, 0);
}

/* One call at a time: requests that arrive during a sync share the next one. */
static void store_lines(struct decisions *decisions)
{
	json_t *lines = json_array();
	size_t n = 0;

	for (struct decision *d = decisions->first; d && n < DECISION_LINES_MAX;
	     d = d->next) {
		if (d->state != DECISION_STATE_FILE)
			continue;
		d->state = DECISION_STATE_STORED;
		(void)json_array_append(lines, d->line);
		n++;
	}
	if (n == 0) {
		json_decref(lines);
		return;
	}
	decisions->store.userdata = decisions;
	decisions->store.done = on_stored;
	decisions->storing = true;
	if (store_call_start_audit(&decisions->store, decisions->loop, lines,
				   STORE_TIMEOUT_MSEC) < 0)
		on_stored(&decisions->store, RESULT_FAILED, NULL,
			  &(struct errinfo){.what = "out of memory"});
}

/* --- going on with the request --------------------------------------------------- */

static struct decision *find_settled(const struct decisions *decisions)
{
	for (struct decision *d = decisions->first; d; d = d->next)
		if (d->state == DECISION_STATE_WRITTEN ||
		    d->state == DECISION_STATE_FAILED)
			return d;
	return NULL;
}

/* The change is made even if the client has hung up in the meantime. */
static void settle(struct decision *decision)
{
	struct session *session = decision->session;
	bool written = decision->state == DECISION_STATE_WRITTEN;

	remove_decision(decision);
	if (written) {
		session_dispatch_again(session);
		return;
	}
	session_refuse(
		session, RESULT_FAILED,
		"nothing was done: the decision could be recorded neither in the "
		"journal nor in " STORE_AUDIT_FILE
		"; check `systemctl status systemd-journald` and `df "
		"/var/lib/deployd`, then try again");
	session_give_up(session);
}

static void on_timer(uv_timer_t *timer)
{
	struct decisions *decisions = timer->data;
	uint64_t now_ms = uv_now(decisions->loop);
	struct decision *settled;

	for (struct decision *d = decisions->first; d; d = d->next) {
		if (d->state == DECISION_STATE_JOURNAL && d->deadline_ms <= now_ms) {
			journal_forget(d);
			d->state = DECISION_STATE_FILE;
		}
	}
	if (!decisions->storing)
		store_lines(decisions);
	/* settle() may add to the list and remove from it. */
	while ((settled = find_settled(decisions)))
		settle(settled);
	for (struct decision *d = decisions->first; d; d = d->next) {
		if (d->state == DECISION_STATE_JOURNAL) {
			wake(decisions, d->deadline_ms - now_ms);
			return;
		}
	}
}

/* --- a change --------------------------------------------------------------------- */

static json_t *line_of(const struct session *session,
		       const struct decision_subject *subject, const char *reason)
{
	char time_text[RFC3339_SIZE], rule[512];

	names_rfc3339((int64_t)time(NULL), time_text);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I}", "time", time_text,
			 "decision", "allowed", "kind", subject->what, "app",
			 subject->app, "user", session->peer.user, "uid",
			 (json_int_t)session->peer.uid, "rule",
			 names_escape(reason, rule, sizeof(rule)), "pid",
			 (json_int_t)session->peer.pid);
}

static void park(struct decisions *decisions, struct decision *decision,
		 struct session *session, enum decision_state state)
{
	decision->state = state;
	decision->session = session;
	session_hold(session);
	decision->deadline_ms = uv_now(decisions->loop) + DECISION_WAIT_MSEC;
	*decisions->last = decision;
	decisions->last = &decision->next;
	if (state != DECISION_STATE_JOURNAL)
		wake(decisions, 0);
	else if (!uv_is_active((uv_handle_t *)&decisions->timer))
		wake(decisions, DECISION_WAIT_MSEC);
}

bool decision_allow_change(struct decisions *decisions, struct session *session,
			   const struct decision_subject *subject, const char *reason)
{
	struct journal_context context = context_of(session, subject, reason);
	struct decision *decision;
	enum journal_sent sent;

	if (session->decision_written)
		return true;
	decision = calloc(1, sizeof(*decision));
	if (!decision || !(decision->line = line_of(session, subject, reason))) {
		free(decision);
		session_refuse(session, RESULT_FAILED, "out of memory");
		return false;
	}
	decision->decisions = decisions;
	sent = journal_decision(
		&context, on_taken, decision, "%s %s for %s (uid %u, pid %d): %s",
		subject->what, subject->app, session->peer.user,
		(unsigned int)session->peer.uid, (int)session->peer.pid, reason);
#ifdef BREAK_DECISION_NOT_AWAITED
	journal_forget(decision);
	sent = JOURNAL_SENT_TAKEN;
#endif
	if (sent == JOURNAL_SENT_TAKEN) {
		decisions->file_in_use = false;
		json_decref(decision->line);
		free(decision);
		return true;
	}
	park(decisions, decision, session,
	     sent == JOURNAL_SENT_WAITS ? DECISION_STATE_JOURNAL : DECISION_STATE_FILE);
	return false;
}

/* --- the object ------------------------------------------------------------------- */

int decisions_init(struct decisions *decisions, uv_loop_t *loop)
{
	int r;

	*decisions = (struct decisions){.loop = loop};
	decisions->last = &decisions->first;
	r = uv_timer_init(loop, &decisions->timer);
	if (r < 0)
		return r;
	decisions->timer.data = decisions;
	decisions->open = true;
	return 0;
}

void decisions_close(struct decisions *decisions)
{
	struct decision *next;

	if (!decisions->open)
		return;
	decisions->open = false;
	uv_close((uv_handle_t *)&decisions->timer, NULL);
	for (struct decision *d = decisions->first; d; d = next) {
		struct session *session = d->session;

		next = d->next;
		d->session = NULL;
		/* deployd-store is still at work; on_stored() removes it. */
		if (d->state != DECISION_STATE_STORED)
			remove_decision(d);
		session_give_up(session);
	}
}
