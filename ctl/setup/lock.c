#include "setup/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "deploy/cleanup.h"
#include "setup/place.h"

int app_lock(struct setup *setup, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1, fd = -1;
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "/var/lib/deployd/%s", setup->app->app_name);
	r = place_open_dir(setup, path, false, &dir_fd, ei);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		fd = openat(dir_fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0 && fd < 0 && errno != ENOENT)
		return errinfo_set(ei, errno, "cannot open the lock of %s",
				   setup->app->app_name);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? errinfo_refuse(
					 ei, RESULT_BUSY,
					 "deployd is at work on %s; wait for the "
					 "job (`deployctl jobs`) and try again",
					 setup->app->app_name)
			       : errinfo_set(ei, errno, "cannot lock %s",
					     setup->app->app_name);
	*ret_fd = steal_fd(&fd);
	return 0;
}
