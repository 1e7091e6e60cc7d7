/*
 * Reads entries with libarchive and makes them in the tree. libarchive is the reader
 * only: its own writer works on paths, which is where the traversal bugs of unpackers
 * come from.
 */
#include "unpack/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "unpack/header.h"
#include "unpack/omission.h"
#include "unpack/stream.h"
#include "unpack/tree.h"

#define NAME_TEXT_BYTES 160 /* of an escaped name in a message */

/* A symbolic link waits until nothing can be written through it any more. */
struct link {
	struct link *next;
	char *path;
	char target[];
};

struct unpack {
	const struct unpack_limits *limits;
	struct archive *parser;
	struct stream stream;
	struct tree tree;
	struct header header; /* of the entry that is being made */
	struct link *links, **links_end;
	uint64_t n_headers;
	char last_good[NAME_TEXT_BYTES]; /* escaped; "" before the first */
	struct unpack_totals totals;
	time_t now;
	void (*on_progress)(const struct unpack_totals *totals, void *userdata);
	void *userdata;
	struct errinfo *ei;
};

static int refuse(struct unpack *u, const char *name, const char *why)
{
	char text[NAME_TEXT_BYTES];

	return errinfo_refuse(u->ei, RESULT_REJECTED, "entry '%s' %s",
			      names_escape(name, text, sizeof(text)), why);
}

static int refuse_size(struct unpack *u, const char *name, const char *option,
		       uint64_t limit)
{
	char text[NAME_TEXT_BYTES];

	return errinfo_refuse(u->ei, RESULT_REJECTED,
			      "entry '%s' is larger than %s allows (%llu)",
			      names_escape(name, text, sizeof(text)), option,
			      (unsigned long long)limit);
}

static int refuse_name(struct unpack *u, const char *name,
		       enum entryname_verdict verdict)
{
	char text[NAME_TEXT_BYTES];

	return errinfo_refuse(u->ei, RESULT_REJECTED, "the name of entry '%s' %s",
			      names_escape(name, text, sizeof(text)),
			      entryname_verdict_text(verdict));
}

static int refuse_target(struct unpack *u, const char *name, const char *kind,
			 const char *target, enum entryname_verdict verdict)
{
	char text[NAME_TEXT_BYTES], target_text[NAME_TEXT_BYTES];

	return errinfo_refuse(u->ei, RESULT_REJECTED,
			      "entry '%s' is a %s to '%s': the target %s",
			      names_escape(name, text, sizeof(text)), kind,
			      names_escape(target, target_text, sizeof(target_text)),
			      entryname_verdict_text(verdict));
}

static void progress(struct unpack *u)
{
	u->totals.entries = u->tree.entries;
	if (u->on_progress)
		u->on_progress(&u->totals, u->userdata);
}

/* Where the damage is: behind the last entry that is whole. */
static void tell_last_good(struct unpack *u)
{
	static const char damage[] = "the archive is ";
	size_t length = strlen(u->ei->what);

	if (!*u->last_good || strncmp(u->ei->what, damage, strlen(damage)) != 0)
		return;
	(void)snprintf(u->ei->what + length, sizeof(u->ei->what) - length,
		       "; the last good entry is '%s'", u->last_good);
}

static int parser_failed(struct unpack *u)
{
	int r = stream_explain(&u->stream, u->parser, u->n_headers > 0);

	tell_last_good(u);
	return r;
}

/* The archive's own word on size; what is written is checked against it again. */
static int check_size(struct unpack *u, const char *name, int64_t size)
{
	const struct unpack_limits *limits = u->limits;

	if (size < 0)
		return refuse(u, name, "has a negative size");
	if ((uint64_t)size > limits->max_file_bytes)
		return refuse_size(u, name, "max_file_bytes", limits->max_file_bytes);
	if ((uint64_t)size > limits->max_bytes - u->totals.bytes)
		return errinfo_refuse(u->ei, RESULT_REJECTED,
				      "the release is larger than max_release_bytes "
				      "allows (%llu)",
				      (unsigned long long)limits->max_bytes);
	u->totals.bytes += (uint64_t)size;
	return 0;
}

