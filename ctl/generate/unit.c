/*
 * The unit of an app, with what mix_systemd's options mean. It runs from `current`,
 * except for its end: at a deploy `current` is the next release already.
 */
#include "generate/unit.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "setup/tree.h"

#define STOP_PARTS  3 /* the stop command, SIGTERM, SIGKILL: each may take as long */
#define CRASH_PAUSE "1"

static void put_after(struct text *text, const char *option)
{
	const char *list = text_option(text, option);
	char *item;

	/* Names of units stand as they are: a backslash is part of them. */
	text_put(text, "After=local-fs.target network.target");
	while ((item = text_next_item(&list))) {
		text_put(text, " %s", item);
		free(item);
	}
	text_put(text, "\n");
	/* It is an order only: somebody has to want it. */
	if (tree_has_word(text_option(text, option), "network-online.target"))
		text_put(text, "Wants=network-online.target\n");
}

static void put_unit_section(struct text *text)
{
	const char *service = text->app->service_name;

	text_put(text, "\n[Unit]\n");
	text_put(text, "Description=%s, deployed by deployd\n", text->app->app_name);
	put_after(text, "unit_after_targets");
	if (unit_has_environment(text->app))
		text_put(text,
			 "Requires=%s-runtime-environment.service\n"
			 "After=%s-runtime-environment.service\n",
			 service, service);
	if (unit_has_socket(text->app))
		text_put(text, "Requires=%s.socket\nAfter=%s.socket\n", service,
			 service);
	if (unit_systemd_version(text) >= 230)
		text_put(text, "# A release that crashed often must not keep the one "
			       "before it from starting.\n"
			       "StartLimitIntervalSec=0\n");
}

static void put_environment(struct text *text)
{
	const char *files = text_option(text, "env_files");
	const char *variables = text_option(text, "env_vars");
	const char *conform = text_option(text, "conform_conf_path");
	char *item;

	unit_directory_variables(text);
	text_variable(text, "LANG", text_option(text, "env_lang"));
	text_variable(text, "MIX_ENV", text_option(text, "mix_env"));
	if (conform)
		text_variable(text, "CONFORM_CONF_PATH", conform);
	if (unit_has_environment(text->app)) {
		cleanup_free char *file =
			text_format("%s/environment", text_option(text, "runtime_dir"));

		if (file)
			text_setting(text, "EnvironmentFile", "runtime_dir", file);
	}
	while ((item = text_next_item(&files))) {
		text_setting(text, "EnvironmentFile", "env_files", item);
		free(item);
	}
	while ((item = text_next_item(&variables))) {
		text_put(text, "Environment=");
		text_word(text, item);
		text_put(text, "\n");
		free(item);
	}
}

static void put_optional(struct text *text, const char *key, const char *option)
{
	const char *value = text_option(text, option);

	if (value)
		text_setting(text, key, option, value);
}

static void put_limits(struct text *text)
{
	put_optional(text, "LimitNOFILE", "limit_nofile");
	put_optional(text, "LimitCORE", "limit_core");
	put_optional(text, "UMask", "umask");
	put_optional(text, "SyslogIdentifier", "syslog_identifier");
}

/*
 * An app that stops itself when its flag is touched is to be back at once; systemd's
 * 100 ms do for it.
 */
static void put_restart(struct text *text)
{
	uint64_t stop_sec = text->app->job_timeout_sec / STOP_PARTS;

	put_optional(text, "Restart", "restart");
	if (text_option(text, "restart_sec"))
		put_optional(text, "RestartSec", "restart_sec");
	else if (text->app->restart_method != RESTART_METHOD_TOUCH)
		text_put(text, "RestartSec=" CRASH_PAUSE "\n");
	put_optional(text, "TimeoutStartSec", "timeout_start_sec");
	text_put(text,
		 "# The stop command, SIGTERM and SIGKILL together end within "
		 "job_timeout_sec.\n"
		 "TimeoutStopSec=%llu\n",
		 (unsigned long long)(stop_sec > 0 ? stop_sec : 1));
}

static void put_service_section(struct text *text)
{
	const char *type = text_option(text, "service_type");

	text_put(text, "\n[Service]\n");
	text_put(text, "Type=%s\n", type);
	/* The main process is the VM, what notifies may be a program of the app. */
	if (strncmp(type, "notify", 6) == 0 && unit_uses_script(text))
		text_put(text, "NotifyAccess=all\n");
	text_put(text, "User=%s\nGroup=%s\n", text->app->app_user,
		 text->app->app_group);
	text_setting(text, "WorkingDirectory", "working_dir",
		     unit_path(text, text_option(text, "working_dir")));
	unit_exec(text);
	text_put(text, "\n");
	put_environment(text);
	text_put(text, "\n");
	put_limits(text);
	put_restart(text);
	text_put(text, "\n");
	unit_directories(text);
	unit_sandbox(text);
}

char *unit_service(const struct app_config *app, struct diag *diag)
{
	struct text text;

	if (!text_begin(&text, app, diag))
		return NULL;
	text_header(&text);
	put_unit_section(&text);
	put_service_section(&text);
	text_put(&text, "\n[Install]\nWantedBy=multi-user.target\n");
	return text_end(&text);
}

char *unit_socket(const struct app_config *app, struct diag *diag)
{
	struct text text;
	const char *list;
	char *item;

	if (!text_begin(&text, app, diag))
		return NULL;
	text_header(&text);
	text_put(&text, "\n[Unit]\nDescription=Sockets of %s\n\n[Socket]\n",
		 app->app_name);
	list = text_option(&text, "listen_stream");
	while ((item = text_next_item(&list))) {
		text_setting(&text, "ListenStream", "listen_stream", item);
		free(item);
	}
	text_put(&text, "\n[Install]\nWantedBy=sockets.target\n");
	return text_end(&text);
}

char *unit_environment(const struct app_config *app, struct diag *diag)
{
	struct text text;
	const char *script;

	if (!text_begin(&text, app, diag))
		return NULL;
	script = text_option(&text, "runtime_environment_service_script");
	if (!script)
		text_error(&text, "runtime_environment_service",
			   "needs runtime_environment_service_script");
	text_header(&text);
	text_put(&text, "\n[Unit]\nDescription=Environment of %s\n", app->app_name);
	put_after(&text, "runtime_environment_unit_after_targets");
	text_put(&text, "Before=%s\n", app->unit);
	text_put(&text, "\n[Service]\nType=oneshot\nUser=%s\nGroup=%s\nExecStart=",
		 app->app_user, app->app_group);
	if (script)
		text_word(&text, script);
	text_put(&text, "\n\n");
	unit_directory_variables(&text);
	text_variable(&text, "LANG", text_option(&text, "env_lang"));
	text_put(&text, "\n");
	put_limits(&text);
	unit_directory(&text, "runtime");
	if (unit_systemd_version(&text) >= 235)
		text_put(&text, "# The app's service reads what is left there.\n"
				"RuntimeDirectoryPreserve=yes\n");
	return text_end(&text);
}
