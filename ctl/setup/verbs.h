#pragma once

#include "verb.h"

/* What root does without deployd; each returns deployctl's exit status. */
int verb_init(const struct verb *verb, const struct options *options);
int verb_create_users(const struct verb *verb, const struct options *options);
int verb_create_dirs(const struct verb *verb, const struct options *options);
int verb_copy_files(const struct verb *verb, const struct options *options);
int verb_link_scripts(const struct verb *verb, const struct options *options);
int verb_set_perms(const struct verb *verb, const struct options *options);
int verb_clean_target(const struct verb *verb, const struct options *options);
int verb_remove_app(const struct verb *verb, const struct options *options);
int verb_adopt(const struct verb *verb, const struct options *options);
/* `enable` of root on this machine. */
int verb_enable_here(const struct verb *verb, const struct options *options);
