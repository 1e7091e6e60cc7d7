#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/diag.h"
#include "deploy/limits.h"
#include "deploy/names.h"

/*
 * An app's file, /etc/deployd/apps.d/APP.conf (deployd.app(5)). Option names and their
 * defaults are mix_deploy's where it has one. Parsing is pure: names of users are
 * resolved and files are read by the caller.
 */

enum restart_method {
	RESTART_METHOD_SYSTEMCTL,
	RESTART_METHOD_SYSTEMD_FLAG,
	RESTART_METHOD_TOUCH,
};

enum activate_method {
	ACTIVATE_METHOD_RESTART,
	ACTIVATE_METHOD_RELOAD,
	ACTIVATE_METHOD_NONE,
};

const char *restart_method_name(enum restart_method method);

/* Whether a deploy fails where a process of the unit runs from another release. */
enum require_verified {
	REQUIRE_VERIFIED_AUTO, /* where systemd has ended every earlier process */
	REQUIRE_VERIFIED_YES,
	REQUIRE_VERIFIED_NO,
};

/* A touch that came while deployd was down. */
enum flag_on_start {
	FLAG_ON_START_RESTART,
	FLAG_ON_START_IGNORE,
};

/* Limits of an archive and its release; all inclusive. */
struct release_limits {
	uint64_t max_archive_bytes;
	uint64_t max_release_bytes;
	uint64_t max_file_bytes;
	uint64_t max_entries;
	uint64_t
		max_ratio; /* unpacked bytes per archive byte, above the first 64 MiB */
	uint64_t max_depth;
	uint64_t unpack_sec;	   /* wall clock for intake and unpack together */
	uint64_t strip_components; /* parts that the names in it lose in front */
	char **link_targets; /* absolute paths at or below which symbolic links may
				lead; NULL-terminated */
};

/* One value of an option as written or by default; for show --config and stored
 * options. */
struct app_option {
	const char *name; /* of the table, static */
	const char *section;
	char *value; /* expanded; list items joined by '\n'; NULL = unset without
			default */
	char *file;  /* NULL: the default */
	unsigned int line;
	bool is_list;
};

/* A line of [commands]: run as the app's user by `deployctl run APP NAME`. */
struct app_command {
	char *name;
	char *command;
	char *file;
	unsigned int line;
};

/* A section [copy_file NAME]. */
struct app_copy_file {
	char *name;
	char *src; /* relative: to the current directory of copy-files */
	char *dst;
	char *user, *group;
	mode_t mode;
	bool enabled;
	char *file;
	unsigned int line;
};

/* A section [create_dir NAME]. */
struct app_create_dir {
	char *name;
	char *path;
	char *user, *group;
	char *comment; /* may be NULL */
	mode_t mode;
	bool enabled;
	char *file;
	unsigned int line;
};

#define APP_HEALTH_CHECKS_MAX 16

enum health_check_type {
	HEALTH_CHECK_TYPE_HTTP, /* url, statuses, body, headers */
	HEALTH_CHECK_TYPE_TCP,	/* address */
	HEALTH_CHECK_TYPE_EXEC, /* command */
};

/* Of status codes, both inclusive. */
struct status_range {
	unsigned int from, to;
};

/* A section [health_check NAME]. What is of another type is NULL or empty. */
struct health_check {
	char *name;
	enum health_check_type type;
	char *url; /* http:// or https://, without blanks and control bytes */
	struct status_range *statuses; /* accepted; at least one */
	size_t n_statuses;
	char *body;	/* what the answer must contain; NULL: anything */
	char **headers; /* that the answer must have, "Name: value"; NULL-terminated */
	char *address;	/* HOST:PORT or [IPV6]:PORT */
	char *command;	/* an absolute path and arguments */
	uint64_t interval_ms, timeout_ms;
	uint64_t successes; /* in a row */
	char *file;
	unsigned int line;
};

const char *health_check_type_name(enum health_check_type type);

/* The accepted codes as deployd-probe takes them: "200,300-399". */
void health_check_status_text(const struct health_check *check,
			      char ret_text[HEALTH_STATUS_TEXT_MAX + 1])
	__attribute__((nonnull));

