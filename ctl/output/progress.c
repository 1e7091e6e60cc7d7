#include "output/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "output/json_out.h"
#include "output/terminal.h"

#define LINE_EVERY_MSEC	  10000 /* of a long phase, where there is no bar */
#define RATE_AFTER_MSEC	  500	/* what is measured before is noise */
#define BAR_COLUMNS_MAX	  30
#define BAR_COLUMNS_MIN	  5
#define BAR_FRAME_COLUMNS 10 /* blanks, brackets and the percentage */

void progress_init(struct progress *progress, bool off)
{
	const char *term = getenv("TERM");

	*progress = (struct progress){.off = off,
				      .bar = terminal_stderr() && term &&
					     strcmp(term, "dumb") != 0};
}

char *progress_bytes(int64_t bytes, char ret_text[PROGRESS_BYTES_SIZE])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double number = bytes < 0 ? 0 : (double)bytes;
	size_t unit = 0;

	/* 999.95 would be printed as 1000.0 */
	while (number >= (unit == 0 ? 1000 : 999.95) && unit < 4) {
		number /= 1000;
		unit++;
	}
	(void)snprintf(ret_text, PROGRESS_BYTES_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s",
		       number > 99999 ? 99999 : number, units[unit]);
	return ret_text;
}

/* "12.3 MB of 28.1 MB, 9.8 MB/s" */
static void format_bytes(const struct progress *progress, const json_t *item,
			 int64_t now_ms, char *ret_text, size_t size)
{
	int64_t bytes = json_out_int(item, "bytes", -1),
		total = json_out_int(item, "total_bytes", -1),
		spent_ms = now_ms - progress->phase_ms;
	char one[PROGRESS_BYTES_SIZE], two[PROGRESS_BYTES_SIZE],
		rate[PROGRESS_BYTES_SIZE];
	int n = 0;

	*ret_text = '\0';
	if (bytes <= 0)
		return;
	if (total > 0)
		n = snprintf(ret_text, size, "  %s of %s", progress_bytes(bytes, one),
			     progress_bytes(total, two));
	else
		n = snprintf(ret_text, size, "  %s", progress_bytes(bytes, one));
	if (spent_ms >= RATE_AFTER_MSEC && n > 0 && (size_t)n < size)
		(void)snprintf(ret_text + n, size - (size_t)n, "  %s/s",
			       progress_bytes((bytes - progress->phase_bytes) * 1000 /
						      spent_ms,
					      rate));
}

/* "  [#####-----]  43%" in what is left of the line; nothing without a measure. */
static void format_bar(int64_t percent, unsigned int columns, char *ret_text,
		       size_t size)
{
	char bar[BAR_COLUMNS_MAX + 1];
	unsigned int width, filled;

	*ret_text = '\0';
	if (percent < 0 || percent > 100)
		return;
	if (columns < BAR_COLUMNS_MIN + BAR_FRAME_COLUMNS) {
		(void)snprintf(ret_text, size, "  %3d%%", (int)percent);
		return;
	}
	width = columns - BAR_FRAME_COLUMNS;
	if (width > BAR_COLUMNS_MAX)
		width = BAR_COLUMNS_MAX;
	filled = width * (unsigned int)percent / 100;
	memset(bar, '#', filled);
	memset(bar + filled, '-', width - filled);
	bar[width] = '\0';
	(void)snprintf(ret_text, size, "  [%s]  %3d%%", bar, (int)percent);
}

void progress_format(const struct progress *progress, const json_t *item,
		     int64_t now_ms, unsigned int width, char *ret_text, size_t size)
{
	const char *app = json_out_text(item, "app"),
		   *message = json_out_text(item, "message");
	char head[128], bytes[80], bar[64];
	unsigned int used;

	(void)snprintf(head, sizeof(head), "%s: %s%s%s", app ? app : "",
		       progress->phase, message ? ": " : "", message ? message : "");
	format_bytes(progress, item, now_ms, bytes, sizeof(bytes));
	used = (unsigned int)(strlen(head) + strlen(bytes));
	format_bar(json_out_int(item, "percent", -1), width > used ? width - used : 0,
		   bar, sizeof(bar));
	(void)snprintf(ret_text, size, "%s%s%s", head, bar, bytes);
	if (width > 0 && strlen(ret_text) > width)
		ret_text[width] = '\0';
}

/* The terminal's own progress display (OSC 9;4), only ever together with the bar. */
static void tell_terminal(int64_t percent)
{
	if (percent >= 0 && percent <= 100)
		(void)fprintf(stderr, "\033]9;4;1;%d\033\\", (int)percent);
	else
		(void)fputs("\033]9;4;3;0\033\\", stderr);
}

static void draw(struct progress *progress, const json_t *item, int64_t now_ms)
{
	unsigned int width = terminal_width(STDERR_FILENO);
	cleanup_free char *clean = NULL;
	char text[256];

	/* The last column would wrap. */
	width = width > 1 ? width - 1 : 1;
	progress_format(progress, item, now_ms,
			width < sizeof(text) ? width : sizeof(text) - 1, text,
			sizeof(text));
	clean = terminal_clean(text);
	(void)fprintf(stderr, "\r\033[K%s", clean);
	tell_terminal(json_out_int(item, "percent", -1));
	(void)fflush(stderr);
	progress->drawn = true;
}

static void print_line(struct progress *progress, const json_t *item, int64_t now_ms)
{
	char text[256];

	progress_format(progress, item, now_ms, 0, text, sizeof(text));
	progress->last_line_ms = now_ms;
	terminal_put(stderr, text);
	(void)fputc('\n', stderr);
}

void progress_show(struct progress *progress, const json_t *item, int64_t now_ms)
{
	const char *phase = json_out_text(item, "phase");
	bool is_new = phase && strcmp(phase, progress->phase) != 0;

	/* After "done" comes the result, which may be a failure. */
	if (progress->off || !phase || strcmp(phase, "done") == 0)
		return;
	if (is_new) {
		(void)snprintf(progress->phase, sizeof(progress->phase), "%s", phase);
		progress->phase_ms = now_ms;
		progress->phase_bytes = 0;
	}
	if (progress->bar)
		draw(progress, item, now_ms);
	else if (is_new || now_ms - progress->last_line_ms >= LINE_EVERY_MSEC)
		print_line(progress, item, now_ms);
}

void progress_clear(struct progress *progress)
{
	if (!progress->drawn)
		return;
	(void)fputs("\r\033[K\033]9;4;0\033\\", stderr);
	(void)fflush(stderr);
	progress->drawn = false;
}
