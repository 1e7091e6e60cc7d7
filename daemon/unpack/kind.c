#include "unpack/kind.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define PACK_AGAIN "; tar, tar.gz, tar.bz2, tar.xz and tar.zst are taken"

struct magic {
	const char *bytes;
	size_t length;
	const char *words;
};

static const struct magic magics[] = {
	{"\x04\x22\x4d\x18", 4, "is compressed with lz4" PACK_AGAIN},
	{"LZIP", 4, "is compressed with lzip" PACK_AGAIN},
	{"\x5d\0\0", 3, "is compressed with lzma" PACK_AGAIN},
	{"\x89LZO", 4, "is compressed with lzop" PACK_AGAIN},
	{"\x1f\x9d", 2, "is compressed with compress" PACK_AGAIN},
	{"\xff\x06\0\0sNaPpY", 10, "is compressed with snappy" PACK_AGAIN},
	{"PK\x03\x04", 4, "is a zip file (a jar is one, too)" PACK_AGAIN},
	{"PK\x05\x06", 4, "is an empty zip file"},
	{"7z\xbc\xaf\x27\x1c", 6, "is a 7z file" PACK_AGAIN},
	{"Rar!", 4, "is a rar file" PACK_AGAIN},
	{"07070", 5, "is a cpio archive" PACK_AGAIN},
	{"\xc7\x71", 2, "is a cpio archive" PACK_AGAIN},
	{"\xed\xab\xee\xdb", 4, "is an rpm package"},
	{"!<arch>\ndebian", 14, "is a deb package"},
	{"!<arch>\n", 8, "is an ar archive" PACK_AGAIN},
	{"\x7f"
	 "ELF",
	 4, "is a program (ELF), not an archive of one"},
	{"hsqs", 4, "is a squashfs image"},
	{"#mtree", 6, "is an mtree listing"},
	{"#!", 2, "is a script"},
	{"%PDF", 4, "is a PDF file"},
	{"-----BEGIN ", 11, "is a PEM file (a key, or something signed)"},
	{"version https://git-lfs", 23,
	 "is a pointer of Git LFS, not the file; `git lfs pull` fetches that"},
};

static bool begins_text(const unsigned char *bytes, size_t length, const char *start)
{
	return length >= strlen(start) &&
	       strncasecmp((const char *)bytes, start, strlen(start)) == 0;
}

static bool is_text(const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] < ' ' && !strchr("\t\n\r\f", bytes[i]))
			return false;
		if (bytes[i] == '\0' || bytes[i] >= 0x7f)
			return false;
	}
	return length > 0;
}

const char *kind_of(const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		const struct magic *magic = &magics[i];

		if (length >= magic->length &&
		    memcmp(bytes, magic->bytes, magic->length) == 0)
			return magic->words;
	}
	while (length > 0 && bytes[0] != '\0' && strchr(" \t\r\n", bytes[0])) {
		bytes++;
		length--;
	}
	if (begins_text(bytes, length, "<!doctype html") ||
	    begins_text(bytes, length, "<html"))
		return "is an HTML page; a download that needs a login gives one";
	if (begins_text(bytes, length, "<?xml"))
		return "is an XML document; a download that failed gives one";
	if (length > 0 && (bytes[0] == '{' || bytes[0] == '['))
		return is_text(bytes, length)
			       ? "is JSON; a download that failed gives it"
			       : NULL;
	return is_text(bytes, length) ? "is a text file" : NULL;
}
