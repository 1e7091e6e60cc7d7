#pragma once

#include <stdbool.h>

#include "deploy/errinfo.h"

/*
 * Leaves deployd-store what it needs once it has its request: CAP_CHOWN (files are
 * opened as their owner, never past their modes), and the system calls that work on
 * files. Any other call kills it, which is safe at any moment. reads_all: adopt must
 * read what is others' before it takes it over.
 */
int lockdown(bool reads_all, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
