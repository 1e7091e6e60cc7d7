#pragma once

/*
 * What a configuration may ask for and another program must be able to do. Both sides
 * have their bound from here: what --check accepts works.
 */

/* The oldest systemd that deployd runs with: Debian 12 */
#define SYSTEMD_VERSION_MIN 252

/* [health_check NAME], and what deployd-probe takes */
#define HEALTH_STATUS_MIN      100
#define HEALTH_STATUS_MAX      599
#define HEALTH_STATUS_TEXT_MAX 1335 /* bytes of a list without overlaps: 167 pairs */
#define HEALTH_HEADERS_MAX     16
#define HEALTH_HEADER_NAME_MAX 128     /* bytes */
#define HEALTH_HEADER_MAX      4096    /* bytes, with its name */
#define HEALTH_HOST_MAX	       253     /* bytes: a name in the DNS */
#define HEALTH_TIMEOUT_MS_MAX  3600000 /* an hour */

/* Of the directories of an app; what is made of one still fits any buffer. */
#define APP_DIR_MAX 400 /* bytes */

/* All of require_files together, in a request to deployd-store */
#define REQUIRE_FILES_MAX 262144 /* bytes */

/* linked_dirs and linked_files */
#define LINKED_PATHS_MAX 64  /* paths in each of the two options */
#define LINKED_PATH_MAX	 255 /* bytes of one of them */

/* An archive, and what deployd-unpack and deployd-store take */
#define RELEASE_DEPTH_MAX    128   /* directories in directories */
#define UNPACK_SEC_MAX	     86400 /* also for intake_idle_sec */
#define STRIP_COMPONENTS_MAX 8	   /* parts in front of every name of an archive */
