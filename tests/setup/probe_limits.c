/* Another program's limits, which ctl may not include: these must agree. */
#include "doctor/limits.h"
#include "probe/options.h"

_Static_assert(DOCTOR_PROBE_HEADERS_MAX == PROBE_HEADERS_MAX, "headers of a check");
_Static_assert(DOCTOR_PROBE_HEADER_NAME_MAX == PROBE_HEADER_NAME_MAX,
	       "a header's name");
_Static_assert(DOCTOR_PROBE_STATUS_TEXT_MAX == STATUS_TEXT_MAX, "a list of codes");
