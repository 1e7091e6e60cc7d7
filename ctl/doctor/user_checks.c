/* doctor: accounts, and what sudo lets them do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "doctor/doctor.h"
#include "setup/accounts.h"

#define DEPLOYD_GROUP	  "deployd"
#define SUDOERS_BYTES_MAX (1u << 20)

static bool is_there(const struct setup *setup, const char *user)
{
	uid_t uid;
	gid_t gid;

	return account_user(setup, user, &uid, &gid) == 0;
}

static bool is_member(const struct setup *setup, const char *user, const char *group)
{
	return account_is_member(setup, user, group) == 1;
}

static void check_accounts(const struct setup *setup, struct findings *findings)
{
	const struct app_config *app = setup->app;
	const char *const users[] = {app->app_user, app->deploy_user};

	for (size_t i = 0; i < 2; i++) {
		if (is_there(setup, users[i]) ||
		    (i == 1 && strcmp(users[0], users[1]) == 0))
			continue;
		finding_add(findings, "no-user",
			    "an app whose users are not there is left out by "
			    "deployd.");
		finding_what(findings, "there is no user %s", users[i]);
		finding_fix(findings, "deployctl create-users %s", app->app_name);
	}
}

static bool can_log_in(const char *user)
{
	const struct passwd *entry = getpwnam(user);
	const char *shell = entry ? entry->pw_shell : "";
	const char *base = strrchr(shell, '/');

	base = base ? base + 1 : shell;
	return entry && strcmp(base, "nologin") != 0 && strcmp(base, "false") != 0;
}

static void check_app_user(const struct setup *setup, struct findings *findings)
{
	const struct app_config *app = setup->app;

	if (!is_there(setup, app->app_user) ||
	    strcmp(app->app_user, app->deploy_user) == 0)
		return;
	if (can_log_in(app->app_user)) {
		finding_add(findings, "app-user-login",
			    "the app's user needs no shell, and whoever breaks into "
			    "the app could use it.");
		finding_what(findings, "%s, whom the app runs as, has a login shell",
			     app->app_user);
		finding_fix(findings, "usermod --shell /usr/sbin/nologin %s",
			    app->app_user);
	}
	if (is_member(setup, app->app_user, DEPLOYD_GROUP)) {
		finding_add(findings, "app-user-deployd",
			    "the app itself could talk to deployd.");
		finding_what(findings, "%s, whom the app runs as, is in the group %s",
			     app->app_user, DEPLOYD_GROUP);
		finding_fix(findings, "gpasswd --delete %s %s", app->app_user,
			    DEPLOYD_GROUP);
	}
}

static void check_deploy_user(const struct setup *setup, struct findings *findings)
{
	const struct app_config *app = setup->app;

	if (!is_there(setup, app->deploy_user))
		return;
	if (!is_member(setup, app->deploy_user, app->app_group)) {
		finding_add(findings, "deploy-user-group",
			    "deploy_dir is open to the app's group only: he cannot "
			    "reach flags/ or read what he deployed.");
		finding_what(findings, "%s is not in the group %s", app->deploy_user,
			     app->app_group);
		finding_fix(findings,
			    "usermod --append --groups %s %s, and log in again",
			    app->app_group, app->deploy_user);
	}
	if (!is_member(setup, app->deploy_user, DEPLOYD_GROUP)) {
		finding_add(findings, "deploy-user-deployd",
			    "only that group may connect to deployd.");
		finding_what(findings, "%s is not in the group %s", app->deploy_user,
			     DEPLOYD_GROUP);
		finding_fix(findings,
			    "usermod --append --groups %s %s, and log in again",
			    DEPLOYD_GROUP, app->deploy_user);
	}
}

static char *read_text(int dir_fd, const char *name)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup_free char *text = fd < 0 ? NULL : calloc(1, SUDOERS_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = 1;

	while (text && n > 0 && length < SUDOERS_BYTES_MAX) {
		n = read(fd, text + length, SUDOERS_BYTES_MAX - length);
		length += n > 0 ? (size_t)n : 0;
	}
	return steal_ptr(&text);
}

/* "systemctl restart foo", and not foo-bar. */
static bool has_command(const char *text, const char *service)
{
	static const char *const words[] = {"start", "stop", "restart"};

	for (size_t i = 0; i < 3; i++) {
		char command[400];

		(void)snprintf(command, sizeof(command), "systemctl %s %s", words[i],
			       service);
		for (const char *p = strstr(text, command); p;
		     p = strstr(p + 1, command))
			if (!strchr("-_@.", p[strlen(command)]) ||
			    p[strlen(command)] == '\0')
				return true;
	}
	return false;
}

static void check_sudoers_file(const struct app_config *app, int dir_fd,
			       const char *dir, const char *name,
			       struct findings *findings)
{
	cleanup_free char *text = read_text(dir_fd, name);

	/* What `generate --sudoers` writes is wanted, and says who wrote it. */
	if (!text || !has_command(text, app->service_name) || strstr(text, "deployctl"))
		return;
	finding_add(findings, "sudoers",
		    "sudo would go on allowing what the policy of deployd now decides, "
		    "past its log and its rules.");
	finding_what(findings, "'%s/%s' lets users run systemctl on %s", dir, name,
		     app->service_name);
	if (strcmp(name, "sudoers") == 0)
		finding_fix(findings, "visudo, and take the lines with %s out",
			    app->service_name);
	else
		finding_fix(findings, "rm '%s/%s'", dir, name);
}

static void check_sudoers(const struct app_config *app, struct findings *findings)
{
	cleanup_close int etc_fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = open("/etc/sudoers.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (etc_fd >= 0)
		check_sudoers_file(app, etc_fd, "/etc", "sudoers", findings);
	if (!dir && fd >= 0)
		(void)close(fd);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			check_sudoers_file(app, fd, "/etc/sudoers.d", entry->d_name,
					   findings);
	if (dir)
		(void)closedir(dir);
}

void check_users(const struct setup *setup, struct findings *findings)
{
	check_accounts(setup, findings);
	check_app_user(setup, findings);
	check_deploy_user(setup, findings);
	check_sudoers(setup->app, findings);
}
