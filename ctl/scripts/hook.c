/*
 * `deployctl hook`: what AWS CodeDeploy runs at the events of a deployment. It passes
 * no arguments, a closed stdin and a working directory of its own; says the event in
 * LIFECYCLE_EVENT; ends a hook that takes too long with SIGTERM to its process group;
 * and takes it for failed when a process that it left behind holds stdout. Nothing is
 * left behind here: deployctl waits for all that it starts, and what deployd does goes
 * on in deployd.
 */
#include "scripts/hook.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/verb_name.h"
#include "deploy/result.h"
#include "output/terminal.h"
#include "scripts/bundle.h"
#include "scripts/scripts.h"
#include "scripts/validate.h"
#include "setup/script_names.h"

#define EVENT_SCRIPTS 3

static const struct event {
	const char *name;
	const char *scripts[EVENT_SCRIPTS];
} events[] = {
	{"ApplicationStop", {"stop"}},
	{"BeforeInstall", {"create-users", "create-dirs"}},
	{"AfterInstall", {"release"}},
	{"ApplicationStart", {"start"}},
	{"ValidateService", {NULL}},
};
#define N_EVENTS (sizeof(events) / sizeof(*events))

struct hook {
	const struct verb_table *verbs;
	struct bundle bundle;
	const char *event; /* of the environment; "" without */
};

/* ApplicationStop, application-stop, application_stop. */
static bool is_event_name(const char *text, const char *event)
{
	for (; *text && *event; text++) {
		if (*text == '-' || *text == '_')
			continue;
		if (tolower((unsigned char)*text) != tolower((unsigned char)*event))
			return false;
		event++;
	}
	return !*text && !*event;
}

static const struct event *event_find(const char *name)
{
	for (size_t i = 0; i < N_EVENTS; i++)
		if (is_event_name(name, events[i].name))
			return &events[i];
	return NULL;
}

/* A step of set-up that is no verb of its own. */
static const struct bundle *step_bundle;

static int unlink_step(struct setup *setup, struct errinfo *ei)
{
	return bundle_unlink_scripts(setup, step_bundle, ei);
}

static int install_step(struct setup *setup, struct errinfo *ei)
{
	return bundle_install_app_file(setup, step_bundle, ei);
}

static int run_step(struct hook *hook, const char *verb, setup_step *step)
{
	struct options options = {OPTIONS_NONE, .verbs = hook->verbs, .quiet = true};

	options.app = hook->bundle.app->app_name;
	options.app_file = hook->bundle.app_file;
	step_bundle = &hook->bundle;
	return setup_run(verb_find(hook->verbs, verb), &options, step);
}

/* With the bundle's app file while that in /etc is another: before it is installed. */
static int run_verb(const struct hook *hook, const char *verb, const char *argument)
{
	const struct bundle *bundle = &hook->bundle;
	const char *args[SCRIPT_ARGS_MAX] = {verb, bundle->app->app_name};
	int n = 2;

	if (argument)
		args[n++] = argument;
	if (!bundle_is_installed(bundle) &&
	    (verb_find(hook->verbs, verb)->flags & TAKES_SETUP)) {
		args[n++] = "--app-file";
		args[n] = bundle->app_file;
	}
	return script_run(hook->verbs, args);
}

