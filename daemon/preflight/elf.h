#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define ELF_MACHINE_SIZE 64

enum elf_kind {
	ELF_NONE,    /* it is not one, or not one that is executed */
	ELF_FOREIGN, /* made for another machine */
	ELF_STATIC,
	ELF_DYNAMIC, /* it needs its interpreter */
	ELF_UNKNOWN, /* it cannot be read to its end */
};

/*
 * Reads the headers of what is open. ret_interpreter is set for ELF_DYNAMIC; it is the
 * author's word. ret_machine says for what it is made: ELF_FOREIGN.
 */
enum elf_kind elf_read(int fd, char ret_interpreter[PATH_MAX],
		       char ret_machine[ELF_MACHINE_SIZE]) __attribute__((nonnull));
