#pragma once

#include "options.h"

/* The verbs; each returns deployctl's exit status. */
int verb_archive(const struct verb *verb, const struct options *options);
int verb_release(const struct verb *verb, const struct options *options);
int verb_unit(const struct verb *verb, const struct options *options);
int verb_reload(const struct verb *verb, const struct options *options);
int verb_cancel(const struct verb *verb, const struct options *options);
int verb_hold(const struct verb *verb, const struct options *options);
int verb_attach(const struct verb *verb, const struct options *options);

int verb_list(const struct verb *verb, const struct options *options);
int verb_status(const struct verb *verb, const struct options *options);
int verb_releases(const struct verb *verb, const struct options *options);
int verb_show(const struct verb *verb, const struct options *options);
int verb_history(const struct verb *verb, const struct options *options);
int verb_jobs(const struct verb *verb, const struct options *options);

int verb_can(const struct verb *verb, const struct options *options);
int verb_policy(const struct verb *verb, const struct options *options);
int verb_logs(const struct verb *verb, const struct options *options);
/* ctl/setup: what root does without deployd. */
int verb_setup(const struct verb *verb, const struct options *options);
int verb_extract_release(const struct verb *verb, const struct options *options);
int verb_stage_files(const struct verb *verb, const struct options *options);
int verb_generate(const struct verb *verb, const struct options *options);
int verb_hook(const struct verb *verb, const struct options *options);
int verb_enable(const struct verb *verb, const struct options *options);
int verb_doctor(const struct verb *verb, const struct options *options);

int verb_help(const struct verb *verb, const struct options *options);
int verb_stdio_bridge(const struct verb *verb, const struct options *options);