static int write_block(struct unpack *u, int fd, const char *name, const char *block,
		       size_t length, off_t offset)
{
	char text[NAME_TEXT_BYTES];

	while (length > 0) {
		ssize_t n = pwrite(fd, block, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errinfo_set(u->ei, errno, "cannot write '%s'",
					   names_escape(name, text, sizeof(text)));
		block += n;
		length -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int write_data(struct unpack *u, int fd, const char *name, int64_t size)
{
	const void *block;
	size_t length;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(u->parser, &block, &length, &offset)) ==
	       ARCHIVE_OK) {
		if (offset < 0 || offset > size || length > (uint64_t)(size - offset))
			return refuse(u, name, "has more data than its size");
		r = write_block(u, fd, name, block, length, offset);
		if (r < 0)
			return r;
		progress(u);
	}
	return r == ARCHIVE_EOF ? 0 : parser_failed(u);
}

static time_t clamp_mtime(const struct unpack *u, time_t mtime)
{
	return mtime < 0 ? 0 : mtime > u->now ? u->now : mtime;
}

static int finish_file(struct unpack *u, int fd, const char *path,
		       struct archive_entry *entry, int64_t size)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = clamp_mtime(u, archive_entry_mtime(entry))},
	};
	/* Owner's write: a later entry of the name takes the file's place. */
	mode_t mode = (archive_entry_perm(entry) & 0755) | 0600;
	char text[NAME_TEXT_BYTES];

	/* The last hole of a sparse file has no data. */
	if (ftruncate(fd, size) < 0 || fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
		return errinfo_set(u->ei, errno, "cannot finish '%s'",
				   names_escape(path, text, sizeof(text)));
	/* The stream's own check does not see holes. */
	return limits_check_ratio(u->limits, u->stream.in_bytes, u->totals.bytes,
				  u->ei);
}

static int make_file(struct unpack *u, struct archive_entry *entry, const char *path)
{
	int64_t size = archive_entry_size(entry), replaced = -1;
	cleanup_close int fd = -1;
	int r;

	fd = tree_create_file(&u->tree, path, &replaced, u->ei);
	if (fd < 0)
		return fd;
	if (replaced >= 0) {
		u->totals.bytes -= (uint64_t)replaced;
		u->totals.files--;
	}
	r = check_size(u, path, size);
	if (r < 0)
		return r;
	r = write_data(u, fd, path, size);
	if (r < 0)
		return r;
	u->totals.files++;
	return finish_file(u, fd, path, entry, size);
}

/*
 * The canonical path that the name has in the release: without its first components.
 * What is left is a name like any other, checked anew. "": the release's own directory,
 * or nothing is left.
 */
static enum entryname_verdict read_name(const struct unpack *u, const char *name,
					char ret_path[ENTRYNAME_PATH_SIZE])
{
	const uint64_t strip = u->limits->strip_components;
	char whole[ENTRYNAME_PATH_SIZE];
	enum entryname_verdict verdict;
	const char *rest = whole;

	if (strip == 0)
		return entryname_canonical(name, u->limits->max_depth, ret_path);
	verdict = entryname_canonical(name, u->limits->max_depth + strip, whole);
	if (verdict != ENTRYNAME_OK)
		return verdict;
	for (uint64_t i = 0; i < strip && *rest; i++) {
		rest += strcspn(rest, "/");
		rest += *rest == '/';
	}
	ret_path[0] = '\0';
	return *rest ? entryname_canonical(rest, u->limits->max_depth, ret_path)
		     : ENTRYNAME_OK;
}

static int make_hardlink(struct unpack *u, struct archive_entry *entry,
			 const char *path)
{
	const char *target = u->header.link;
	char target_path[ENTRYNAME_PATH_SIZE];
	enum entryname_verdict verdict;

	/* Data would be written through the link. */
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
		return refuse(u, path, "is a hard link with data");
	verdict = read_name(u, target, target_path);
	if (verdict != ENTRYNAME_OK)
		return refuse_target(u, path, "hard link", target, verdict);
	if (target_path[0] == '\0')
		return refuse(u, path,
			      "is a hard link to what strip_components leaves out");
	u->totals.files++;
	return tree_make_hardlink(&u->tree, path, target_path, u->ei);
}

static int record_symlink(struct unpack *u, const char *path)
{
	const char *target = u->header.link;
	enum entryname_verdict verdict;
	struct link *link;
	size_t size;

	/* What is a directory, and what a link, is not known before the end. */
	verdict = entryname_link_target(
		path, target,
		&(struct entryname_links){.allowed = u->limits->link_targets});
	if (verdict != ENTRYNAME_OK)
		return refuse_target(u, path, "symbolic link", target, verdict);

	size = strlen(target) + 1;
	link = malloc(sizeof(*link) + size);
	if (link)
		link->path = strdup(path);
	if (!link || !link->path) {
		free(link);
		return errinfo_set(u->ei, ENOMEM, "cannot remember a symbolic link");
	}
	memcpy(link->target, target, size);
	link->next = NULL;
	*u->links_end = link;
	u->links_end = &link->next;
	return 0;
}

#define ONLY_THESE "; a release has files, directories and links: leave it out"

static const char *special_type(mode_t type)
{
	switch (type) {
	case AE_IFCHR:
		return "is a character device" ONLY_THESE;
	case AE_IFBLK:
		return "is a block device" ONLY_THESE;
	case AE_IFIFO:
		return "is a FIFO" ONLY_THESE;
	case AE_IFSOCK:
		return "is a socket" ONLY_THESE;
	default:
		return "is of an unknown type" ONLY_THESE;
	}
}

