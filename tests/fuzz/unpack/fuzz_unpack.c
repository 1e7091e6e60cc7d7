/*
 * An archive, through decoders and libarchive, into a directory on a tmpfs. Whatever
 * comes out, it is inside, within the limits, and nothing but files, directories and
 * links that stay inside. Headers of tar get right checksums in a second run: else
 * mutations of them would never be looked at.
 */
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack/unpack.h"
#include "util/entryname.h"

#define TAR_BLOCK_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct unpack_limits limits = {
	.max_bytes = 4u << 20,
	.max_entries = 50,
	.max_file_bytes = 1u << 20,
	.max_ratio = 100,
	.max_depth = 8,
	.cpu_sec = 10,
};

static char scratch[64];

static void require(int condition)
{
	if (!condition)
		abort();
}

static void remove_scratch(void)
{
	(void)rmdir(scratch);
}

static void set_up(void)
{
	if (scratch[0])
		return;
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)snprintf(scratch, sizeof(scratch), "%s",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX"
						     : "/tmp/fuzz-XXXXXX");
	require(mkdtemp(scratch) != NULL);
	(void)atexit(remove_scratch);
}

static void check_link(const FTSENT *entry, size_t root_length)
{
	char target[ENTRYNAME_PATH_SIZE + 1], real[PATH_MAX];
	ssize_t n = readlink(entry->fts_accpath, target, sizeof(target) - 1);

	require(n > 0);
	target[n] = '\0';
	require(entryname_link_target(entry->fts_path + root_length + 1, target,
				      &(struct entryname_links){0}) == ENTRYNAME_OK);
	/* Nothing, or something inside: whatever it goes through. */
	if (realpath(entry->fts_accpath, real))
		require(strncmp(real, entry->fts_path, root_length) == 0 &&
			(real[root_length] == '/' || real[root_length] == '\0'));
}

/* Checks everything below root, which has to be all there is in scratch. */
static void check_and_remove(const char *root, int unpacked,
			     const struct unpack_totals *totals)
{
	char *const paths[] = {scratch, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	uint64_t n_entries = 0, n_files = 0;
	FTSENT *entry;

	require(fts != NULL);
	while ((entry = fts_read(fts))) {
		const struct stat *st = entry->fts_statp;

		if (entry->fts_level == 0)
			continue;
		if (entry->fts_info == FTS_DP) {
			require(rmdir(entry->fts_accpath) == 0);
			continue;
		}
		if (entry->fts_level == 1) {
			require(strcmp(entry->fts_path, root) == 0);
			continue;
		}
		n_entries++;
		n_files += S_ISREG(st->st_mode);
		require(entry->fts_level <= (int)limits.max_depth + 1);
		require(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ||
			S_ISLNK(st->st_mode));
		require(S_ISLNK(st->st_mode) || (st->st_mode & 07022) == 0);
		require((uint64_t)st->st_size <= limits.max_file_bytes);
		if (S_ISLNK(st->st_mode))
			check_link(entry, strlen(root));
		if (entry->fts_info != FTS_D)
			require(unlink(entry->fts_accpath) == 0);
	}
	(void)fts_close(fts);
	require(n_entries <= limits.max_entries);
	if (unpacked) {
		require(n_entries == totals->entries && n_files == totals->files);
		require(n_files > 0 && totals->bytes <= limits.max_bytes);
	}
}

static void run(const uint8_t *data, size_t size)
{
	char root[sizeof(scratch) + 8];
	struct unpack_totals totals = {0};
	struct errinfo ei = {0};
	int fd = memfd_create("archive", MFD_CLOEXEC), root_fd, r;

	(void)snprintf(root, sizeof(root), "%s/root", scratch);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	require(lseek(fd, 0, SEEK_SET) == 0 && mkdir(root, 0755) == 0);
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	require(root_fd >= 0);

	r = unpack_archive(fd, root_fd, &limits, NULL, NULL, &totals, &ei);
	require(r == 0 || (ei.what[0] != '\0' && ei.result != RESULT_OK));
	/* All was read: deployd-intake must not be left with a closed pipe. */
	require(r < 0 || lseek(fd, 0, SEEK_CUR) == (off_t)size);
	(void)close(root_fd);
	(void)close(fd);
	check_and_remove(root, r == 0, &totals);
}

/* True when a header was changed. */
static int fix_checksums(uint8_t *data, size_t size)
{
	int changed = 0;

	for (size_t at = 0; at + TAR_BLOCK_BYTES <= size; at += TAR_BLOCK_BYTES) {
		uint8_t *header = data + at;
		char text[8];
		unsigned int sum = 0;

		if (memcmp(header + 257, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
			sum += i >= 148 && i < 156 ? ' ' : header[i];
		(void)snprintf(text, sizeof(text), "%06o", sum);
		text[7] = ' ';
		changed |= memcmp(header + 148, text, sizeof(text)) != 0;
		memcpy(header + 148, text, sizeof(text));
	}
	return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	set_up();
	(void)umask(022);
	run(data, size);
	copy = malloc(size ? size : 1);
	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	if (fix_checksums(copy, size))
		run(copy, size);
	free(copy);
	return 0;
}
