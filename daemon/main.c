/* deployd: arguments, the listening socket, the loop, the exit status. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "build_config.h"
#include "daemon.h"
#include "deploy/result.h"
#include "server/server.h"

#define EX_CONFIG 78 /* sysexits.h, systemd.exec(5): not restarted in vain */

static void help(void)
{
	(void)puts(
		"deployd [OPTIONS]\n\n"
		"Deployment daemon for systemd machines. Started by "
		"deployd.service.\n\n"
		"  --check      read the configuration, show every error, and exit\n"
		"  -h, --help   show this help\n"
		"  --version    show the version\n\n"
		"See deployd(8), deployd.conf(5), deployd.app(5), deployd.policy(5).");
}

static void print_messages(const struct diag *diag)
{
	for (size_t i = 0; i < diag->n_messages; i++)
		(void)fprintf(stderr, "%s\n", diag->messages[i]);
}

/* The configuration is what deployd would start with: exit 0, else 6. */
static int check(void)
{
	struct diag diag = {0};
	struct config_set *config = config_set_load(true, &diag);
	int status = result_exit_status(config ? RESULT_OK : RESULT_BAD_CONFIG);

	print_messages(&diag);
	if (config)
		(void)printf("configuration ok: %zu %s\n", config->n_apps,
			     config->n_apps == 1 ? "app" : "apps");
	config_set_unref(config);
	diag_deinit(&diag);
	return status;
}

/* The socket that systemd passed, or our own. */
static int listening_socket(int *ret_fd)
{
	int n = sd_listen_fds(1);

	if (n < 0)
		return n;
	if (n == 0)
		return server_open_socket(SERVER_SOCKET_PATH, ret_fd);
	if (n > 1 ||
	    sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -EINVAL;
	*ret_fd = SD_LISTEN_FDS_START;
	return 0;
}

static int run(void)
{
	struct daemon *daemon = NULL;
	struct diag diag = {0};
	struct config_set *config;
	uv_loop_t loop;
	int fd = -1, r;
	bool ok;

	config = config_set_load(false, &diag);
	print_messages(&diag);
	diag_deinit(&diag);
	if (!config) {
		(void)fprintf(stderr,
			      "deployd: the configuration has errors, not starting; "
			      "`deployd --check` shows them\n");
		return EX_CONFIG;
	}
	r = listening_socket(&fd);
	if (r == -EADDRINUSE) {
		(void)fprintf(
			stderr,
			"deployd: not starting: another deployd, or systemd for "
			"it, listens on %s; `systemctl status deployd` shows it\n",
			SERVER_SOCKET_PATH);
		config_set_unref(config);
		return 1;
	}
	if (r < 0) {
		(void)fprintf(stderr, "deployd: cannot listen on %s: %s\n",
			      SERVER_SOCKET_PATH, strerror(-r));
		config_set_unref(config);
		return 1;
	}
	r = uv_loop_init(&loop);
	if (r == 0)
		r = daemon_start(&loop, config, fd, &daemon);
	if (r < 0 || !daemon) {
		(void)fprintf(stderr, "deployd: cannot start: %s\n", strerror(-r));
		return 1;
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	ok = daemon_end(daemon);
	/* A handle left open is a bug that would show as a leak or a hang elsewhere. */
	if (uv_loop_close(&loop) != 0)
		journal_log(LOG_ERR, "a handle was left open");
	else
		journal_deinit();
	return ok ? 0 : 1;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"check", no_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'v'},
						{NULL, 0, NULL, 0}};
	bool checks = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			checks = true;
			break;
		case 'h':
			help();
			return 0;
		case 'v':
			(void)printf("deployd %s\n", DEPLOYD_VERSION);
			return 0;
		default:
			return result_exit_status(RESULT_USAGE);
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "deployd: unexpected argument '%s'; see --help\n",
			      argv[optind]);
		return result_exit_status(RESULT_USAGE);
	}
	if (checks)
		return check();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0077);
	return run();
}
