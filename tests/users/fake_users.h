#pragma once

/* What the fake name service does for which uid; below FAKE_UNKNOWN it knows "userN".
 */
#define FAKE_FAILS   1990
#define FAKE_DIES    1991
#define FAKE_GARBAGE 1992
#define FAKE_UNKNOWN 2000
#define FAKE_HANGS   5000 /* and above */
