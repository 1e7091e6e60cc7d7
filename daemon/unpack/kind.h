#pragma once

#include <stddef.h>

#define KIND_BYTES 512 /* as many tell all kinds there are */

/*
 * What bytes that are no tar are, by how they begin: "is a zip file". NULL: that is not
 * known. For messages only. Pure.
 */
const char *kind_of(const unsigned char *bytes, size_t length) __attribute__((nonnull));
