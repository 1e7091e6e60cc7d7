#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which of the journal lines that clients cause are written, and which are only
 * counted: without it, a user without any right could rotate the record of everybody
 * else's changes away. Each user has LOG_BUDGET_LINES_MAX lines at once and one more
 * each LOG_BUDGET_LINE_MSEC; what is beyond is told as one line of counts each
 * LOG_BUDGET_REPORT_MSEC. Pure: the time comes as an argument and never runs back.
 */

#define LOG_BUDGET_LINES_MAX   50u
#define LOG_BUDGET_LINE_MSEC   6000u
#define LOG_BUDGET_REPORT_MSEC 10000u
#define LOG_BUDGET_READ_MSEC   60000u /* between two lines about a user's reading */
#define LOG_BUDGET_USERS_MAX   64     /* beyond them users share one budget */
#define LOG_BUDGET_NAME_SIZE   64

enum log_kind {
	LOG_KIND_DENIED,      /* a request without a right to it */
	LOG_KIND_CLOSED,      /* a connection closed: a timeout, not a call */
	LOG_KIND_TURNED_AWAY, /* a connection beyond a limit */
	LOG_KIND_SESSION,     /* trouble with the process that serves the connection */
	LOG_KIND_COUNT
};

struct log_account {
	bool used;
	uint32_t uid;
	char user[LOG_BUDGET_NAME_SIZE];
	unsigned int lines;   /* that may be written now */
	uint64_t refilled_ms; /* since then the next one is earned */
	uint64_t merged[LOG_KIND_COUNT];
	uint64_t merged_since_ms; /* of the first that is counted */
	bool read;		  /* a line about reading was written at read_ms */
	uint64_t read_ms;
	uint64_t reads; /* since then */
};

/* All zero in the beginning. */
struct log_budget {
	struct log_account accounts[LOG_BUDGET_USERS_MAX];
	struct log_account others;
};

/* What was merged of one user; others: of all who have no account of their own. */
struct log_report {
	bool others;
	uint32_t uid;
	char user[LOG_BUDGET_NAME_SIZE];
	uint64_t merged[LOG_KIND_COUNT];
	uint64_t over_ms; /* the time it took */
};

/*
 * True: write the line. False: it is counted, and is part of a report to come. user is
 * "" while it is not known.
 */
bool log_budget_take(struct log_budget *budget, uint32_t uid, const char *user,
		     enum log_kind kind, uint64_t now_ms)
	__attribute__((warn_unused_result, nonnull));

/*
 * The same for a line about a request that only reads: one a user and minute.
 * *ret_reads: those that were not written since the last one.
 */
bool log_budget_read(struct log_budget *budget, uint32_t uid, const char *user,
		     uint64_t now_ms, uint64_t *ret_reads)
	__attribute__((warn_unused_result, nonnull));

/* A report that is due; call until false. now_ms = UINT64_MAX: whatever is counted. */
bool log_budget_report(struct log_budget *budget, uint64_t now_ms,
		       struct log_report *ret_report)
	__attribute__((warn_unused_result, nonnull));

/* When the next report is due; false: nothing is counted. */
bool log_budget_next(const struct log_budget *budget, uint64_t *ret_ms)
	__attribute__((warn_unused_result, nonnull));
