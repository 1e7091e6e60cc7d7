/*
 * Finds and reads the configuration files, for deployd and for what deployctl does
 * without it. Blocks, so in deployd it runs before the loop or in a thread. Every
 * directory on the way is opened once, looked at through its descriptor, and what is
 * below it is opened relative to that: nobody but root can have put anything else in
 * place.
 */
#include "util/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/ini.h"
#include "deploy/names.h"

#define PATH_SIZE 1024

/* Highest first. */
static const char *const roots[] = {"/etc/deployd", "/run/deployd", "/usr/lib/deployd"};
#define N_ROOTS (sizeof(roots) / sizeof(*roots))

enum found {
	FOUND_NOTHING,
	FOUND_FILE,
	FOUND_MASK,
	FOUND_FAULT, /* reported */
};

static bool has_suffix(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".conf") == 0;
}

static void report_errno(struct diag *diag, const char *path, const char *what)
{
	char text[128];
	int saved = errno;

	if (saved == ELOOP)
		diag_error(diag, path, 0,
			   "is a symbolic link; put the file itself there (only a "
			   "link to /dev/null, which masks, may be one)");
	else
		diag_error(diag, path, 0, "%s: %s", what,
			   strerror_r(saved, text, sizeof(text)));
}

/*
 * True when only root can have written the file, or a file into the directory; a
 * message otherwise.
 */
static bool is_roots_own(const struct stat *st, const char *path, struct diag *diag)
{
	if (st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return true;
	diag_error(diag, path, 0,
		   "could be written by others than root (owner %u, mode %04o); run: "
		   "chown root:root '%s' && chmod go-w '%s'",
		   (unsigned int)st->st_uid, (unsigned int)st->st_mode & 07777u, path,
		   path);
	return false;
}

static int open_checked(int parent_fd, const char *name, const char *path,
			struct diag *diag)
{
	cleanup_close int fd = -1;
	struct stat st;

	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOTDIR)
			diag_error(diag, path, 0,
				   "is not a directory (a link to one is none)");
		else if (errno != ENOENT)
			report_errno(diag, path, "cannot be opened");
		return -1;
	}
	if (fstat(fd, &st) < 0) {
		report_errno(diag, path, "cannot be examined");
		return -1;
	}
	if (!is_roots_own(&st, path, diag))
		return -1;
	return steal_fd(&fd);
}

/* The directory dir ("", "apps.d", "apps.d/x.conf.d") below a root, -1 when it is not
 * there or not to be trusted. Its path in ret_path. */
static int open_dir(const char *root, const char *dir, char ret_path[PATH_SIZE],
		    struct diag *diag)
{
	cleanup_close int fd = -1;
	size_t n = strlen(root);

	(void)snprintf(ret_path, PATH_SIZE, "%s", root);
	fd = open_checked(AT_FDCWD, root, root, diag);
	while (fd >= 0 && *dir) {
		size_t length = strcspn(dir, "/");
		int parent_fd = steal_fd(&fd);

		n += (size_t)snprintf(ret_path + n, PATH_SIZE - n, "/%.*s", (int)length,
				      dir);
		fd = open_checked(parent_fd, ret_path + n - length, ret_path, diag);
		(void)close(parent_fd);
		dir += length;
		dir += *dir == '/';
	}
	return steal_fd(&fd);
}

/* A link to /dev/null (UAPI.6)? errno is that of a link when not. */
static bool is_mask(int dir_fd, const char *name)
{
	static const char null[] = "/dev/null";
	char target[sizeof(null)];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	errno = ELOOP;
	return n == (ssize_t)sizeof(null) - 1 &&
	       memcmp(target, null, sizeof(null) - 1) == 0;
}

/* FOUND_FILE gives ret_fd, which the caller closes. */
static enum found open_file(int dir_fd, const char *name, const char *path, int *ret_fd,
			    struct diag *diag)
{
	cleanup_close int fd = -1;
	struct stat st;

