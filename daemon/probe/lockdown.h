#pragma once

/*
 * The probe starts as what it checks, the app's user in the app's network, so there is
 * little to lock away; what there is holds the damage of a hostile answer. All of it is
 * best effort: a check that cannot lock itself down still is a check.
 */

/*
 * First thing in main(): no environment (no proxy, no configuration of libraries), no
 * inherited files, no new privileges, not to be traced by the app, few resources.
 */
void lockdown_begin(void);

/* For good, once names are resolved: no system calls but those of a TCP connection. */
void lockdown_tcp(void);

/* No system calls but those that read directories, files and links. */
void lockdown_proof(void);
