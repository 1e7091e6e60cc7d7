#include "core/log_budget.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool has_merged(const struct log_account *account)
{
	for (int kind = 0; kind < LOG_KIND_COUNT; kind++)
		if (account->merged[kind] > 0)
			return true;
	return false;
}

static void refill(struct log_account *account, uint64_t now_ms)
{
	uint64_t earned = (now_ms - account->refilled_ms) / LOG_BUDGET_LINE_MSEC;

	if (account->lines + earned >= LOG_BUDGET_LINES_MAX) {
		account->lines = LOG_BUDGET_LINES_MAX;
		account->refilled_ms = now_ms;
		return;
	}
	account->lines += (unsigned int)earned;
	account->refilled_ms += earned * LOG_BUDGET_LINE_MSEC;
}

/* Replacing it by a fresh account would change nothing. */
static bool is_idle(struct log_account *account, uint64_t now_ms)
{
	refill(account, now_ms);
	return account->lines == LOG_BUDGET_LINES_MAX && !has_merged(account) &&
	       (!account->read || now_ms - account->read_ms >= LOG_BUDGET_READ_MSEC);
}

/* Connections are turned away before the name is known; it may come later. */
static void name(struct log_account *account, const char *user)
{
	if (user[0] != '\0')
		(void)snprintf(account->user, sizeof(account->user), "%s", user);
}

static void open_account(struct log_account *account, uint32_t uid, const char *user,
			 uint64_t now_ms)
{
	*account = (struct log_account){.used = true,
					.uid = uid,
					.lines = LOG_BUDGET_LINES_MAX,
					.refilled_ms = now_ms};
	name(account, user);
}

static struct log_account *account_of(struct log_budget *budget, uint32_t uid,
				      const char *user, uint64_t now_ms)
{
	struct log_account *free_one = NULL;

	for (int i = 0; i < LOG_BUDGET_USERS_MAX; i++) {
		struct log_account *account = &budget->accounts[i];

		if (account->used && account->uid == uid) {
			name(account, user);
			return account;
		}
		if (!free_one && (!account->used || is_idle(account, now_ms)))
			free_one = account;
	}
	if (free_one)
		open_account(free_one, uid, user, now_ms);
	else if (!budget->others.used)
		open_account(&budget->others, UINT32_MAX, "", now_ms);
	return free_one ? free_one : &budget->others;
}

bool log_budget_take(struct log_budget *budget, uint32_t uid, const char *user,
		     enum log_kind kind, uint64_t now_ms)
{
	struct log_account *account = account_of(budget, uid, user, now_ms);

	assert(kind < LOG_KIND_COUNT);
	refill(account, now_ms);
#ifdef BREAK_LOG_NOT_MERGED
	return true;
#endif
	if (account->lines > 0) {
		account->lines--;
		return true;
	}
	if (!has_merged(account))
		account->merged_since_ms = now_ms;
	account->merged[kind]++;
	return false;
}

bool log_budget_read(struct log_budget *budget, uint32_t uid, const char *user,
		     uint64_t now_ms, uint64_t *ret_reads)
{
	struct log_account *account = account_of(budget, uid, user, now_ms);

	if (account->read && now_ms - account->read_ms < LOG_BUDGET_READ_MSEC) {
		account->reads++;
		return false;
	}
	*ret_reads = account->reads;
	account->read = true;
	account->read_ms = now_ms;
	account->reads = 0;
	return true;
}

/* The i-th account; the shared one comes last. */
static struct log_account *account_at(struct log_budget *budget, int i)
{
	return i < LOG_BUDGET_USERS_MAX ? &budget->accounts[i] : &budget->others;
}

static uint64_t due_at(const struct log_account *account)
{
	return account->merged_since_ms + LOG_BUDGET_REPORT_MSEC;
}

bool log_budget_report(struct log_budget *budget, uint64_t now_ms,
		       struct log_report *ret_report)
{
	for (int i = 0; i <= LOG_BUDGET_USERS_MAX; i++) {
		struct log_account *account = account_at(budget, i);

		if (!has_merged(account) || now_ms < due_at(account))
			continue;
		*ret_report = (struct log_report){
			.others = account == &budget->others,
			.uid = account->uid,
			.over_ms = now_ms == UINT64_MAX
					   ? LOG_BUDGET_REPORT_MSEC
					   : now_ms - account->merged_since_ms};
		(void)memcpy(ret_report->user, account->user, sizeof(ret_report->user));
		(void)memcpy(ret_report->merged, account->merged,
			     sizeof(ret_report->merged));
		(void)memset(account->merged, 0, sizeof(account->merged));
		return true;
	}
	return false;
}

bool log_budget_next(const struct log_budget *budget, uint64_t *ret_ms)
{
	bool any = false;

	for (int i = 0; i <= LOG_BUDGET_USERS_MAX; i++) {
		const struct log_account *account = i < LOG_BUDGET_USERS_MAX
							    ? &budget->accounts[i]
							    : &budget->others;

		if (!has_merged(account) || (any && due_at(account) >= *ret_ms))
			continue;
		*ret_ms = due_at(account);
		any = true;
	}
	return any;
}
