#pragma once

#include "setup/setup.h"

/*
 * The app's unit, through systemctl. It and not the bus, because deployctl links no
 * library of the bus: a program that everybody runs has none of its code. systemctl is
 * there wherever systemd is, and knows --root, which the bus does not.
 */

/* Disables the unit and its socket; stop: stops them too. What is not there is no
 * error. */
int unit_disable(struct setup *setup, bool stop, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* systemd reads its unit files again; not with DESTDIR. */
int unit_reload(struct setup *setup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