	/* O_NONBLOCK: a FIFO in place of the file must not stop us. */
	fd = openat(dir_fd, name,
		    O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			return FOUND_NOTHING;
		if (errno == ELOOP && is_mask(dir_fd, name))
			return FOUND_MASK;
		report_errno(diag, path, "cannot be opened");
		return FOUND_FAULT;
	}
	if (fstat(fd, &st) < 0) {
		report_errno(diag, path, "cannot be examined");
		return FOUND_FAULT;
	}
	if (!S_ISREG(st.st_mode)) {
		diag_error(diag, path, 0, "is not a regular file");
		return FOUND_FAULT;
	}
	if (!is_roots_own(&st, path, diag))
		return FOUND_FAULT;
	*ret_fd = steal_fd(&fd);
	return FOUND_FILE;
}

/* The file of that name in the first root that has one; its path in ret_path. */
static enum found find(const char *dir, const char *name, int *ret_fd,
		       char ret_path[PATH_SIZE], struct diag *diag)
{
	for (size_t i = 0; i < N_ROOTS; i++) {
		cleanup_close int dir_fd = open_dir(roots[i], dir, ret_path, diag);
		enum found found;
		size_t n;

		if (dir_fd < 0)
			continue;
		n = strlen(ret_path);
		(void)snprintf(ret_path + n, PATH_SIZE - n, "/%s", name);
		found = open_file(dir_fd, name, ret_path, ret_fd, diag);
		if (found != FOUND_NOTHING)
			return found;
	}
	return FOUND_NOTHING;
}

/* The whole file in memory; NULL after a message. */
static char *read_all(int fd, const char *path, size_t *ret_length, struct diag *diag)
{
	cleanup_free char *text = malloc(INI_FILE_BYTES_MAX + 1);
	size_t length = 0;
	char *fitting;

	while (text) {
		ssize_t n = read(fd, text + length, INI_FILE_BYTES_MAX + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			report_errno(diag, path, "cannot be read");
			return NULL;
		}
		if (n == 0)
			break;
		length += (size_t)n;
		if (length > INI_FILE_BYTES_MAX) {
			diag_error(diag, path, 0, "is larger than %u bytes",
				   INI_FILE_BYTES_MAX);
			return NULL;
		}
	}
	/* Most are small, and all are held at the same time. */
	fitting = text ? realloc(text, length + 1) : NULL;
	if (!fitting) {
		diag_error(diag, path, 0, "out of memory");
		return NULL;
	}
	(void)steal_ptr(&text);
	*ret_length = length;
	return fitting;
}

/* Takes text. */
static void append(struct config_file_list *list, const char *path, char *text,
		   size_t length, struct diag *diag)
{
	struct config_text *texts;
	char *file = strdup(path);

	texts = reallocarray(list->texts, list->n_texts + 1, sizeof(*texts));
	if (texts)
		list->texts = texts;
	if (!file || !texts) {
		diag_error(diag, path, 0, "out of memory");
		free(file);
		free(text);
		return;
	}
	list->texts[list->n_texts++] =
		(struct config_text){.file = file, .text = text, .length = length};
}

/* Appends DIR/NAME from the first root that has it, unless it is masked there. */
static void read_first(const char *dir, const char *name, struct config_file_list *list,
		       struct diag *diag)
{
	cleanup_close int fd = -1;
	char path[PATH_SIZE];
	size_t length = 0;
	char *text;

	if (find(dir, name, &fd, path, diag) != FOUND_FILE)
		return;
	text = read_all(fd, path, &length, diag);
	if (text)
		append(list, path, text, length, diag);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **names; /* CONFIG_FILES_MAX and a NULL */
	size_t n;
};

/* A rule or an app that was written and is not there; not what editors, packages and
 * people leave beside it on purpose: "hello.conf~", ".hello.conf.swp",
 * "hello.conf.bak", "README". */
