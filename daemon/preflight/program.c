/* execve(2), "Interpreter scripts": what the kernel makes of a file. */
#include "preflight/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "preflight/binfmt.h"
#include "preflight/elf.h"

#define HEAD_BYTES	 256 /* of a file, that the kernel looks at */
#define INTERPRETERS_MAX 4   /* one executed by the next */

static void find(struct program *program, enum preflight_verdict verdict,
		 const char *detail)
{
	program->verdict = verdict;
	(void)names_escape(detail, program->detail, sizeof(program->detail));
}

static bool is_on_noexec(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0;
}

/* False: it is settled. */
static bool may_execute(const struct resolve_place *place, bool privileged,
			struct program *program)
{
	if (!S_ISREG(place->st.st_mode))
		find(program, PREFLIGHT_NOT_A_FILE, "");
	else if ((place->st.st_mode & 0111) == 0)
		find(program, PREFLIGHT_NOT_EXECUTABLE, "");
	else if (is_on_noexec(place->path))
		find(program, PREFLIGHT_NOEXEC, "");
	else if (!privileged && access(place->path, X_OK) < 0 && errno == EACCES)
		find(program, PREFLIGHT_DENIED, place->path);
	else
		return true;
	return false;
}

static void examine(const struct resolve_view *view, const struct resolve_place *place,
		    bool privileged, unsigned int level, struct program *program);

static void examine_interpreter(const struct resolve_view *view, const char *name,
				bool privileged, unsigned int level,
				struct program *program)
{
	struct resolve_place place;

	/* A relative one is looked up where the unit is started. */
	if (name[0] != '/' || level == INTERPRETERS_MAX) {
		find(program, PREFLIGHT_UNCHECKED, "");
		return;
	}
	switch (resolve_path(view, name, &place)) {
	case RESOLVE_MISSING:
		find(program, PREFLIGHT_NO_INTERPRETER, name);
		return;
	case RESOLVE_FOUND:
		examine(view, &place, privileged, level + 1, program);
		if (program->verdict != PREFLIGHT_FINE && program->file[0] == '\0')
			(void)names_escape(name, program->file, sizeof(program->file));
		return;
	case RESOLVE_DENIED:
	case RESOLVE_HIDDEN:
	case RESOLVE_UNKNOWN:
		break;
	}
	find(program, PREFLIGHT_UNCHECKED, "");
}

/* The first line, from behind "#!". */
static void examine_script(const struct resolve_view *view, char *line, bool privileged,
			   unsigned int level, struct program *program)
{
	char *end = strchr(line, '\n');
	size_t length;

	/* Cut off, it may be another name. */
	if (!end && strlen(line) + 2 >= HEAD_BYTES) {
		find(program, PREFLIGHT_UNCHECKED, "");
		return;
	}
	if (end)
		*end = '\0';
	length = strlen(line);
	if (length > 0 && line[length - 1] == '\r') {
		find(program, PREFLIGHT_CRLF, "");
		return;
	}
	line += strspn(line, " \t");
	line[strcspn(line, " \t")] = '\0';
	if (line[0] == '\0')
		find(program, PREFLIGHT_BAD_FORMAT, "a script without an interpreter");
	else
		examine_interpreter(view, line, privileged, level, program);
}

static const char *format_of(const char *head, size_t length)
{
	static const struct {
		const char *magic, *name;
	} formats[] = {
		{"\xcf\xfa\xed\xfe", "a program for macOS"},
		{"\xca\xfe\xba\xbe", "a program for macOS, or a Java class"},
		{"MZ", "a program for Windows"},
		{"PK\x03\x04", "a zip or jar file"},
		{"\x7f"
		 "ELF",
		 "an ELF file that is no program"},
		{"\xef\xbb\xbf#!", "a script behind a byte order mark"},
	};

	if (length == 0)
		return "empty";
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (length >= strlen(formats[i].magic) &&
		    memcmp(head, formats[i].magic, strlen(formats[i].magic)) == 0)
			return formats[i].name;
	return "neither a program nor a script";
}

static void examine_elf(const struct resolve_view *view, int fd, bool privileged,
			unsigned int level, struct program *program)
{
	char interpreter[PATH_MAX], machine[ELF_MACHINE_SIZE];

	switch (elf_read(fd, interpreter, machine)) {
	case ELF_DYNAMIC:
		examine_interpreter(view, interpreter, privileged, level, program);
		break;
	case ELF_FOREIGN:
		find(program, PREFLIGHT_WRONG_MACHINE, machine);
		break;
	case ELF_NONE:
		find(program, PREFLIGHT_BAD_FORMAT, "");
		break;
	case ELF_STATIC:
		break;
	case ELF_UNKNOWN:
		find(program, PREFLIGHT_UNCHECKED, "");
		break;
	}
}

static void examine(const struct resolve_view *view, const struct resolve_place *place,
		    bool privileged, unsigned int level, struct program *program)
{
	cleanup_close int fd = -1;
	char head[HEAD_BYTES + 1];
	ssize_t n;

	if (!may_execute(place, privileged, program))
		return;
	fd = open(place->path,
		  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, head, HEAD_BYTES, 0);
	if (n < 0) {
		find(program, PREFLIGHT_UNCHECKED, ""); /* it may be executed unread */
		return;
	}
	head[n] = '\0';
	if (strncmp(head, "#!", 2) == 0)
		examine_script(view, head + 2, privileged, level, program);
	else
		examine_elf(view, fd, privileged, level, program);
	if ((program->verdict == PREFLIGHT_BAD_FORMAT ||
	     program->verdict == PREFLIGHT_WRONG_MACHINE) &&
	    binfmt_handles(BINFMT_DIR, place->path, (const unsigned char *)head,
			   (size_t)n))
		find(program, PREFLIGHT_UNCHECKED, "");
	if (program->verdict == PREFLIGHT_BAD_FORMAT && program->detail[0] == '\0')
		find(program, PREFLIGHT_BAD_FORMAT, format_of(head, (size_t)n));
}

void program_examine(const struct resolve_view *view, const struct resolve_place *place,
		     bool privileged, struct program *ret_program)
{
	memset(ret_program, 0, sizeof(*ret_program));
	examine(view, place, privileged, 0, ret_program);
}
