#pragma once

/* What deployd-probe takes of a health check; a test holds them against its own. */
#define DOCTOR_PROBE_HEADERS_MAX     16
#define DOCTOR_PROBE_HEADER_NAME_MAX 128 /* bytes */
#define DOCTOR_PROBE_STATUS_TEXT_MAX 256 /* bytes of the list */