struct app_health {
	uint64_t min_healthy_sec;      /* active without a restart for so long */
	uint64_t healthy_deadline_sec; /* more than min_healthy_sec */
	uint64_t bake_sec;	       /* watched for so long after that */
	bool auto_rollback;
	struct health_check *checks; /* in the order of the files */
	size_t n_checks;	     /* at most APP_HEALTH_CHECKS_MAX */
};

struct app_config {
	char *file; /* main file, for messages */

	char *app_name; /* the file's basename unless app_name = says otherwise */
	char *ext_name;
	char *release_name;
	char *service_name; /* without suffix */
	char *unit;	    /* service_name + ".service" */
	char *version;

	char *deploy_user, *deploy_group, *app_user, *app_group;
	uid_t deploy_uid,
		app_uid; /* filled by the caller after resolving; (uid_t)-1 before */
	gid_t deploy_gid, app_gid;
	bool sudo_deploy, sudo_app;

	char *base_dir, *deploy_dir, *scripts_dir, *current_dir, *releases_dir,
		*flags_dir, *etc_dir;

	uint64_t keep; /* good releases kept, default 5, at least 2 */
	struct release_limits limits;
	char **require_files; /* relative paths that a release must hold;
				 NULL-terminated */
	/* Relative paths that a release has in deploy_dir/shared; NULL-terminated. None
	 * is below another. */
	char **linked_dirs, **linked_files;
	bool require_sha256;

	enum restart_method restart_method;
	enum activate_method activate_method;
	enum require_verified require_verified;
	bool daemon_reload;	    /* systemd is to read a changed unit file first */
	uint64_t job_timeout_sec;   /* waiting for a systemd job, default 90 */
	uint64_t stop_timeout_sec;  /* for what ran before to stop, default 600 */
	uint64_t flag_debounce_ms;  /* touches closer than this are one */
	uint64_t flag_burst;	    /* restarts by touch without waiting, at most, */
	uint64_t flag_interval_sec; /* and one more each interval */
	enum flag_on_start flag_on_start;
	uint64_t touch_timeout_sec; /* a touched app must be back within */
	struct app_health health;

	struct app_option *options; /* every option of the table, in table order */
	size_t n_options;

	/* In the order of the files. */
	struct app_command *commands;
	size_t n_commands;
	struct app_copy_file *copy_files;
	size_t n_copy_files;
	struct app_create_dir *create_dirs;
	size_t n_create_dirs;
};

/* A file already read by the caller. */
struct config_text {
	const char *file;
	const char *text;
	size_t length;
};

/*
 * Parses the main file of app `name` and its drop-ins (in order; later ones win, an
 * empty list assignment resets). Every fault goes to diag; NULL when there was an
 * error. Also checks: all option names and sections (an option in another section names
 * the right one, an unknown one "did you mean"), values, {expansion} (unknown, cyclic),
 * that deploy_user is given, and that the options suit each other.
 * Needs no lock: threads may parse at the same time.
 */
struct app_config *app_config_parse(const char *name, const struct config_text *texts,
				    size_t n_texts, struct diag *diag)
	__attribute__((nonnull, warn_unused_result));

void app_config_free(struct app_config *config);

/*
 * Reports where two apps share a name, a unit or a directory: they would undo each
 * other. Messages are about a.
 */
void app_config_check_pair(const struct app_config *a, const struct app_config *b,
			   struct diag *diag) __attribute__((nonnull));

/*
 * An option or a command that this version does not carry out though it is given; false
 * when there is none. index: 0 for the first, and so on. The texts are the app's.
 */
struct app_undone {
	const char *section, *name, *file;
	unsigned int line;
	const char *advice; /* what to do instead */
};
bool app_config_undone(const struct app_config *app, size_t index,
		       struct app_undone *ret_undone)
	__attribute__((warn_unused_result, nonnull));

/* Reports each of them, as an error or as a warning. */
void app_config_report_undone(const struct app_config *app, bool is_error,
			      struct diag *diag) __attribute__((nonnull));

/* Reports a fault of the option's value, at the line where it was set. */
void app_config_error(const struct app_config *app, const char *option,
		      struct diag *diag, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), nonnull));

/* The option's effective value with its origin, NULL when there is no such option. */
const struct app_option *app_config_option(const struct app_config *config,
					   const char *name) __attribute__((nonnull));
