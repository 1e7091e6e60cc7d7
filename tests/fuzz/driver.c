/*
 * main() of a fuzz target in builds without libFuzzer: runs it once on every file
 * named, and on every file of a directory named.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		exit(1);
	}
	/* Exactly as large as the input, so that ASan sees a read behind it. */
	data = malloc((size_t)st.st_size);
	if (st.st_size > 0 &&
	    (!data || fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size)) {
		perror(path);
		exit(1);
	}
	(void)fclose(file);
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

static unsigned int run_directory(const char *path)
{
	char file[4096];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir = opendir(path);

	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		run_file(file);
		n++;
	}
	(void)closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			n += run_directory(argv[i]);
		} else {
			run_file(argv[i]);
			n++;
		}
	}
	(void)printf("%u inputs\n", n);
	return n > 0 ? 0 : 1;
}
