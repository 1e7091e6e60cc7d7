/* deployd-touch's own main() and lock-down; where it opens the flag it turns on us. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include "attempt.h"

/* The linker gives these names (--wrap). */
int __real_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);

static int attacking;

int __wrap_openat(int dir_fd, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (!attacking && strcmp(name, "restart.flag") == 0) {
		attacking = 1;
		attempt_now(dir_fd);
	}
	return __real_openat(dir_fd, name, flags, mode);
}
