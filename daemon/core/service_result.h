#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a service's processes ended, in words: systemd's Result= (systemd.service(5)) and
 * exit statuses (systemd.exec(5)). The only table of them. Pure.
 */

/* "exited with status 3", "was killed by signal 9 (Killed)", ... */
void service_result_end(int32_t code, int32_t status, char *ret_text, size_t size)
	__attribute__((nonnull));

/*
 * What a Result= other than success means, to follow "UNIT failed: ". code and status
 * are ExecMainCode= and ExecMainStatus=, 0 where there was no main process.
 */
void service_result_text(const char *result, int32_t code, int32_t status,
			 char *ret_text, size_t size) __attribute__((nonnull));

/*
 * The exit status was the program's own although it is one of systemd's: puts that into
 * a text that service_result_text() is in.
 */
void service_result_disown(char *text, size_t size, int32_t status)
	__attribute__((nonnull));

/* True for "success", and for "": a unit that is no service has no Result=. */
bool service_result_is_success(const char *result) __attribute__((nonnull));

/* Exit statuses that systemd sets itself for a program that it could not start. */
bool service_result_is_setup_failure(int32_t status);
