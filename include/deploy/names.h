#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APP_NAME_MAX	63  /* bytes, without the NUL */
#define RELEASE_ID_SIZE 32  /* room for an id with its NUL */
#define UNIT_NAME_MAX	255 /* systemd.unit(5) */

/* [a-z0-9][a-z0-9_-]{0,62}: fit for a path, a unit and a rule. */
bool names_app_valid(const char *name) __attribute__((nonnull));

/* YYYYMMDDTHHMMSSZ-NNNN, or a name that mix_deploy gave: 14 digits, or YYYYMMDDTHHMMSS.
 */
bool names_release_valid(const char *id) __attribute__((nonnull));

/* A service or socket unit name without glob or specifier (systemd.unit(5)). */
bool names_unit_valid(const char *unit) __attribute__((nonnull));

/* The id of sequence number seq made at time_s (seconds since the epoch, UTC). */
void names_release_format(int64_t time_s, uint64_t seq, char ret_id[RELEASE_ID_SIZE])
	__attribute__((nonnull));

/* 64 lower-case hex digits. */
bool names_sha256_valid(const char *hex) __attribute__((nonnull));

/*
 * Copies text so that it is safe on a terminal and in a log line: control bytes
 * (C0, C1, DEL), invalid UTF-8, characters that reorder or break a line or cannot be
 * seen, and the backslash become \xNN; what does not fit ends in "...". Returns
 * ret_buf. size >= 8.
 */
char *names_escape(const char *text, char *ret_buf, size_t size)
	__attribute__((nonnull));

/*
 * For a text whose untrusted parts are, or should be, escaped: characters that
 * names_escape() would escape become '?', newlines blanks, and backslashes stay. In
 * place; returns text.
 */
char *names_scrub(char *text) __attribute__((nonnull));

/*
 * Takes away a UTF-8 sequence at the end of text that was cut by a bound; what is not
 * UTF-8 at all stays as it is. Returns text.
 */
char *names_trim_utf8(char *text) __attribute__((nonnull));

/* RFC 3339 in UTC with seconds, "2026-11-23T10:15:00Z". */
#define RFC3339_SIZE 32
void names_rfc3339(int64_t time_s, char ret_text[RFC3339_SIZE])
	__attribute__((nonnull));

/* Seconds since the epoch of a time as names_rfc3339 writes it; 0 when it is not one.
 */
int64_t names_rfc3339_parse(const char *text) __attribute__((nonnull));
