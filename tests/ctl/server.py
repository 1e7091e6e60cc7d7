"""A Varlink server that does what a test says: no deployd, only its side of the wire."""
import array
import json
import os
import socket
import tempfile
import threading

TIMEOUT_SEC = 20  # of everything that waits


class Connection:
    """One client. Messages end in a NUL; fds come with the first byte."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(TIMEOUT_SEC)
        self.data = b""
        self.fds = []

    def receive(self):
        """The next call; None when the client has hung up."""
        while b"\0" not in self.data:
            data, control, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16))
            for level, kind, content in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds = array.array("i")
                    fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
                    self.fds += fds
            if not data:
                return None
            self.data += data
        message, self.data = self.data.split(b"\0", 1)
        return json.loads(message)

    def archive(self):
        """All that the passed descriptor has, read as deployd does."""
        with os.fdopen(self.fds.pop(0), "rb") as file:
            return file.read()

    def send(self, **message):
        self.sock.sendall(json.dumps(message).encode() + b"\0")

    def reply(self, **parameters):
        self.send(parameters=parameters)

    def progress(self, **progress):
        self.send(continues=True, parameters={"progress": progress})

    def error(self, name, **parameters):
        if "." not in name:
            name = "io.deployd." + name
        self.send(error=name, parameters=parameters)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.sock.close()


class Server:
    """Hands each connection, in order, to the next of the handlers."""

    def __init__(self, *handlers):
        self.dir = tempfile.TemporaryDirectory()
        os.chmod(self.dir.name, 0o755)
        self.path = os.path.join(self.dir.name, "socket")
        self.handlers = list(handlers)
        self.calls = []
        self.failure = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(TIMEOUT_SEC)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            for handler in self.handlers:
                connection = Connection(self.listener.accept()[0])
                handler(self, connection)
                connection.close()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure
        self.listener.close()

    def receive(self, connection):
        call = connection.receive()
        self.calls.append(call)
        return call

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.thread.join(TIMEOUT_SEC)
        self.dir.cleanup()
        if kind is None and self.failure:
            raise self.failure
        if kind is None and self.thread.is_alive():
            raise TimeoutError("the client never did what was waited for")
