#pragma once

#include "deploy/app_config.h"
#include "deploy/diag.h"

/*
 * Finds and reads configuration files in /etc/deployd, /run/deployd and
 * /usr/lib/deployd (UAPI.6: a file in an earlier directory masks its namesakes, a link
 * to /dev/null masks without a replacement; *.conf.d/ drop-ins are merged by name
 * across all three). An error is, as in sudo, what another than root could have written
 * or put in place: files and directories of other owners, writable by others, links.
 * Blocks: not for the loop.
 */

#define CONFIG_FILES_MAX 1024 /* of one kind */

struct config_file_list {
	struct config_text *texts; /* file and text are owned */
	size_t n_texts;
};

/* NAME and its drop-ins NAME.d/\*.conf, the main file first. None at all is no error.
 */
void config_files_read(const char *name, struct config_file_list *ret_list,
		       struct diag *diag) __attribute__((nonnull));

/*
 * The names (basenames) of DIR/\*.conf over the three directories, sorted; masked ones
 * and those with a fault, which is reported, are left out. NULL-terminated; the caller
 * frees each and the array. NULL without memory, reported.
 */
char **config_files_names(const char *dir, struct diag *diag)
	__attribute__((warn_unused_result, nonnull));

void config_file_list_deinit(struct config_file_list *list) __attribute__((nonnull));
