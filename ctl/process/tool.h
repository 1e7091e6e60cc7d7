#pragma once

#include "deploy/errinfo.h"

/*
 * Runs a program of systemd, found in /usr/bin and its like, in the C locale and with
 * nothing else of our environment. input is its standard input, NULL: none. What it
 * writes, on both outputs, is in ret_output, a text that is cut to its size. The exit
 * status is returned; negative errno with ei filled when the program could not be run
 * or did not end within timeout_sec.
 */
#define TOOL_OUTPUT_SIZE 16384
int tool_run(const char *const argv[], const char *input, unsigned int timeout_sec,
	     char ret_output[TOOL_OUTPUT_SIZE], struct errinfo *ei)
	__attribute__((nonnull(1, 4, 5), warn_unused_result));

/* tool_run() where every status but 0 is an error, which shows the output. */
int tool_must(const char *const argv[], const char *input, unsigned int timeout_sec,
	      struct errinfo *ei) __attribute__((nonnull(1, 4), warn_unused_result));