static int make_root(struct unpack *u, struct archive_entry *entry)
{
	if (archive_entry_filetype(entry) != AE_IFDIR || archive_entry_hardlink(entry))
		return refuse(u, ".", "is not a directory");
	return 0; /* mode and owner of the release's directory are ours */
}

/*
 * Directories of build machines have the setgid and sticky bit by inheritance; of no
 * use in a release, they are dropped with the rest of the mode. On a file they were
 * meant.
 */
static int check_bits(struct unpack *u, const char *path, mode_t type, mode_t mode)
{
	const char *bit = mode & S_ISUID   ? "setuid"
			  : mode & S_ISGID ? "setgid"
			  : mode & S_ISVTX ? "sticky"
					   : NULL;
	char why[128];

	if (!bit || (type == AE_IFDIR && !(mode & S_ISUID)))
		return 0;
	(void)snprintf(why, sizeof(why),
		       "has the %s bit, which nothing in a release may have; pack it "
		       "with `tar --mode=ug-s,-t`",
		       bit);
	return refuse(u, path, why);
}

/* As tar(1) has it, a name that is used up is no entry. */
static int leave_out(struct unpack *u, struct archive_entry *entry)
{
	if (archive_entry_filetype(entry) != AE_IFDIR || archive_entry_hardlink(entry))
		omission_add(&u->totals.omissions.too_short, u->header.name);
	return 0;
}

/* AppleDouble: where tar(1) of macOS keeps what only macOS knows of a file. */
static bool is_apple_double(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash ? slash + 1 : path, "._", 2) == 0;
}

static int make_entry(struct unpack *u, struct archive_entry *entry)
{
	const char *name = u->header.name;
	mode_t type = archive_entry_filetype(entry);
	char path[ENTRYNAME_PATH_SIZE];
	enum entryname_verdict verdict;
	int r;

	verdict = read_name(u, name, path);
	if (verdict != ENTRYNAME_OK)
		return refuse_name(u, name, verdict);
	if (path[0] == '\0' && u->limits->strip_components > 0)
		return leave_out(u, entry);
	if (path[0] == '\0')
		return make_root(u, entry);
	if (type == AE_IFREG && !archive_entry_hardlink(entry) &&
	    is_apple_double(path)) {
		omission_add(&u->totals.omissions.apple_double, path);
		return 0;
	}
	if (u->header.stripped)
		omission_add(&u->totals.omissions.stripped, path);
	if (archive_entry_hardlink(entry))
		return make_hardlink(u, entry, path);
	if (type == AE_IFLNK)
		return record_symlink(u, path);
	if (type != AE_IFREG && type != AE_IFDIR)
		return refuse(u, path, special_type(type));
	r = check_bits(u, path, type, archive_entry_perm(entry));
	if (r < 0)
		return r;
	if (type == AE_IFDIR)
		return tree_make_dir(&u->tree, path, u->ei);
	return make_file(u, entry, path);
}

static bool is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* libarchive may say another text only where it brings it into another form. */
static bool agrees(const char *ours, const char *theirs)
{
	if (!ours || !theirs)
		return !ours && !theirs;
	return strcmp(ours, theirs) == 0 || (!is_ascii(ours) && !is_ascii(theirs));
}

/*
 * Our own reading of the header blocks beside libarchive's. Where the two do not see
 * the same entry, one of them is being deceived.
 */
static int read_header(struct unpack *u, struct archive_entry *entry)
{
	uint64_t start = (uint64_t)archive_read_header_position(u->parser);
	const char *link = archive_entry_hardlink(entry);
	const unsigned char *bytes;
	size_t length = 0;
	int r;

	header_deinit(&u->header);
	bytes = stream_header(&u->stream, start, &length);
	if (!bytes)
		return errinfo_refuse(u->ei, RESULT_FAILED,
				      "the header at %llu of the tar is lost",
				      (unsigned long long)start);
	r = header_read(bytes, length, &u->header, u->ei);
	if (r < 0)
		return r;
	if (!link)
		link = archive_entry_symlink(entry);
	if (!agrees(u->header.name, archive_entry_pathname(entry)) ||
	    (link && !agrees(u->header.link, link)))
		return refuse(u, u->header.name,
			      "has a header that can be read in two ways");
	if (!u->header.link && (link || archive_entry_filetype(entry) == AE_IFLNK))
		return refuse(u, u->header.name, "is a link without a target");
	return 0;
}

