#pragma once

/*
 * A TCP socket whose last close() waits: it lingers, its buffer is full, and the other
 * end, which is here too and stays open until this process ends, never reads.
 */
int lingering_socket(void);
