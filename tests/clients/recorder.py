#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Says what a service received, for the tests with real clients.

Runs behind nginx on a Unix socket (first argument). The answer is one line: the method, the body's
length and SHA-256, and the SHA-256 of the request target and of the Cookie line. It must never
answer from anything but the bytes it read.
"""
import hashlib
import http.server
import socketserver
import sys


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Recorder(http.server.BaseHTTPRequestHandler):
    def record(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fields = (
            self.command,
            len(body),
            digest(body),
            digest(self.path.encode()),
            digest(self.headers.get("Cookie", "").encode()),
        )
        answer = ("%s %d %s %s %s\n" % fields).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = record

    def address_string(self):
        return "nginx"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024


Server(sys.argv[1], Recorder).serve_forever()
