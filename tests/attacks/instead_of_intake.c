/* deployd-intake's own main() and lock-down; at the first byte it turns on us. */
#include <fcntl.h>

#include "attempt.h"
#include "util/source.h"

int source_init(struct source *source, int fd, const struct source_pace *pace,
		struct errinfo *ei)
{
	(void)ei;
	*source = (struct source){.fd = fd, .pace = *pace};
	return 0;
}

ssize_t source_read(struct source *source, void *buf, size_t size, struct errinfo *ei)
{
	(void)source;
	(void)buf;
	(void)size;
	(void)ei;
	attempt_now(AT_FDCWD);
}
