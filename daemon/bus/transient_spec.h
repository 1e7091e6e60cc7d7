#pragma once

#include <systemd/sd-bus.h>

#include "bus/transient.h"
#include "deploy/names.h"

/* Inside of transient.c: what the unit will be, as properties of StartTransientUnit. */

struct transient_network {
	char path[4096];      /* NetworkNamespacePath=, "" = none */
	bool private_network; /* PrivateNetwork= */
};

/* Owned copies of the options. */
struct transient_spec {
	char unit[UNIT_NAME_MAX + 1]; /* with suffix */
	char *description;
	char **argv, **argv_before;	 /* argv_before may be NULL */
	char *current_dir, *release_dir; /* both or neither */
	char *clone_of, *user, *group, *network_of;
	char **extra_groups; /* NULL-terminated */
	bool harden, sees_homes;
	uint64_t ambient;
	char *stdout_path, *stderr_path; /* may be NULL */
	uint64_t file_bytes_max, timeout_ms;
	bool endless;
};

/* -EINVAL: no unit can be made of that, ei says why. deinit is due in any case. */
int transient_spec_init(struct transient_spec *spec,
			const struct transient_options *options, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
void transient_spec_deinit(struct transient_spec *spec) __attribute__((nonnull));

/*
 * From the reply to unit_properties_call(): the unit's network. -ENOTCONN after a
 * break; for other errors ei says why.
 */
int transient_spec_read_network(const struct transient_spec *spec,
				sd_bus_message *reply,
				struct transient_network *ret_network,
				struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Fills StartTransientUnit. clone: the reply about clone_of, NULL without; network NULL
 * = the host's. Errors as above.
 */
int transient_spec_fill(const struct transient_spec *spec, sd_bus_message *message,
			sd_bus_message *clone, const struct transient_network *network,
			struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 5)));
