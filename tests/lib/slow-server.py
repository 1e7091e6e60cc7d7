#!/usr/bin/env python3
"""An HTTP server that health checks suffer from. usage: slow-server.py PORT LOG

The path of a request says what comes; each request's path is a line of LOG, written when it
was read. Nothing here ends by itself before its client goes.
"""
import itertools
import socket
import sys
import threading
import time

OK = b"HTTP/1.1 200 OK\r\n"
PIECE = b"x" * 65536


def drip(connection, pieces):
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(0.05)


def answer(connection, path):
    if path == "/drip-status":
        drip(connection, (bytes([c]) for c in itertools.cycle(b"HTTP/1.1 200 OK ")))
    elif path == "/drip-headers":
        drip(connection, itertools.chain([OK], (b"X-%d: y\r\n" % i for i in itertools.count())))
    elif path == "/drip-body":
        connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n")
        drip(connection, itertools.repeat(b"x"))
    elif path == "/endless-header":
        connection.sendall(OK + b"X-Long: ")
        while True:
            connection.sendall(PIECE)
    elif path == "/endless-headers":
        connection.sendall(OK)
        while True:
            connection.sendall(b"X-Many: y\r\n" * 1000)
    elif path == "/endless-body":
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(PIECE)
    elif path == "/gigabyte":
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % (1 << 30))
        for _ in range((1 << 30) // len(PIECE)):
            connection.sendall(PIECE)
    elif path == "/endless-chunks":
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1\r\nx\r\n" * 1000)
    elif path == "/huge-chunk":
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n")
        while True:
            connection.sendall(PIECE)
    elif path == "/hints":
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)
    elif path == "/redirect":
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /redirect\r\nContent-Length: 0\r\n\r\n")
    elif path == "/half-close":
        connection.sendall(OK + b"Content-Length: 10\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_WR)
    elif path == "/half-read":
        connection.shutdown(socket.SHUT_RD)
    while connection.recv(4096):
        pass


def serve(connection, log):
    with connection:
        try:
            data = connection.recv(4096)
            path = data.split(b" ")[1].decode()
            with open(log, "a") as file:
                file.write(path + "\n")
            answer(connection, path)
        except (OSError, IndexError):
            pass


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[2]), daemon=True).start()


main()
