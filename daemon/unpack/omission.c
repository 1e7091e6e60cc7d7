#include "unpack/omission.h"

#include <stdio.h>

#include "deploy/names.h"

void omission_add(struct omission *omission, const char *path)
{
	if (omission->entries++ == 0)
		(void)names_escape(path, omission->first, sizeof(omission->first));
}

char *omissions_text(const struct omissions *omissions,
		     char ret_text[OMISSION_TEXT_BYTES])
{
	const struct omission *stripped = &omissions->stripped;
	const struct omission *apple = &omissions->apple_double;
	const struct omission *too_short = &omissions->too_short;
	size_t length = 0;

	ret_text[0] = '\0';
	if (stripped->entries > 0)
		length = (size_t)snprintf(
			ret_text, OMISSION_TEXT_BYTES,
			"capabilities, ACLs and extended attributes were left out "
			"(entries: %llu, first '%s'); what needs a capability gets it "
			"from AmbientCapabilities= of the unit",
			(unsigned long long)stripped->entries, stripped->first);
	if (apple->entries > 0)
		length += (size_t)snprintf(
			ret_text + length, OMISSION_TEXT_BYTES - length,
			"%sfiles ._* of macOS were left out (%llu, first '%s'); "
			"`COPYFILE_DISABLE=1 tar` does not pack them",
			length > 0 ? "; " : "", (unsigned long long)apple->entries,
			apple->first);
	if (too_short->entries > 0 && length < OMISSION_TEXT_BYTES)
		(void)snprintf(ret_text + length, OMISSION_TEXT_BYTES - length,
			       "%sstrip_components left out what is not deep enough "
			       "(%llu, first '%s')",
			       length > 0 ? "; " : "",
			       (unsigned long long)too_short->entries,
			       too_short->first);
	return ret_text;
}
