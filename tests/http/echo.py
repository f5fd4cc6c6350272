# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Python's http.server as a service: notes each request it understood as a line of JSON on standard
output. Started by servers.sh with the port. It reads a body by its Content-Length, as its handlers
do, and closes behind a Transfer-Encoding, which http.server leaves to others.
"""
import http.server
import json
import posixpath
import sys
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def note(self):
        if self.headers.get("Transfer-Encoding"):
            self.send_error(501)
            self.close_connection = True
            return
        try:
            n = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(n) if n >= 0 else b""
        except ValueError:
            self.send_error(400)
            self.close_connection = True
            return
        if len(body) < n:
            self.close_connection = True
            return
        path = posixpath.normpath(urllib.parse.unquote(self.path.split("?")[0], "latin-1"))
        line = json.dumps({
            "server": "python", "client": self.client_address[0], "method": self.command,
            "target": self.path, "host": ",".join(self.headers.get_all("Host", [])),
            "auth": self.headers.get_all("Authorization", []), "body": body.decode("latin-1"),
            "area": "admin" if (path + "/").startswith("/admin/") else ""})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Seen", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = note

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        pass  # a client that went away


Server(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
