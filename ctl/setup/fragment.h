#pragma once

#include "setup/tree.h"

/* Texts for systemd-sysusers(8) and systemd-tmpfiles(8). Pure. */

/*
 * A word of such a file that stands for text: quoted, escaped, and without anything
 * that would be expanded. The caller frees; NULL without memory.
 */
char *fragment_word(const char *text) __attribute__((nonnull));

/* sysusers.d(5) for an app: both users, their groups, who is a member of which. */
char *fragment_sysusers(const struct app_config *app) __attribute__((nonnull));

/* A line of tmpfiles.d(5) for a directory; user and group are names or numbers. */
char *fragment_directory(const char *path, mode_t mode, const char *user,
			 const char *group) __attribute__((nonnull));

/* tmpfiles.d(5) for the directories, with the names of their owners. */
char *fragment_tmpfiles(const struct app_config *app, const struct tree *tree)
	__attribute__((nonnull));

/* Where home and shell of a new deploy user are: "/home/NAME". The caller frees. */
char *fragment_home(const char *user) __attribute__((nonnull));
#define FRAGMENT_LOGIN_SHELL "/bin/bash"

/* The home of a new app user: its state directory if it has one, else "/". */
const char *fragment_app_home(const struct app_config *app) __attribute__((nonnull));

/* The group whose members may connect to deployd. */
#define FRAGMENT_DEPLOYD_GROUP "deployd"
