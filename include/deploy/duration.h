#pragma once

#include <stdint.h>

#define DURATION_TEXT_SIZE 48

/*
 * How long something took, as a person says it: "84 ms", "2.4 s", "53 s", "2min 53s",
 * "3h 5min", "2d 4h". Returns ret_text.
 */
const char *duration_text(int64_t ms, char ret_text[DURATION_TEXT_SIZE])
	__attribute__((nonnull));
