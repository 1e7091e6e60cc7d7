/*
 * deployd-users: asks the name service who a user is, and reads /etc/subuid. A look-up
 * may hang for as long as a directory server likes, so it runs in a process that
 * deployd ends after a while. The name service loads the host's own code, which may
 * need any system call, so the filter denies only those that reach into other
 * processes, run programs or open up more of the kernel. And the process has a user of
 * its own, can neither write nor execute files, and starts no other process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "users/find.h"
#include "users/subuid.h"
#include "util/args.h"
#include "util/fdio.h"
#include "util/landlock.h"
#include "util/privdrop.h"
#include "util/report.h"
#include "util/sandbox.h"

#define MEMORY_BYTES	 (512u << 20) /* sssd and nscd have caches to be mapped */
#define FILES_MAX	 64
#define FILE_BYTES_MAX	 (1u << 20)
#define SUBUID_LINES_MAX 16384
#define WARNINGS_MAX	 16

struct options {
	uint64_t uid, gid;  /* to become */
	const char *ranges; /* read this file ... */
	const char *name;   /* ... or look up this name ... */
	uint64_t of;	    /* ... or this uid */
	uint64_t groups;    /* with its groups */
};

static int parse(struct options *options, int argc, char **argv, struct errinfo *ei)
{
	struct args_option list[] = {
		{"uid", &options->uid, .min = 1, .max = UINT32_MAX - 1},
		{"gid", &options->gid, .min = 1, .max = UINT32_MAX - 1},
		{"ranges", .text = &options->ranges, .optional = true},
		{"name", .text = &options->name, .optional = true},
		{"of", &options->of, .max = UINT32_MAX - 1, .optional = true},
		{"groups", &options->groups, .max = 1, .optional = true},
	};

	return args_parse(argc, argv, list, sizeof(list) / sizeof(*list), ei);
}

static int enter_sandbox(const struct options *options, struct errinfo *ei)
{
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NPROC, 0, 0},
		{RLIMIT_FSIZE, 0, 0},
		{RLIMIT_NOFILE, FILES_MAX, FILES_MAX},
		{RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES},
	};
	int r;

	r = privdrop_limits(limits, sizeof(limits) / sizeof(*limits), ei);
	if (r < 0)
		return r;
	r = privdrop_become((uid_t)options->uid, (gid_t)options->gid, ei);
	if (r < 0)
		return r;
	r = landlock_read_only(ei);
	return r < 0 ? r : sandbox_deny_reach(ei);
}

/* --- /etc/subuid -------------------------------------------------------------- */

struct ranges {
	const char *file;
	json_t *list, *warnings;
	unsigned int n_lines;
	/* The previous look-up: lines of one user often follow one another. */
	char owner[SUBUID_OWNER_MAX + 1];
	uid_t owner_uid;
	char owner_name[FIND_NAME_SIZE];
	int owner_error;
};

static void warn(struct ranges *ranges, unsigned int line, const char *why)
{
	cleanup_json json_t *text =
		json_sprintf("%s:%u: %s; the line is skipped", ranges->file, line, why);

	if (json_array_size(ranges->warnings) < WARNINGS_MAX)
		(void)json_array_append(ranges->warnings, text);
}

static void on_fault(unsigned int line, const char *why, void *userdata)
{
	warn(userdata, line, why);
}

static void find_owner(struct ranges *ranges, const char *owner)
{
	struct found_user user = {.uid = (uid_t)-1};
	uint64_t number = 0;
	bool by_uid = owner[strspn(owner, "0123456789")] == '\0';

	if (strcmp(ranges->owner, owner) == 0)
		return;
	(void)strcpy(ranges->owner, owner);
	for (const char *p = owner; by_uid && *p && number <= UINT32_MAX; p++)
		number = number * 10 + (uint64_t)(*p - '0');
	if (by_uid && number >= UINT32_MAX)
		ranges->owner_error = -ENOENT;
	else
		ranges->owner_error = by_uid ? find_uid((uid_t)number, &user)
					     : find_name(owner, &user);
	ranges->owner_uid = by_uid ? (uid_t)number : user.uid;
	(void)names_escape(user.login ? user.login : owner, ranges->owner_name,
			   sizeof(ranges->owner_name));
	found_user_deinit(&user);
}

static void on_range(const struct subuid_range *range, void *userdata)
{
	struct ranges *ranges = userdata;
	json_t *entry;
	char why[160];

	if (++ranges->n_lines > SUBUID_LINES_MAX)
		return;
	find_owner(ranges, range->owner);
	/* Nobody can use it: newuidmap(1) asks the name service, too. */
	if (ranges->owner_error == -ENOENT) {
		(void)snprintf(why, sizeof(why), "no user '%s'", ranges->owner_name);
		warn(ranges, range->line, why);
		return;
	}
	/* If the owner cannot be looked up now, all but the owner's uid is known. */
	entry = json_pack("[I, I, I, s]", (json_int_t)range->first,
			  (json_int_t)range->count, (json_int_t)ranges->owner_uid,
			  ranges->owner_name);
	(void)json_array_append_new(ranges->list, entry);
}

