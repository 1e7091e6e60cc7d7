#pragma once

#include <stddef.h>

#include "deploy/errinfo.h"

/*
 * True in AddressSanitizer builds: those need terabytes of address space and, in
 * reports, system calls that a program does not make otherwise.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/*
 * One of the system calls: fcntl(), but only for the flags of an open file. Its other
 * commands could make the kernel send signals.
 */
#define SANDBOX_FCNTL_FLAGS (-100000)

/*
 * Installs a seccomp filter that kills the process at any system call but the given
 * ones (SCMP_SYS numbers) and those that every program needs to use the heap, write
 * to what is open and exit. Memory is never made executable; chmod, fchmod, fchmodat,
 * mkdirat and openat, when given, set no set-id or sticky bit; socket, when given,
 * makes TCP and UDP sockets only. Needs no_new_privs. A sanitizer build allows in
 * addition what its runtime calls.
 */
int sandbox_seccomp(const int *syscalls, size_t n_syscalls, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * For a program whose libraries may need any system call: denies (EPERM) those that
 * reach into other processes, run programs or open up more of the kernel. Needs
 * no_new_privs.
 */
int sandbox_deny_reach(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * sandbox_seccomp() for a program that only reads: openat, when given, neither writes,
 * creates nor truncates.
 */
int sandbox_seccomp_reading(const int *syscalls, size_t n_syscalls, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