static void warn_not_read(const char *name, const char *path, struct diag *diag)
{
	static const char *const mistaken[] = {".cfg", ".ini", ".config", ".txt",
					       ".cnf"};
	const char *suffix = strrchr(name, '.');
	bool is_mistake =
		!suffix && strcmp(name, "README") != 0 && name[strlen(name) - 1] != '~';
	char shown[300];

	for (size_t i = 0;
	     suffix && suffix != name && i < sizeof(mistaken) / sizeof(*mistaken); i++)
		is_mistake = is_mistake || strcmp(suffix, mistaken[i]) == 0;
	if (is_mistake)
		diag_warning(diag, path, 0,
			     "'%s' is not read: the name of a file must end in .conf",
			     names_escape(name, shown, sizeof(shown)));
}

static void add_name(struct names *names, const char *name, const char *path,
		     struct diag *diag)
{
	char shown[300];

	if (!has_suffix(name)) {
		warn_not_read(name, path, diag);
		return;
	}
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	if (strcmp(names_escape(name, shown, sizeof(shown)), name) != 0) {
		diag_error(diag, path, 0,
			   "holds a file with a name that cannot be "
			   "shown, '%s'; rename it",
			   shown);
		return;
	}
	if (names->n == CONFIG_FILES_MAX) {
		diag_error(diag, path, 0, "there are more than %d files",
			   CONFIG_FILES_MAX);
		return;
	}
	names->names[names->n] = strdup(name);
	if (names->names[names->n])
		names->n++;
	else
		diag_error(diag, path, 0, "out of memory");
}

static void list_dir(int fd, struct names *names, const char *path, struct diag *diag)
{
	DIR *stream = fdopendir(fd);
	const struct dirent *entry;

	if (!stream) {
		report_errno(diag, path, "cannot be listed");
		(void)close(fd);
		return;
	}
	/* One that is left out could be a rule that denies. */
	for (errno = 0; (entry = readdir(stream)); errno = 0)
		add_name(names, entry->d_name, path, diag);
	if (errno != 0)
		report_errno(diag, path, "cannot be listed");
	(void)closedir(stream);
}

char **config_files_names(const char *dir, struct diag *diag)
{
	struct names names = {calloc(CONFIG_FILES_MAX + 1, sizeof(char *)), 0};
	size_t kept = 0;

	if (!names.names) {
		diag_error(diag, dir, 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < N_ROOTS; i++) {
		char path[PATH_SIZE];
		int fd = open_dir(roots[i], dir, path, diag);

		if (fd >= 0)
			list_dir(fd, &names, path, diag);
	}
	for (size_t i = 0; i < names.n; i++) {
		cleanup_close int fd = -1;
		char path[PATH_SIZE];

		if (find(dir, names.names[i], &fd, path, diag) == FOUND_FILE)
			names.names[kept++] = names.names[i];
		else
			free(names.names[i]);
	}
	names.names[kept] = NULL;
	qsort(names.names, kept, sizeof(char *), compare_names);
	return names.names;
}

void config_files_read(const char *name, struct config_file_list *ret_list,
		       struct diag *diag)
{
	char dropin_dir[512], dir[512] = "";
	const char *base = strrchr(name, '/');
	char **dropins;

	*ret_list = (struct config_file_list){0};
	if (base)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(base - name), name);
	base = base ? base + 1 : name;
	read_first(dir, base, ret_list, diag);

	(void)snprintf(dropin_dir, sizeof(dropin_dir), "%s.d", name);
	dropins = config_files_names(dropin_dir, diag);
	for (char **p = dropins; p && *p; p++) {
		read_first(dropin_dir, *p, ret_list, diag);
		free(*p);
	}
	free(dropins);
}

void config_file_list_deinit(struct config_file_list *list)
{
	for (size_t i = 0; i < list->n_texts; i++) {
		free((char *)list->texts[i].file);
		free((char *)list->texts[i].text);
	}
	free(list->texts);
	*list = (struct config_file_list){0};
}