static int open_ranges(const char *path, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0; /* no file, no ranges */
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", path);
	if (!S_ISREG(st.st_mode))
		return errinfo_refuse(ei, RESULT_FAILED, "'%s' is not a regular file",
				      path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int read_text(const char *path, int fd, char *text, size_t *ret_length,
		     struct errinfo *ei)
{
	size_t length = 0;
	ssize_t n;

	do {
		n = read(fd, text + length, FILE_BYTES_MAX + 1 - length);
		if (n < 0 && errno != EINTR)
			return errinfo_set(ei, errno, "cannot read '%s'", path);
		length += n > 0 ? (size_t)n : 0;
	} while (n != 0 && length <= FILE_BYTES_MAX);
	if (length > FILE_BYTES_MAX)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s' has more than %u bytes; remove lines", path,
				      FILE_BYTES_MAX);
	*ret_length = length;
	return 0;
}

static int report_ranges(const char *path, int fd, json_t *reply, struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	struct ranges ranges = {
		.file = path, .list = json_array(), .warnings = json_array()};
	const struct subuid_reader reader = {on_range, on_fault, &ranges};
	size_t length = 0;
	int r;

	(void)json_object_set_new(reply, "ranges", ranges.list);
	(void)json_object_set_new(reply, "warnings", ranges.warnings);
	if (!ranges.list || !ranges.warnings)
		return errinfo_set(ei, ENOMEM, "cannot read '%s'", path);
	if (fd < 0)
		return 0;
	text = malloc(FILE_BYTES_MAX + 1);
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot read '%s'", path);
	r = read_text(path, fd, text, &length, ei);
	if (r < 0)
		return r;
	subuid_parse(text, length, &reader);
	if (ranges.n_lines > SUBUID_LINES_MAX)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s' has more than %d ranges; remove lines",
				      path, SUBUID_LINES_MAX);
	return 0;
}

/* --- one user ----------------------------------------------------------------- */

static int add_groups(const struct found_user *user, json_t *reply, struct errinfo *ei)
{
	cleanup_free gid_t *gids = NULL;
	json_t *list = json_array();
	size_t n = 0;
	int r = find_groups(user, &gids, &n);

	(void)json_object_set_new(reply, "gids", list);
	if (r < 0)
		return errinfo_set(ei, -r, "cannot look up the groups");
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)gids[i]));
	return 0;
}

static int report_user(const struct options *options, json_t *reply, struct errinfo *ei)
{
	struct found_user user = {0};
	char name[FIND_NAME_SIZE];
	int r;

	r = options->name ? find_name(options->name, &user)
			  : find_uid((uid_t)options->of, &user);
	(void)json_object_set_new(reply, "known", json_boolean(r == 0));
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return errinfo_set(ei, -r, "the name service does not answer");
	/* It goes into JSON and the journal; a directory service may return anything.
	 */
	(void)json_object_set_new(
		reply, "name",
		json_string(names_escape(user.login, name, sizeof(name))));
	(void)json_object_set_new(reply, "uid", json_integer((json_int_t)user.uid));
	r = options->groups ? add_groups(&user, reply, ei) : 0;
	found_user_deinit(&user);
	return r;
}

static int run(int argc, char **argv, json_t *reply, struct errinfo *ei)
{
	struct options options = {.of = UINT32_MAX};
	cleanup_close int fd = -1;
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	r = parse(&options, argc, argv, ei);
	if (r < 0)
		return r;
	if (!options.ranges && !options.name && options.of == UINT32_MAX)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "--ranges, --name or --of is required");
	/* While still root: an administrator may have made it private. */
	r = options.ranges ? open_ranges(options.ranges, &fd, ei) : 0;
	if (r < 0)
		return r;
	r = enter_sandbox(&options, ei);
	if (r < 0)
		return r;
	return options.ranges ? report_ranges(options.ranges, fd, reply, ei)
			      : report_user(&options, reply, ei);
}

int main(int argc, char **argv)
{
	struct errinfo ei = {0};
	json_t *reply;

	if (!report_init()) {
		(void)fprintf(stderr, "deployd-users is started by deployd only\n");
		return 2;
	}
	reply = json_object();
	if (!reply)
		return 1;
	if (run(argc, argv, reply, &ei) < 0) {
		json_decref(reply);
		return report_failure(&ei);
	}
	return report_result(RESULT_OK, "", reply);
}
