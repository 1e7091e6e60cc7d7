#include "setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/terminal.h"
#include "setup/accounts.h"
#include "setup/app_file.h"
#include "setup/manifest.h"

/* A line of the stream on stdout, or for people on stderr. */
static void put(const struct setup *setup, const char *type, const char *action,
		const char *path, const char *text)
{
	if (setup->options->json != JSON_MODE_OFF) {
		json_t *line = json_pack("{s:s, s:s?, s:s?, s:s}", "type", type,
					 "action", action, "path", path, "text", text);

		if (line && !action) {
			(void)json_object_del(line, "action");
			(void)json_object_del(line, "path");
		}
		if (line)
			json_out_line(line);
		json_decref(line);
		return;
	}
	if (setup->options->quiet && action)
		return;
	if (action) {
		terminal_put(stderr, action);
		(void)fputc(' ', stderr);
		terminal_put(stderr, path[0] == '/' ? setup->destdir : "");
		terminal_put(stderr, path);
		if (*text)
			(void)fputs(": ", stderr);
	}
	terminal_put(stderr, text);
	(void)fputc('\n', stderr);
}

bool setup_is_staging(const struct setup *setup)
{
	return *setup->destdir && !setup->has_passwd;
}

void setup_say(struct setup *setup, const char *action, const char *path,
	       const char *fmt, ...)
{
	cleanup_free char *clean = NULL, *clean_path = terminal_clean(path);
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean = terminal_clean(text);
	put(setup, "change", action, clean_path, clean);
	setup->n_changes++;
}

void setup_note(struct setup *setup, const char *fmt, ...)
{
	cleanup_free char *clean = NULL;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean = terminal_clean(text);
	put(setup, "note", NULL, NULL, clean);
}

/* DESTDIR as the shells of mix_deploy have it: unset, empty or "/" is none. */
static int open_root(struct setup *setup, struct errinfo *ei)
{
	const char *destdir = getenv("DESTDIR");
	char *real = destdir && *destdir ? realpath(destdir, NULL) : strdup("/");

	if (!real && destdir && *destdir) {
		(void)errinfo_set(ei, errno,
				  "DESTDIR: cannot use '%s'; make the directory first",
				  destdir);
		ei->result = RESULT_USAGE;
		return ei->err;
	}
	if (!real)
		return errinfo_set(ei, ENOMEM, "cannot start");
	setup->root_fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (setup->root_fd < 0)
		(void)errinfo_set(ei, errno, "DESTDIR: cannot open '%s'", real);
	if (strcmp(real, "/") == 0)
		real[0] = '\0';
	setup->destdir = real;
	setup->has_passwd =
		setup->root_fd >= 0 && *real &&
		faccessat(setup->root_fd, "etc/passwd", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	return setup->root_fd < 0 ? ei->err : 0;
}

static int check_caller(const struct setup *setup, struct errinfo *ei)
{
	if (setup->is_root || *setup->destdir)
		return 0;
	return errinfo_refuse(ei, RESULT_DENIED,
			      "%s changes the machine; run it as root: sudo deployctl "
			      "%s %s",
			      setup->verb->name, setup->verb->name,
			      setup->options->n_args > 0 ? setup->options->args[0]
							 : "");
}

/* Names may lie: it is the number that counts. Who is not there yet gets another. */
static int check_app_user(const struct setup *setup, struct errinfo *ei)
{
	const char *name = setup->app->app_user;
	uid_t uid;
	gid_t gid;

	if (account_user(setup, name, &uid, &gid) < 0 || uid != 0)
		return 0;
	return errinfo_refuse(ei, RESULT_BAD_CONFIG,
			      "app_user: '%s' is root by another name; name another",
			      name);
}

static json_t *result_object(const struct setup *setup, const char *message)
{
	return json_pack("{s:s, s:s?, s:i, s:b, s:s}", "verb", setup->verb->name, "app",
			 setup->app ? setup->app->app_name : NULL, "changes",
			 (int)setup->n_changes, "dry_run", setup->dry_run, "message",
			 message);
}

static int tell_failure(const struct setup *setup, const struct errinfo *ei)
{
	cleanup_free char *clean = terminal_clean(ei->what);
	json_t *parameters = result_object(setup, clean);
	int status = failure_show(setup->options, ei->result, parameters);

	json_decref(parameters);
	return status;
}

static int tell_success(const struct setup *setup)
{
	char message[128];
	json_t *object, *details;

	if (setup->n_changes == 0)
		(void)snprintf(message, sizeof(message), "nothing to change");
	else
		(void)snprintf(message, sizeof(message), "%u change%s%s",
			       setup->n_changes, setup->n_changes == 1 ? "" : "s",
			       setup->dry_run ? " to make; nothing was done" : "");
	if (setup->options->json == JSON_MODE_OFF) {
		if (!setup->options->quiet)
			(void)printf("%s %s: %s\n", setup->verb->name,
				     setup->app->app_name, message);
		return 0;
	}
	object = json_pack("{s:i, s:s, s:s, s:i}", "schema", JSON_SCHEMA, "type",
			   "result", "result", result_name(RESULT_OK), "exit", 0);
	details = result_object(setup, message);
	if (object && details && json_object_update_missing(object, details) == 0)
		json_out_line(object);
	json_decref(object);
	json_decref(details);
	return 0;
}

static int open_and_step(struct setup *setup, setup_step *step, struct errinfo *ei)
{
	int r = open_root(setup, ei);

	if (r == 0)
		r = check_caller(setup, ei);
	if (r == 0)
		r = check_app_user(setup, ei);
	return r < 0 ? r : step(setup, ei);
}

int setup_run(const struct verb *verb, const struct options *options, setup_step *step)
{
	struct setup setup = {
		.verb = verb,
		.options = options,
		.root_fd = -1,
		.dry_run = options->dry_run,
		.is_root = geteuid() == 0,
	};
	struct errinfo ei = {0};
	int status, r;

	(void)umask(0022);
	status = app_file_load(options, true, &setup.app);
	if (status != 0)
		return status;
	r = open_and_step(&setup, step, &ei);
	status = r < 0 ? tell_failure(&setup, &ei) : tell_success(&setup);
	manifest_free(setup.manifest);
	if (setup.root_fd >= 0)
		(void)close(setup.root_fd);
	free(setup.destdir);
	app_config_free(setup.app);
	return status;
}
