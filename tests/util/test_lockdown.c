/*
 * A helper that cannot give up a privilege must not go on with it. The C library's
 * calls are replaced: each fails in turn, or says that it worked and did not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/lockdown.h"
#include "util/privdrop.h"

#define CALLS_MAX 16
#define UID	  61234
#define GID	  61235

static const char *calls[CALLS_MAX];
static size_t n_calls;
static size_t failing; /* the number of the call that fails, from 1; 0: none */

/* What the process seems to be. */
static struct {
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	int n_groups;
	bool may_return; /* to root */
	uint32_t capabilities[_LINUX_CAPABILITY_U32S_3];
	pid_t parent;
	struct rlimit limit;
} process;

static int reset(void **state)
{
	(void)state;
	memset(&process, 0, sizeof(process));
	process.parent = 1000;
	n_calls = failing = 0;
	return 0;
}

/* True when this call is to work. */
static bool called(const char *name)
{
	assert_true(n_calls < CALLS_MAX);
	calls[n_calls++] = name;
	errno = EPERM;
	return n_calls != failing;
}

int __wrap_prctl(int option, ...);
int __wrap_prctl(int option, ...)
{
	const char *name = option == PR_SET_DUMPABLE	   ? "dumpable"
			   : option == PR_SET_NO_NEW_PRIVS ? "no_new_privs"
			   : option == PR_SET_PDEATHSIG	   ? "pdeathsig"
							   : "another prctl";

	return called(name) ? 0 : -1;
}

int __wrap_clearenv(void);
int __wrap_clearenv(void)
{
	return called("clearenv") ? 0 : -1;
}

int __wrap_close_range(unsigned int first, unsigned int last, int flags);
int __wrap_close_range(unsigned int first, unsigned int last, int flags)
{
	assert_int_equal(last, ~0U);
	assert_int_equal(flags, 0);
	return called(first == 3 ? "close from 3" : "close from another") ? 0 : -1;
}

sighandler_t __wrap_signal(int sig, sighandler_t handler);
sighandler_t __wrap_signal(int sig, sighandler_t handler)
{
	assert_int_equal(sig, SIGPIPE);
	assert_true(handler == SIG_IGN);
	return called("ignore SIGPIPE") ? SIG_DFL : SIG_ERR;
}

int __wrap_sigaction(int sig, const struct sigaction *act, struct sigaction *old);
int __wrap_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	(void)sig;
	(void)act;
	(void)old;
	return 0;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)old;
	assert_int_equal(how, SIG_SETMASK);
	assert_int_equal(sigismember(set, SIGTERM), 0);
	return called("unblock") ? 0 : -1;
}

pid_t __wrap_getppid(void);
pid_t __wrap_getppid(void)
{
	return process.parent;
}

int __wrap_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit)
{
	(void)resource;
	*limit = process.limit;
	return called("getrlimit") ? 0 : -1;
}

int __wrap_setrlimit(int resource, const struct rlimit *limit);
int __wrap_setrlimit(int resource, const struct rlimit *limit)
{
	(void)resource;
	if (!called("setrlimit"))
		return -1;
	process.limit = *limit;
	return 0;
}

int __wrap_setgroups(size_t n, const gid_t *groups);
int __wrap_setgroups(size_t n, const gid_t *groups)
{
	(void)groups;
	assert_int_equal(n, 0);
	return called("setgroups") ? 0 : -1;
}

int __wrap_getgroups(int size, gid_t *groups);
int __wrap_getgroups(int size, gid_t *groups)
{
	(void)size;
	(void)groups;
	return process.n_groups;
}

int __wrap_setresgid(gid_t rgid, gid_t egid, gid_t sgid);
int __wrap_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	assert_true(rgid == GID && egid == GID && sgid == GID);
	return called("setresgid") ? 0 : -1;
}

int __wrap_setresuid(uid_t ruid, uid_t euid, uid_t suid);
int __wrap_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	if (euid == 0) {
		errno = EPERM;
		return process.may_return ? 0 : -1;
	}
	assert_true(ruid == UID && euid == UID && suid == UID);
	return called("setresuid") ? 0 : -1;
}

int __wrap_getresuid(uid_t *ruid, uid_t *euid, uid_t *suid);
int __wrap_getresuid(uid_t *ruid, uid_t *euid, uid_t *suid)
{
	*ruid = process.ruid;
	*euid = process.euid;
	*suid = process.suid;
	return called("getresuid") ? 0 : -1;
}

int __wrap_getresgid(gid_t *rgid, gid_t *egid, gid_t *sgid);
int __wrap_getresgid(gid_t *rgid, gid_t *egid, gid_t *sgid)
{
	*rgid = process.rgid;
	*egid = process.egid;
	*sgid = process.sgid;
	return called("getresgid") ? 0 : -1;
}

long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	struct __user_cap_data_struct *data;
	va_list ap;

	assert_int_equal(number, SYS_capget);
	va_start(ap, number);
	(void)va_arg(ap, void *);
	data = va_arg(ap, struct __user_cap_data_struct *);
	va_end(ap);
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = 0;
		data[i].permitted = process.capabilities[i];
	}
	return called("capget") ? 0 : -1;
}

static const struct privdrop_limit limits[] = {{RLIMIT_NOFILE, 20, 30}};

static int do_lockdown(struct errinfo *ei)
{
	return lockdown_begin(limits, 1, ei);
}

static int do_begin(struct errinfo *ei)
{
	return privdrop_begin(3, ei);
}

static int do_become(struct errinfo *ei)
{
	process.ruid = process.euid = process.suid = UID;
	process.rgid = process.egid = process.sgid = GID;
	return privdrop_become(UID, GID, ei);
}