/* Of one release only, as extract-release keeps it. */
static bool has_single_version(const struct app_config *app)
{
	struct stat st;

	return lstat(app->current_dir, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * The bundle's archive goes live. Its unit and its app file came with the bundle: first
 * systemd and deployd have to know them.
 */
static int run_release(struct hook *hook)
{
	const struct bundle *bundle = &hook->bundle;
	const char *deployment = getenv("DEPLOYMENT_ID");
	const char *reload[] = {"reload", "--quiet", NULL};
	const char *deploy[] = {
		"deploy", bundle->app->app_name, bundle->archive, NULL, NULL, NULL};
	char message[128];
	int status;

	if (!bundle->archive) {
		terminal_error("there is no archive %s.tar.gz in %s%s",
			       bundle->app->release_name,
			       bundle->dir ? "the bundle " : "a bundle",
			       bundle->dir ? bundle->dir : "");
		return result_exit_status(RESULT_NOT_FOUND);
	}
	if (has_single_version(bundle->app))
		return run_verb(hook, "extract-release", bundle->archive);
	status = run_step(hook, "copy-files", install_step);
	if (status == 0)
		status = run_verb(hook, "enable", NULL);
	if (status == 0)
		status = script_run(hook->verbs, reload);
	if (deployment && *deployment) {
		(void)snprintf(message, sizeof(message), "CodeDeploy %s", deployment);
		deploy[3] = "-m";
		deploy[4] = message;
	}
	return status == 0 ? script_run(hook->verbs, deploy) : status;
}

static int run_stop(const struct hook *hook)
{
	int status = run_verb(hook, "stop", NULL);

	/* A failure here would stand in the way of every deployment that follows. */
	if (status != result_exit_status(RESULT_NOT_FOUND))
		return status;
	(void)fprintf(stderr, "there is nothing to stop yet\n");
	return 0;
}

static int run_script(struct hook *hook, const struct script *script)
{
	int status;

	if (!script->verb)
		return script_tell_instead(script);
	if (strcmp(script->name, "stop") == 0)
		return run_stop(hook);
	if (strcmp(script->name, "release") == 0 ||
	    strcmp(script->name, "extract-release") == 0)
		return run_release(hook);
	status = run_verb(hook, script->verb, script->argument);
	if (status == 0 && hook->bundle.dir &&
	    strcmp(hook->event, "BeforeInstall") == 0)
		status = run_step(hook, "copy-files", unlink_step);
	return status;
}

static int run_event(struct hook *hook, const struct event *event)
{
	int status = 0;

	if (strcmp(event->name, "ValidateService") == 0)
		return validate(hook->verbs, hook->bundle.app);
	for (size_t i = 0; status == 0 && i < EVENT_SCRIPTS && event->scripts[i]; i++)
		status = run_script(hook, script_find(event->scripts[i], ""));
	return status;
}

static int tell_no_event(const char *base)
{
	terminal_error("'%s' is neither a script of mix_deploy nor an event of "
		       "CodeDeploy with something to do (ApplicationStop, "
		       "BeforeInstall, AfterInstall, ApplicationStart, "
		       "ValidateService); take it out of appspec.yml",
		       base);
	return result_exit_status(RESULT_USAGE);
}

/* The file's name counts before the event: an event may have several hooks. */
static int run(struct hook *hook, const char *base)
{
	const char *prefix = script_prefix(hook->bundle.app);
	const struct script *script = script_find(base, prefix);
	const struct event *event;

	if (script)
		return run_script(hook, script);
	if (strncmp(base, SCRIPT_PREFIX, strlen(SCRIPT_PREFIX)) == 0)
		return script_tell_unknown(base);
	event = event_find(*hook->event ? hook->event : base);
	return event ? run_event(hook, event)
		     : tell_no_event(*hook->event ? hook->event : base);
}

int verb_hook(const struct verb *verb, const struct options *options)
{
	const char *file = options->n_args > 0 ? options->args[0] : NULL;
	const char *event = getenv("LIFECYCLE_EVENT"), *base = file ? file : "";
	struct hook hook = {.verbs = options->verbs, .event = event ? event : ""};
	int status;

	(void)verb;
	if (!file && !event) {
		terminal_error("which event? CodeDeploy says it in LIFECYCLE_EVENT; or "
			       "name a hook file: deployctl hook FILE");
		return result_exit_status(RESULT_USAGE);
	}
	base = strrchr(base, '/') ? strrchr(base, '/') + 1 : base;
	status = bundle_open(file, &hook.bundle);
	/* Copied to scripts_dir it is an ordinary script. */
	if (status == 0 && !hook.bundle.dir && file &&
	    script_find(base, script_prefix(hook.bundle.app))) {
		char *argv[] = {(char *)(uintptr_t)file, NULL};

		bundle_deinit(&hook.bundle);
		return script_main(options->verbs, 1, argv);
	}
	/* What is relative in the app's file is so to the bundle. */
	if (status == 0 && hook.bundle.dir && chdir(hook.bundle.dir) < 0) {
		terminal_error("cannot change to '%s': %s", hook.bundle.dir,
			       strerror(errno));
		status = result_exit_status(RESULT_FAILED);
	}
	if (status == 0)
		status = run(&hook, base);
	bundle_deinit(&hook.bundle);
	return status;
}
