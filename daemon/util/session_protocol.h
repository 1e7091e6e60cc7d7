#pragma once

/*
 * What deployd and a deployd-session process say to each other.
 *
 * A session is the unprivileged process that speaks Varlink with one client. It owns
 * every fd that the client pushes: closing, reading or even looking at one of those can
 * hang for ever, so none of them ever reaches deployd. That is why the channel consists
 * of three fds, made by deployd, and none of them can carry an fd up:
 *
 *   SESSION_WORDS_FD  pipe, deployd writes: words down
 *   SESSION_REPORT_FD pipe, deployd reads: words up
 *   SESSION_FDS_FD    unix stream socket whose receiving side deployd has shut: fds
 *                     down. One byte with one fd in its SCM_RIGHTS for each word that
 *                     says so below. The session reads from it only when such a word
 *                     has arrived: until the session has said "taken", the socket's
 *                     queue holds the client's connection, not a process that may be
 *                     killed.
 *
 * A word is a JSON object that ends in NUL (the framing of Varlink), with a member
 * "type". Unknown members are ignored, an unknown type ends the session: both programs
 * are from one package, and "version" shows when they are not.
 *
 * Words down:
 *   connection  + fd: the client's socket. requestTimeoutMs: for a whole request, and
 *               for the client to read its replies. refuse: null, or {error,
 *               parameters}: answer the client with this at once, and exit.
 *   reply       request, continues, error (null or the error's name), parameters.
 *               Without continues it ends the request, and the next may be sent up.
 *   archive     request, index: read ahead (SESSION_AHEAD_BYTES) from that fd of the
 *               request, which is kept when the request ends. One at a time: the next
 *               only when the previous one was written completely, failed or was
 *               dropped.
 *   pump        + fd: the write end of a pipe. Write the complete archive into it, and
 *               close it.
 *   drop        the archive is no longer wanted.
 *   lines       request; + fd: the read end of a pipe. Send its lines to the client as
 *               replies that continue, {"lines": [TEXT...]}, no faster than the client
 *               reads them.
 *   ping        number: answer with pong.
 *   close       no more words will come: send the buffered output, and exit.
 *
 * A word about a request that is not under way is late, and is ignored.
 *
 * Words up:
 *   ready       version. Sent once, first.
 *   taken       the client's socket is held.
 *   request     request (1, 2, ... in order; the next only after the last reply of the
 *               one before), call: the Varlink call as the client sent it, nested at
 *               most VARLINK_DEPTH_MAX - 1 deep, fds: how many came with it. None of it
 *               can be trusted.
 *   archive     state: "flows" (a job may take its turn: it is a regular file, or
 *               SESSION_AHEAD_BYTES have arrived), "complete" (read to its end),
 *               "failed" (message; result: the name of an enum deploy_result). bytes:
 *               read so far; total: integer or null. A small stream goes to "complete"
 *               at once. "complete" and "failed" are sent before the archive's pipe is
 *               closed: an archive whose pipe ends without "complete" is incomplete.
 *   lines-end   request: the pipe of lines has ended, and the client was sent them all.
 *   pong        number.
 *   gone        the client has hung up. The session stays while its archive is wanted.
 *               If it holds fds of the request under way, which may become an archive,
 *               it stays until the last reply, drop or close, or until a time is over.
 *   trouble     what: one of the SESSION_TROUBLE names; the session closes the
 *               connection for it.
 */

#define SESSION_PROTOCOL_VERSION 1

#define SESSION_WORDS_FD  3
#define SESSION_REPORT_FD 4
#define SESSION_FDS_FD	  5

/* Read ahead of the job's turn; also what makes an archive "flow". */
#define SESSION_AHEAD_BYTES (4u << 20)

/* fds with one request. */
#define SESSION_FDS_MAX 8

/* A word: a Varlink message and the object around it. */
#define SESSION_WORD_BYTES_MAX ((1u << 20) + 4096)

/* Beyond this much unread output, replies that continue are dropped. */
#define SESSION_OUTPUT_BYTES_MAX (256u << 10)

#define SESSION_TROUBLE_TIMEOUT	  "timeout"   /* no complete request arrived in time */
#define SESSION_TROUBLE_MALFORMED "malformed" /* not a Varlink call */
#define SESSION_TROUBLE_TOO_LARGE "too-large" /* request too large or too many fds */
#define SESSION_TROUBLE_STALLED	  "stalled"   /* the client does not read its replies */

/*
 * deployd and the spawner (deployd-sessions). deployd connects to SESSIONS_SOCKET_PATH
 * and shuts the receiving side of its socket. Its first message is one byte with one
 * fd, the write end of the pipe for the spawner's words; each further message is
 * "NUMBER\n" with three fds in its SCM_RIGHTS, in the order of the table above: start
 * a session with them. The spawner writes lines: "started NUMBER PID\n" and, once it
 * has reaped the process, "ended NUMBER\n". It reads nothing else from anybody and
 * holds no fd of a client.
 */
#define SESSIONS_SOCKET_PATH "/run/deployd/sessions"