/* clearenv() sets no errno: what it fails for is memory. */
static int errno_of(const char *call)
{
	return strcmp(call, "clearenv") == 0 ? ENOMEM : EPERM;
}

/* Each expected call fails in turn: nothing is called after it. */
static void assert_ends_at_a_failure(int (*step)(struct errinfo *ei),
				     const char *const *expected, size_t n_expected)
{
	for (size_t n = 0; n <= n_expected; n++) {
		struct errinfo ei = {0};
		size_t n_made = n == 0 ? n_expected : n;

		(void)reset(NULL);
		failing = n;
		assert_int_equal(step(&ei), n == 0 ? 0 : -errno_of(expected[n - 1]));
		assert_int_equal(n_calls, n_made);
		for (size_t i = 0; i < n_made; i++)
			assert_string_equal(calls[i], expected[i]);
		if (n > 0)
			assert_non_null(
				strstr(ei.what, strerror(errno_of(expected[n - 1]))));
	}
}

#define ASSERT_ENDS_AT_A_FAILURE(step, ...)                                            \
	do {                                                                           \
		static const char *const expected[] = {__VA_ARGS__};                   \
                                                                                       \
		assert_ends_at_a_failure(step, expected,                               \
					 sizeof(expected) / sizeof(*expected));        \
	} while (0)

static void lockdown_ends_at_the_first_failure(void **state)
{
	(void)state;
	ASSERT_ENDS_AT_A_FAILURE(do_lockdown, "dumpable", "no_new_privs", "clearenv",
				 "ignore SIGPIPE", "close from 3", "getrlimit",
				 "setrlimit");
}

static void begin_ends_at_the_first_failure(void **state)
{
	(void)state;
	ASSERT_ENDS_AT_A_FAILURE(do_begin, "pdeathsig", "close from 3", "unblock");
}

static void become_ends_at_the_first_failure(void **state)
{
	(void)state;
	/* The kernel forgets PDEATHSIG when the uid changes: it is asked again. */
	ASSERT_ENDS_AT_A_FAILURE(do_become, "setgroups", "setresgid", "setresuid",
				 "getresuid", "getresgid", "capget", "dumpable",
				 "no_new_privs", "pdeathsig");
}

static void deployd_that_died_before_is_noticed(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	process.parent = 1;
	assert_int_equal(do_begin(&ei), -EINVAL);
	assert_string_equal(ei.what, "deployd is gone");
	assert_int_equal(n_calls, 1);
	assert_int_equal(do_become(&ei), -EINVAL);
	assert_string_equal(ei.what, "deployd is gone");
}

static void nobody_becomes_root(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
	} wrong[] = {{0, GID}, {UID, 0}, {(uid_t)-1, GID}, {UID, (gid_t)-1}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct errinfo ei = {0};

		assert_int_equal(privdrop_become(wrong[i].uid, wrong[i].gid, &ei),
				 -EINVAL);
		assert_non_null(strstr(ei.what, "a helper may not run as"));
		assert_int_equal(n_calls, 0);
	}
}

/* The kernel says that it worked, and it did not. */
static void every_id_is_verified(void **state)
{
	uid_t *const ids[] = {&process.ruid, &process.euid, &process.suid,
			      &process.rgid, &process.egid, &process.sgid};

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		struct errinfo ei = {0};

		(void)reset(NULL);
		process.ruid = process.euid = process.suid = UID;
		process.rgid = process.egid = process.sgid = GID;
		*ids[i] = 0;
		assert_int_equal(privdrop_become(UID, GID, &ei), -EINVAL);
		assert_string_equal(ei.what, "the change of user did not take effect");
	}
}

static void what_is_left_of_root_is_refused(void **state)
{
	struct errinfo ei = {0};

	(void)state;
	process.n_groups = 1;
	assert_int_equal(do_become(&ei), -EINVAL);
	assert_string_equal(ei.what, "the change of user did not take effect");
	(void)reset(NULL);
	process.may_return = true;
	assert_int_equal(do_become(&ei), -EINVAL);
	assert_string_equal(ei.what, "could become root again");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		(void)reset(NULL);
		process.capabilities[i] = 1;
		assert_int_equal(do_become(&ei), -EINVAL);
		assert_string_equal(ei.what, "capabilities are left");
	}
}

static void limits_are_never_raised(void **state)
{
	static const struct {
		struct rlimit now, then;
	} cases[] = {
		{{1000, 1000}, {20, 30}},
		{{5, 25}, {20, 25}},
		{{5, 10}, {10, 10}},
		{{RLIM_INFINITY, RLIM_INFINITY}, {20, 30}},
	};
	struct errinfo ei = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		(void)reset(NULL);
		process.limit = cases[i].now;
		assert_int_equal(privdrop_limits(limits, 1, &ei), 0);
		assert_int_equal(process.limit.rlim_cur, cases[i].then.rlim_cur);
		assert_int_equal(process.limit.rlim_max, cases[i].then.rlim_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lockdown_ends_at_the_first_failure, reset),
		cmocka_unit_test_setup(begin_ends_at_the_first_failure, reset),
		cmocka_unit_test_setup(become_ends_at_the_first_failure, reset),
		cmocka_unit_test_setup(deployd_that_died_before_is_noticed, reset),
		cmocka_unit_test_setup(nobody_becomes_root, reset),
		cmocka_unit_test_setup(every_id_is_verified, reset),
		cmocka_unit_test_setup(what_is_left_of_root_is_refused, reset),
		cmocka_unit_test_setup(limits_are_never_raised, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
