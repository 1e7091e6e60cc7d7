#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Decides which of the journal lines that clients cause are written and which are only
 * counted. Without a budget, a user with no rights at all could fill the journal until
 * the record of everyone else's changes is rotated away. Each user may cause
 * LOG_BUDGET_LINES_MAX lines in a burst and earns one more every LOG_BUDGET_LINE_MSEC;
 * the rest is reported as counts every LOG_BUDGET_REPORT_MSEC. Pure: time is an
 * argument and never goes backwards.
 */

#define LOG_BUDGET_LINES_MAX   50u
#define LOG_BUDGET_LINE_MSEC   6000u
#define LOG_BUDGET_REPORT_MSEC 10000u
#define LOG_BUDGET_READ_MSEC   60000u /* between two lines about a user's reads */
#define LOG_BUDGET_USERS_MAX   64     /* further users share one budget */
#define LOG_BUDGET_NAME_SIZE   64

enum log_kind {
	LOG_KIND_DENIED,      /* a request that the policy denied */
	LOG_KIND_CLOSED,      /* a connection closed for a timeout or a bad call */
	LOG_KIND_TURNED_AWAY, /* a connection over a limit */
	LOG_KIND_SESSION,     /* a session process that hangs or breaks its protocol */
	LOG_KIND_COUNT
};

struct log_account {
	bool used;
	uint32_t uid;
	char user[LOG_BUDGET_NAME_SIZE];
	unsigned int lines;   /* that may be written now */
	uint64_t refilled_ms; /* when the next line began to be earned */
	uint64_t merged[LOG_KIND_COUNT];
	uint64_t merged_since_ms; /* when the first of them was counted */
	bool read;		  /* a line about a read was written at read_ms */
	uint64_t read_ms;
	uint64_t reads; /* since then */
};

/* Starts as all zeros. */
struct log_budget {
	struct log_account accounts[LOG_BUDGET_USERS_MAX];
	struct log_account others;
};

/* What was merged for one user or, with others set, for all who share a budget. */
struct log_report {
	bool others;
	uint32_t uid;
	char user[LOG_BUDGET_NAME_SIZE];
	uint64_t merged[LOG_KIND_COUNT];
	uint64_t over_ms; /* the period that the counts cover */
};

/*
 * True: write the line. False: it was counted and will be in a report. user is "" if
 * the name is not known yet.
 */
bool log_budget_take(struct log_budget *budget, uint32_t uid, const char *user,
		     enum log_kind kind, uint64_t now_ms)
	__attribute__((warn_unused_result, nonnull));

/*
 * The same for a request that only reads: one line per user and minute. *ret_reads is
 * how many reads were not written since the previous line.
 */
bool log_budget_read(struct log_budget *budget, uint32_t uid, const char *user,
		     uint64_t now_ms, uint64_t *ret_reads)
	__attribute__((warn_unused_result, nonnull));

/* Returns one report that is due; call until false. UINT64_MAX: report everything. */
bool log_budget_report(struct log_budget *budget, uint64_t now_ms,
		       struct log_report *ret_report)
	__attribute__((warn_unused_result, nonnull));

/* When the next report is due; false: nothing is counted. */
bool log_budget_next(const struct log_budget *budget, uint64_t *ret_ms)
	__attribute__((warn_unused_result, nonnull));
