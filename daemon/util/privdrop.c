#include "util/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/sandbox.h"

static int die_with_parent(struct errinfo *ei)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return errinfo_set(ei, errno, "cannot ask to die with deployd");
	/* It may have died before the call: then nobody will tell us. */
	if (getppid() == 1)
		return errinfo_refuse(ei, RESULT_FAILED, "deployd is gone");
	return 0;
}

static int reset_signals(struct errinfo *ei)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL); /* not for KILL and STOP */
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGXFSZ, &action, NULL);
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return errinfo_set(ei, errno, "cannot unblock signals");
	return 0;
}

int privdrop_begin(int first_free_fd, struct errinfo *ei)
{
	int r;

	r = die_with_parent(ei);
	if (r < 0)
		return r;
	if (close_range((unsigned int)first_free_fd, ~0U, 0) < 0)
		return errinfo_set(ei, errno, "cannot close inherited files");
	(void)umask(022);
	return reset_signals(ei);
}

int privdrop_limits(const struct privdrop_limit *limits, size_t n_limits,
		    struct errinfo *ei)
{
	for (size_t i = 0; i < n_limits; i++) {
		struct rlimit now, want = {limits[i].soft, limits[i].hard};

		if (SANDBOX_SANITIZED && limits[i].resource == RLIMIT_AS)
			continue;
		if (getrlimit(limits[i].resource, &now) < 0)
			return errinfo_set(ei, errno, "cannot read limit %d",
					   (int)limits[i].resource);
		if (want.rlim_max > now.rlim_max)
			want.rlim_max = now.rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		if (setrlimit(limits[i].resource, &want) < 0)
			return errinfo_set(ei, errno, "cannot set limit %d",
					   (int)limits[i].resource);
	}
	return 0;
}

static int verify_ids(uid_t uid, gid_t gid, struct errinfo *ei)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return errinfo_set(ei, errno, "cannot verify the user");
	if (ruid != uid || euid != uid || suid != uid || rgid != gid || egid != gid ||
	    sgid != gid || getgroups(0, NULL) != 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "the change of user did not take effect");
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return errinfo_refuse(ei, RESULT_FAILED, "could become root again");
	return 0;
}

static int verify_capabilities(struct errinfo *ei)
{
	struct __user_cap_header_struct header = {.version =
							  _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	/* By hand: libcap is linked by deployd-store alone. */
	if (syscall(SYS_capget, &header, data) < 0)
		return errinfo_set(ei, errno, "cannot verify the capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		if (data[i].effective != 0 || data[i].permitted != 0)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "capabilities are left");
	}
	return 0;
}

int privdrop_become(uid_t uid, gid_t gid, struct errinfo *ei)
{
	int r;

	if (uid == 0 || gid == 0 || uid == (uid_t)-1 || gid == (gid_t)-1)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "a helper may not run as uid %u, gid %u",
				      (unsigned int)uid, (unsigned int)gid);
	if (setgroups(0, NULL) < 0)
		return errinfo_set(ei, errno, "cannot drop the groups");
	if (setresgid(gid, gid, gid) < 0)
		return errinfo_set(ei, errno, "cannot become gid %u",
				   (unsigned int)gid);
	if (setresuid(uid, uid, uid) < 0)
		return errinfo_set(ei, errno, "cannot become uid %u",
				   (unsigned int)uid);
	r = verify_ids(uid, gid, ei);
	if (r < 0)
		return r;
	r = verify_capabilities(ei);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errinfo_set(ei, errno, "cannot give up privileges");
	return die_with_parent(ei);
}
