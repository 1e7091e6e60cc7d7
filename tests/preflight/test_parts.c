/* The parts of deployd-preflight that a whole run does not come to on every machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preflight/binfmt.h"
#include "preflight/elf.h"
#include "preflight/options.h"

/* --- options ---------------------------------------------------------------------- */

#define PARSE(...)                                                                     \
	parse((char *[]){(char *)"deployd-preflight", __VA_ARGS__},                    \
	      sizeof((char *[]){(char *)"", __VA_ARGS__}) / sizeof(char *))

static struct preflight_options options;
static struct errinfo why;

static int parse(char **argv, size_t argc)
{
	return preflight_options_parse((int)argc, argv, &options, &why);
}

static void options_are_taken_in_their_order(void **context)
{
	(void)context;
	assert_int_equal(PARSE((char *)"--release=/r", (char *)"--file=/a",
			       (char *)"--command=/b", (char *)"--hidden=/tmp",
			       (char *)"--current=/c", (char *)"--root=/d=e",
			       (char *)"--directory=/f"),
			 0);
	assert_string_equal(options.release, "/r");
	assert_string_equal(options.current, "/c");
	assert_int_equal(options.n_hidden, 1);
	assert_int_equal(options.n_asked, 4);
	assert_int_equal(options.asked[0].use, PREFLIGHT_USE_FILE);
	assert_int_equal(options.asked[1].use, PREFLIGHT_USE_COMMAND);
	assert_string_equal(options.asked[2].path, "/d=e");
	assert_int_equal(options.asked[3].use, PREFLIGHT_USE_DIRECTORY);
}

static void other_options_are_refused(void **context)
{
	static const char *const bad[] = {
		"--command=relative",
		"--command",
		"command=/x",
		"--else=/x",
		"--release=/again",
		"--current=/x",
		"-c",
		"--=/x",
		"--a-name-that-no-option-has-for-it-is-so-long=/x"};
	static char long_path[PATH_MAX + 32] = "--file=/";

	(void)context;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(PARSE((char *)"--release=/r", (char *)"--current=/c",
				       (char *)bad[i]),
				 -EINVAL);
	assert_int_equal(PARSE((char *)"--release=/r"), -EINVAL);
	assert_int_equal(PARSE((char *)"--current=/c"), -EINVAL);
	memset(long_path + strlen(long_path), 'x', PATH_MAX);
	assert_int_equal(
		PARSE((char *)"--release=/r", (char *)"--current=/c", long_path),
		-EINVAL);
}

static void there_may_be_so_many_paths(void **context)
{
	char *argv[PREFLIGHT_PATHS_MAX + 4] = {(char *)"x", (char *)"--release=/r",
					       (char *)"--current=/c"};

	(void)context;
	for (size_t i = 0; i <= PREFLIGHT_PATHS_MAX; i++)
		argv[3 + i] = (char *)"--file=/x";
	assert_int_equal(parse(argv, 3 + PREFLIGHT_PATHS_MAX), 0);
	assert_int_equal(parse(argv, 4 + PREFLIGHT_PATHS_MAX), -EINVAL);
	for (size_t i = 0; i <= PREFLIGHT_HIDDEN_MAX; i++)
		argv[3 + i] = (char *)"--hidden=/x";
	assert_int_equal(parse(argv, 3 + PREFLIGHT_HIDDEN_MAX), 0);
	assert_int_equal(parse(argv, 4 + PREFLIGHT_HIDDEN_MAX), -EINVAL);
}

/* --- ELF -------------------------------------------------------------------------- */

static char interpreter[PATH_MAX], machine[ELF_MACHINE_SIZE];

static enum elf_kind read_bytes(const void *bytes, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	enum elf_kind kind;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	memset(interpreter, 0, sizeof(interpreter));
	memset(machine, 0, sizeof(machine));
	kind = elf_read(fd, interpreter, machine);
	(void)close(fd);
	return kind;
}

