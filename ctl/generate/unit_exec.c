/*
 * How the service starts and ends. The stop command has to be that of the release that
 * runs: at a deploy `current` is the new one already, with another cookie perhaps. What
 * runs is remembered by a link in the runtime directory. (/proc/$MAINPID/cwd would say
 * it too, but not to a process in another user namespace, which PrivateUsers= makes of
 * every command.)
 */
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "generate/unit.h"
#include "setup/tree.h"

#define RUNNING ".running" /* the link's name */

static bool is_forking(const struct text *text)
{
	return text_option_is(text, "service_type", "forking");
}

static const char *start_command(const struct text *text)
{
	const char *command = text_option(text, "start_command");

	if (command)
		return command;
	if (text_option_is(text, "release_system", "mix"))
		return is_forking(text) ? "daemon" : "start";
	return is_forking(text) ? "start" : "foreground";
}

static bool has_variable(const struct text *text, const char *variable)
{
	return tree_has_word(text_option(text, "env_vars"), variable);
}

/*
 * What a command runs as root must be nobody's but root's. Releases are what the deploy
 * user ships.
 */
static void check_root_command(struct text *text, const char *command)
{
	const struct app_config *app = text->app;
	const char *const dirs[] = {app->current_dir, app->releases_dir,
				    app->flags_dir};
	size_t n = strspn(command, "@-:+!|");
	cleanup_free char *program = strndup(command + n, strcspn(command + n, " \t"));
	char shown[300];

	if (!program || !strpbrk(command, "+!") || strcspn(command, "+!") >= n)
		return;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (tree_is_below(program, dirs[i]))
			text_warning(text, "exec_start_pre",
				     "'%s' is run as root, and whoever deploys the app "
				     "decides what it is; take away the prefix, or run "
				     "a program that is root's",
				     names_escape(program, shown, sizeof(shown)));
}

static void put_start_pre(struct text *text)
{
	const char *list = text_option(text, "exec_start_pre");
	char *item;

	while ((item = text_next_item(&list))) {
		if (text_is_command(text, "exec_start_pre", item)) {
			text_put(text, "ExecStartPre=%s\n", item);
			check_root_command(text, item);
		}
		free(item);
	}
}

static char *script_path(const struct text *text)
{
	const char *dir = unit_path(text, text->app->current_dir);

	return text_format("%s/bin/%s", strcmp(dir, "/") == 0 ? "" : dir,
			   text->app->release_name);
}

static void put_own_start(struct text *text, const char *wrap)
{
	const char *command = text_option(text, "exec_start");

	if (wrap && command[0] != '/')
		text_error(text, "exec_start_wrap",
			   "goes before exec_start, which then must not begin with "
			   "'%c'; put it before the wrapper",
			   command[0]);
	if (text_is_command(text, "exec_start", command))
		text_put(text, "%s\n", command);
}

static void put_start(struct text *text)
{
	const char *wrap = text_option(text, "exec_start_wrap");
	cleanup_free char *script = script_path(text);

	text_put(text, "ExecStart=");
	if (wrap && text_is_command(text, "exec_start_wrap", wrap))
		text_put(text, "%s ", wrap);
	if (!unit_uses_script(text)) {
		put_own_start(text, wrap);
		return;
	}
	if (wrap)
		text_argument(text, script ? script : "");
	else
		text_word(text, script ? script : "");
	text_put(text, " ");
	text_argument(text, start_command(text));
	text_put(text, "\n");
}

/* Its stop command speaks to the node over the network of nodes. */
static bool can_stop_by_script(const struct text *text)
{
	return unit_uses_script(text) && unit_root(text) != UNIT_ROOT_RELEASE &&
	       !has_variable(text, "RELEASE_DISTRIBUTION=none");
}

static char *running_path(const struct text *text)
{
	return text_format("%s/" RUNNING, text_option(text, "runtime_dir"));
}

static void put_remember(struct text *text)
{
	cleanup_free char *running = running_path(text);

	text_put(text, "# Which release runs, for its own stop command.\n"
		       "ExecStartPre=/bin/sh -c "
		       "'exec ln -sfn \"$$(readlink -f \"$$1\")\" \"$$2\"' - ");
	text_argument(text, text->app->current_dir);
	text_put(text, " ");
	text_argument(text, running ? running : "");
	text_put(text, "\n");
}

/* A stop command that fails is followed by SIGTERM all the same. */
static void put_stop(struct text *text)
{
	const char *command = text_option(text, "exec_stop");
	cleanup_free char *running = running_path(text);
	cleanup_free char *script = text_format("%s/bin/%s", running ? running : "",
						text->app->release_name);

	if (command) {
		if (text_is_command(text, "exec_stop", command))
			text_put(text, "ExecStop=%s\n", command);
		return;
	}
	if (!can_stop_by_script(text)) {
		text_put(text, "# It ends by SIGTERM.\n");
		return;
	}
	text_put(text, "ExecStop=-");
	text_word(text, script ? script : "");
	text_put(text, " stop\n");
}

static void put_reload(struct text *text)
{
	if (text->app->activate_method != ACTIVATE_METHOD_RELOAD ||
	    text_option_is(text, "service_type", "notify-reload"))
		return;
	text_put(text, "ExecReload=/bin/sh -c 'exec kill -HUP \"$$MAINPID\"'\n");
}

/*
 * A mix release does not write a PID file: its VM is asked to, once the applications
 * are up. Only the one that was started as a daemon: the stop command is a VM too. Of
 * its ancestors it names the one that is systemd's child (run_erl, which ends with the
 * VM), since systemd would not notice the end of another's child. Without a backslash
 * or a single quote: it passes through three syntaxes.
 */
static const char write_pid_file[] =
	"string:prefix(os:getenv(\"RELEASE_COMMAND\",\"\"),\"daemon\")=/=nomatch "
	"andalso "
	"begin F=fun(G,P)->{ok,S}=file:read_file(\"/proc/\"++P++\"/status\"),"
	"{match,[Q]}=re:run(S,\"PPid:[^0-9]*([0-9]+)\",[{capture,[1],list}]),"
	"case Q of \"1\"->P;_->G(G,Q) end end,"
	"ok=file:write_file(os:getenv(\"PIDFILE\"),F(F,os:getpid())) end";

static void put_pid_file(struct text *text)
{
	const char *pid_file = text_option(text, "pid_file");
	cleanup_free char *pair = text_format("PIDFILE=%s", pid_file);
	cleanup_free char *flags = text_format("ERL_AFLAGS=-eval '%s'", write_pid_file);

	if (!is_forking(text))
		return;
	text_setting(text, "PIDFile", "pid_file", pid_file);
	text_put(text, "Environment=");
	text_word(text, pair ? pair : "");
	text_put(text, "\n");
	if (!unit_uses_script(text) || !text_option_is(text, "release_system", "mix"))
		return;
	text_put(text, "Environment=");
	text_word(text, flags ? flags : "");
	text_put(text, "\n");
}

void unit_exec(struct text *text)
{
	unit_configuration_owner(text);
	put_start_pre(text);
	if (can_stop_by_script(text) && !text_option(text, "exec_stop"))
		put_remember(text);
	put_start(text);
	put_stop(text);
	put_reload(text);
	put_pid_file(text);
}
