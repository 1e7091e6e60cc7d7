#pragma once

#include <stddef.h>

/* Bytes of the UTF-8 sequence at text, which has length bytes; 0 when it is none
 * (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
size_t utf8_length(const char *text, size_t length) __attribute__((nonnull));
