#pragma once

#include "verb.h"

extern const struct verb_table verbs;

/*
 * The verbs that ask deployd, or may; each returns deployctl's exit status. Those of
 * root alone are in setup, generate, doctor and scripts.
 */
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
int verb_enable(const struct verb *verb, const struct options *options);

int verb_stdio_bridge(const struct verb *verb, const struct options *options);
