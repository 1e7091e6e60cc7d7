#include "loop/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/ini.h"

/* Highest first. */
static const char *const roots[] = {"/etc/deployd", "/run/deployd", "/usr/lib/deployd"};
#define N_ROOTS (sizeof(roots) / sizeof(*roots))

static bool has_suffix(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".conf") == 0;
}

/*
 * True when only root can have written the file. Its directory is checked the same way:
 * a directory that others can write in lets them put another file in place.
 */
static bool is_roots_own(int fd, const char *path, struct diag *diag)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		diag_error(diag, path, 0, "cannot be examined: %s", strerror(errno));
		return false;
	}
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		diag_error(
			diag, path, 0,
			"could be written by others than root (owner %u, mode %04o); "
			"run: chown root:root '%s' && chmod go-w '%s'",
			(unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777u,
			path, path);
		return false;
	}
	return true;
}

static int open_dir(const char *path, struct diag *diag)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		if (errno != ENOENT)
			diag_error(diag, path, 0, "cannot be opened: %s",
				   strerror(errno));
		return -1;
	}
	if (!is_roots_own(fd, path, diag))
		return -1;
	return steal_fd(&fd);
}

/* The whole file in memory; NULL without a message when it is not there or masked. */
static char *read_file(int dir_fd, const char *name, const char *path,
		       size_t *ret_length, bool *ret_masked, struct diag *diag)
{
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	size_t length = 0;
	struct stat st;

	/* O_NONBLOCK: a FIFO in place of the file must not stop us. */
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			diag_error(diag, path, 0, "cannot be opened: %s",
				   strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (S_ISCHR(st.st_mode)) { /* a link to /dev/null, UAPI.6 */
			*ret_masked = true;
			return NULL;
		}
		diag_error(diag, path, 0, "is not a regular file");
		return NULL;
	}
	if (!is_roots_own(fd, path, diag))
		return NULL;
	text = malloc(INI_FILE_BYTES_MAX + 1);
	if (!text) {
		diag_error(diag, path, 0, "out of memory");
		return NULL;
	}
	for (;;) {
		ssize_t n = read(fd, text + length, INI_FILE_BYTES_MAX + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			diag_error(diag, path, 0, "cannot be read: %s",
				   strerror(errno));
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
	*ret_length = length;
	return steal_ptr(&text);
}

static bool append(struct config_file_list *list, const char *path, char *text,
		   size_t length, struct diag *diag)
{
	struct config_text *texts;
	char *file = strdup(path);

	texts = realloc(list->texts, (list->n_texts + 1) * sizeof(*texts));
	if (texts)
		list->texts = texts;
	if (!file || !texts || list->n_texts >= CONFIG_FILES_MAX) {
		diag_error(diag, path, 0, "too many files, or out of memory");
		free(file);
		free(text);
		return false;
	}
	list->texts[list->n_texts++] =
		(struct config_text){.file = file, .text = text, .length = length};
	return true;
}

/* Appends DIR/NAME from the first root that has it. */
static void read_first(const char *dir, const char *name, struct config_file_list *list,
		       struct diag *diag)
{
	for (size_t i = 0; i < N_ROOTS; i++) {
		cleanup_close int dir_fd = -1;
		char path[1024], dir_path[768];
		bool masked = false;
		size_t length;
		char *text;

		(void)snprintf(dir_path, sizeof(dir_path), "%s%s%s", roots[i],
			       *dir ? "/" : "", dir);
		(void)snprintf(path, sizeof(path), "%s/%s", dir_path, name);
		dir_fd = open_dir(dir_path, diag);
		if (dir_fd < 0)
			continue;
		text = read_file(dir_fd, name, path, &length, &masked, diag);
		if (masked)
			return;
		if (text) {
			(void)append(list, path, text, length, diag);
			return;
		}
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_name(char **names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_masked(const char *dir, const char *name)
{
	for (size_t i = 0; i < N_ROOTS; i++) {
		char path[1024];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s/%s", roots[i], dir, name);
		if (stat(path, &st) == 0)
			return S_ISCHR(st.st_mode);
	}
	return false;
}

char **config_files_names(const char *dir, struct diag *diag)
{
	char **names = calloc(CONFIG_FILES_MAX + 1, sizeof(*names));
	size_t n = 0, kept = 0;

	for (size_t i = 0; names && i < N_ROOTS; i++) {
		char path[768];
		const struct dirent *entry;
		DIR *stream;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", roots[i], dir);
		fd = open_dir(path, diag);
		if (fd < 0)
			continue;
		stream = fdopendir(fd);
		if (!stream) {
			(void)close(fd);
			continue;
		}
		while ((entry = readdir(stream))) {
			if (!has_suffix(entry->d_name) ||
			    has_name(names, n, entry->d_name))
				continue;
			if (n == CONFIG_FILES_MAX) {
				diag_error(diag, path, 0, "has more than %d files",
					   CONFIG_FILES_MAX);
				break;
			}
			names[n] = strdup(entry->d_name);
			if (names[n])
				n++;
		}
		(void)closedir(stream);
	}
	if (!names) {
		diag_error(diag, dir, 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_masked(dir, names[i]))
			free(names[i]);
		else
			names[kept++] = names[i];
	}
	names[kept] = NULL;
	qsort(names, kept, sizeof(*names), compare_names);
	return names;
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