/* Of libarchive's warnings one is none: that a name is not UTF-8. */
static bool is_good(struct unpack *u, int r)
{
	const char *text = archive_error_string(u->parser);

	return r == ARCHIVE_OK ||
	       (r == ARCHIVE_WARN && text &&
		strstr(text, " can't be converted from UTF-8 to current locale"));
}

static int next_header(struct unpack *u, struct archive_entry **ret_entry)
{
	int r;

	if (u->n_headers > 0) {
		r = archive_read_data_skip(u->parser);
		if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
			return r;
	}
	stream_expect_header(&u->stream, (uint64_t)archive_filter_bytes(u->parser, 0));
	return archive_read_next_header(u->parser, ret_entry);
}

static int read_entries(struct unpack *u)
{
	struct archive_entry *entry;
	int r;

	while (is_good(u, r = next_header(u, &entry))) {
		/* Entries that make nothing, "." or a directory again, count too. */
		if (++u->n_headers > u->limits->max_entries)
			return errinfo_refuse(
				u->ei, RESULT_REJECTED,
				"the archive has more than %llu entries (max_entries)",
				(unsigned long long)u->limits->max_entries);
		r = read_header(u, entry);
		if (r == 0)
			r = make_entry(u, entry);
		if (r < 0)
			return r;
		(void)names_escape(u->header.name, u->last_good, sizeof(u->last_good));
		progress(u);
	}
	/* ARCHIVE_WARN too: what libarchive has other doubts about is not deployed. */
	return r == ARCHIVE_EOF ? 0 : parser_failed(u);
}

static int make_symlinks(struct unpack *u)
{
	const struct entryname_links links = {.allowed = u->limits->link_targets,
					      .is_dir = tree_is_dir,
					      .userdata = &u->tree};

	for (struct link *link = u->links; link; link = link->next) {
		enum entryname_verdict verdict =
			entryname_link_target(link->path, link->target, &links);
		int r;

		if (verdict != ENTRYNAME_OK)
			return refuse_target(u, link->path, "symbolic link",
					     link->target, verdict);
		r = tree_make_symlink(&u->tree, link->path, link->target, u->ei);
		if (r < 0)
			return r;
	}
	progress(u);
	return 0;
}

static int open_parser(struct unpack *u, int fd)
{
	int r;

	r = stream_init(&u->stream, fd, u->limits, u->ei);
	if (r < 0)
		return r;
	u->parser = archive_read_new();
	if (!u->parser)
		return errinfo_set(u->ei, ENOMEM, "cannot read the archive");
	if (archive_read_support_format_tar(u->parser) != ARCHIVE_OK)
		return errinfo_refuse(u->ei, RESULT_FAILED, "libarchive has no tar");
	if (archive_read_open(u->parser, &u->stream, NULL, stream_read, NULL) !=
	    ARCHIVE_OK)
		return parser_failed(u);
	return 0;
}

static int refuse_empty(struct unpack *u)
{
	if (u->totals.omissions.too_short.entries > 0)
		return errinfo_refuse(
			u->ei, RESULT_REJECTED,
			"the archive holds no regular file that is deeper "
			"than strip_components (%llu)",
			(unsigned long long)u->limits->strip_components);
	return errinfo_refuse(u->ei, RESULT_REJECTED,
			      "the archive holds no regular file");
}

static int unpack(struct unpack *u, int fd)
{
	int r;

	r = open_parser(u, fd);
	if (r < 0)
		return r;
	r = read_entries(u);
	if (r < 0)
		return r;
	r = stream_finish(&u->stream,
			  (uint64_t)archive_read_header_position(u->parser));
	if (r < 0) {
		tell_last_good(u);
		return r;
	}
	if (u->totals.files == 0)
		return refuse_empty(u);
	return make_symlinks(u);
}

static void deinit(struct unpack *u)
{
	struct link *next;

	for (struct link *link = u->links; link; link = next) {
		next = link->next;
		free(link->path);
		free(link);
	}
	(void)archive_read_free(u->parser);
	stream_deinit(&u->stream);
	header_deinit(&u->header);
	tree_deinit(&u->tree);
}

int unpack_archive(int fd, int root_fd, const struct unpack_limits *limits,
		   void (*on_progress)(const struct unpack_totals *totals,
				       void *userdata),
		   void *userdata, struct unpack_totals *ret_totals, struct errinfo *ei)
{
	struct unpack *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return errinfo_set(ei, ENOMEM, "cannot unpack");
	u->limits = limits;
	u->links_end = &u->links;
	u->on_progress = on_progress;
	u->userdata = userdata;
	u->now = time(NULL);
	u->ei = ei;
	r = tree_init(&u->tree, root_fd, limits->max_depth, limits->max_entries, ei);
	if (r == 0)
		r = unpack(u, fd);
	if (r == 0)
		*ret_totals = u->totals;
	deinit(u);
	free(u);
	return r;
}
