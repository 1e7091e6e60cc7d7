#include "preflight/elf.h"

#include <elf.h>
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SEGMENTS_MAX 256 /* program headers that are read */

#if defined(__x86_64__)
#define OWN_MACHINE   EM_X86_64
#define OTHER_MACHINE EM_386
#elif defined(__aarch64__)
#define OWN_MACHINE   EM_AARCH64
#define OTHER_MACHINE EM_ARM
#elif defined(__i386__)
#define OWN_MACHINE   EM_386
#define OTHER_MACHINE EM_X86_64 /* the kernel may be */
#elif defined(__riscv)
#define OWN_MACHINE   EM_RISCV
#define OTHER_MACHINE EM_RISCV
#else
#define OWN_MACHINE_UNKNOWN
#endif

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OWN_ENDIAN ELFDATA2LSB
#else
#define OWN_ENDIAN ELFDATA2MSB
#endif

static const char *machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{EM_X86_64, "x86-64"}, {EM_386, "32-bit x86"},
		{EM_AARCH64, "ARM64"}, {EM_ARM, "32-bit ARM"},
		{EM_RISCV, "RISC-V"},  {EM_PPC64, "PowerPC 64"},
		{EM_S390, "S/390"},    {EM_MIPS, "MIPS"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}

static void say_machine(uint16_t machine, char ret_machine[ELF_MACHINE_SIZE])
{
	const char *name = machine_name(machine);

	if (name)
		(void)snprintf(ret_machine, ELF_MACHINE_SIZE, "%s", name);
	else
		(void)snprintf(ret_machine, ELF_MACHINE_SIZE, "ELF machine %u",
			       (unsigned int)machine);
}

static bool is_own(uint16_t machine)
{
#ifdef OWN_MACHINE_UNKNOWN
	(void)machine;
	return true;
#else
	return machine == OWN_MACHINE || machine == OTHER_MACHINE;
#endif
}

static bool read_at(int fd, uint64_t offset, void *ret, size_t size)
{
	return offset <= INT64_MAX &&
	       pread(fd, ret, size, (off_t)offset) == (ssize_t)size;
}

static enum elf_kind read_name(int fd, uint64_t offset, uint64_t size,
			       char ret_interpreter[PATH_MAX])
{
	if (size < 2 || size > PATH_MAX ||
	    !read_at(fd, offset, ret_interpreter, size) ||
	    ret_interpreter[size - 1] != '\0')
		return ELF_UNKNOWN;
	return ELF_DYNAMIC;
}

/* What the two classes have in common. */
struct segments {
	uint64_t offset;
	uint16_t n, size;
	bool wide;
};

static enum elf_kind find_interpreter(int fd, const struct segments *segments,
				      char ret_interpreter[PATH_MAX])
{
	const size_t least = segments->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);

	if (segments->size != least || segments->n > SEGMENTS_MAX)
		return ELF_UNKNOWN;
	for (uint16_t i = 0; i < segments->n; i++) {
		const uint64_t at = segments->offset + (uint64_t)i * least;
		Elf64_Phdr wide;
		Elf32_Phdr narrow;

		if (segments->wide ? !read_at(fd, at, &wide, sizeof(wide))
				   : !read_at(fd, at, &narrow, sizeof(narrow)))
			return ELF_UNKNOWN;
		if (segments->wide && wide.p_type == PT_INTERP)
			return read_name(fd, wide.p_offset, wide.p_filesz,
					 ret_interpreter);
		if (!segments->wide && narrow.p_type == PT_INTERP)
			return read_name(fd, narrow.p_offset, narrow.p_filesz,
					 ret_interpreter);
	}
	return ELF_STATIC;
}

enum elf_kind elf_read(int fd, char ret_interpreter[PATH_MAX],
		       char ret_machine[ELF_MACHINE_SIZE])
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;
	struct segments segments;

	/* Both headers begin alike, up to e_machine. */
	if (!read_at(fd, 0, &narrow, sizeof(narrow)) ||
	    memcmp(narrow.e_ident, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	if (narrow.e_ident[EI_DATA] != OWN_ENDIAN) {
		say_machine(be16toh(narrow.e_machine), ret_machine);
		return ELF_FOREIGN;
	}
	if (!is_own(narrow.e_machine)) {
		say_machine(narrow.e_machine, ret_machine);
		return ELF_FOREIGN;
	}
	if (narrow.e_type != ET_EXEC && narrow.e_type != ET_DYN)
		return ELF_NONE;
	segments = (struct segments){narrow.e_phoff, narrow.e_phnum, narrow.e_phentsize,
				     false};
	if (narrow.e_ident[EI_CLASS] == ELFCLASS64) {
		if (!read_at(fd, 0, &wide, sizeof(wide)))
			return ELF_NONE;
		segments = (struct segments){wide.e_phoff, wide.e_phnum,
					     wide.e_phentsize, true};
	}
	return find_interpreter(fd, &segments, ret_interpreter);
}