/* A program of this machine, with one segment. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	char name[32];
};

static struct image image_new(void)
{
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct image image = {
		.segment = {.p_type = PT_INTERP,
			    .p_offset = offsetof(struct image, name),
			    .p_filesz = sizeof("/lib/ld.so")},
		.name = "/lib/ld.so",
	};

	assert_int_equal(pread(fd, &image.header, sizeof(image.header), 0),
			 sizeof(image.header));
	(void)close(fd);
	if (image.header.e_ident[EI_CLASS] != ELFCLASS64)
		skip();
	image.header.e_phoff = offsetof(struct image, segment);
	image.header.e_phnum = 1;
	return image;
}

static void programs_of_this_machine(void **context)
{
	struct image image = image_new();

	(void)context;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_DYNAMIC);
	assert_string_equal(interpreter, "/lib/ld.so");
	image.segment.p_type = PT_LOAD;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_STATIC);
	image.header.e_type = ET_REL;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_NONE);
}

static void programs_of_others(void **context)
{
	struct image image = image_new();

	(void)context;
	image.header.e_machine = EM_S390;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_FOREIGN);
	assert_string_equal(machine, "S/390");
	image.header.e_machine = 0x7777;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_FOREIGN);
	assert_string_equal(machine, "ELF machine 30583");
	image.header.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_FOREIGN);
}

static void damaged_programs_are_not_judged(void **context)
{
	struct image image = image_new();

	(void)context;
	assert_int_equal(read_bytes("\x7f"
				    "ELF",
				    4),
			 ELF_NONE);
	assert_int_equal(read_bytes("", 0), ELF_NONE);
	image.segment.p_filesz = 1;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image.segment.p_filesz = UINT64_MAX;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image.segment.p_filesz = 5; /* not terminated there */
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image = image_new();
	image.segment.p_offset = UINT64_MAX;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image.header.e_phoff = UINT64_MAX;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image.header.e_phoff = sizeof(image);
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
	image.header.e_phentsize = 1;
	assert_int_equal(read_bytes(&image, sizeof(image)), ELF_UNKNOWN);
}

/* --- binfmt_misc ------------------------------------------------------------------ */

static char dir[] = "/tmp/test-preflight-XXXXXX";

static void format(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	(void)fclose(file);
}

static bool handles(const char *path, const char *head)
{
	return binfmt_handles(dir, path, (const unsigned char *)head, strlen(head));
}

static void remove_format(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path);
}

static void formats_of_others_programs(void **context)
{
	(void)context;
	assert_non_null(mkdtemp(dir));
	assert_false(handles("x", "MZ"));
	format("status", "enabled\nmagic 4d5a\n");
	assert_false(handles("x", "MZ"));
	format("wine", "enabled\ninterpreter /usr/bin/wine\nflags: \noffset 0\nmagic "
		       "4d5a\n");
	assert_true(handles("x", "MZ..."));
	assert_false(handles("x", "M"));
	assert_false(handles("x", "ZM"));
	format("wine", "disabled\ninterpreter /usr/bin/wine\noffset 0\nmagic 4d5a\n");
	assert_false(handles("x", "MZ..."));
	format("masked", "enabled\noffset 2\nmagic 4100\nmask ff00\n");
	assert_true(handles("x", "..AB"));
	assert_false(handles("x", "..BB"));
	assert_false(handles("x", "A"));
	format("named", "enabled\ninterpreter /usr/bin/java\nextension .jar\n");
	assert_true(handles("/a/b.jar", "?"));
	assert_false(handles("/a/b.jars", "?"));
	assert_false(handles("/a/jar", "?"));
	remove_format("status");
	remove_format("wine");
	remove_format("masked");
	remove_format("named");
	assert_int_equal(rmdir(dir), 0);
	assert_false(handles("x", "MZ"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_in_their_order),
		cmocka_unit_test(other_options_are_refused),
		cmocka_unit_test(there_may_be_so_many_paths),
		cmocka_unit_test(programs_of_this_machine),
		cmocka_unit_test(programs_of_others),
		cmocka_unit_test(damaged_programs_are_not_judged),
		cmocka_unit_test(formats_of_others_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
