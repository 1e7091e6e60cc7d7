#pragma once

#include <stdbool.h>

/* HOST:PORT, NAME:PORT or [IPV6]:PORT. */
bool option_address_valid(const char *text) __attribute__((nonnull));

/* PORT, IPV4:PORT or [IPV6]:PORT: no name, which could not be looked up at boot. */
bool option_listen_valid(const char *text) __attribute__((nonnull));

/* http:// or https://, a host, perhaps a port, path and query; no blank, no control. */
bool option_url_valid(const char *text) __attribute__((nonnull));

/* The codes of "200" or "200-399"; false when it is neither. */
bool option_status_range(const char *text, unsigned int *ret_from, unsigned int *ret_to)
	__attribute__((nonnull));

/* "Name: value" (RFC 9110). */
bool option_header_valid(const char *text) __attribute__((nonnull));
