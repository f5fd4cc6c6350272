# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What goes over the wire: a client that sends bytes as they are, recorders that stand behind the
proxies and note what each forwarded, and a strict splitter of a stream into requests. Used by
judge.py only. Every connection has a source address of its own, by which all records are joined.
"""
import asyncio
import ctypes
import os
import re
import socket

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

# Several servers put the client's address here; the last one is what they saw.
CLIENT_FIELD = b"x-forwarded-for"


class Request:
    """One request as somebody understood it. Names of its members go into the table."""
    __slots__ = ("method", "target", "host", "auth", "body", "area")

    def __init__(self, method, target, host, auth, body, area=""):
        self.method, self.host, self.auth, self.body, self.area = method, host, auth, body, area
        self.target = target

    def key(self):
        return (self.method, bare_target(self.target), self.host, self.auth, self.body)

    def __repr__(self):
        auth = [a if len(a) < 16 else a[:12] + ".." + a[-3:] for a in self.auth]
        return "%s %s @%s auth=%s body=%d" % (self.method, self.target[:60], self.host[:30], auth,
                                              len(self.body))


def bare_target(target):
    """Origin-form; a proxy may forward the absolute form either way."""
    m = re.match(r"(?i)http://[^/?]*(.*)$", target, re.S)
    if not m:
        return target
    return m.group(1) if m.group(1).startswith("/") else "/" + m.group(1)


def bare_host(host):
    """Lower case, without port, final dot, and the brackets httpd puts around all with a colon."""
    host = re.sub(r":\d*$", "", host.strip().lower()).rstrip(".")
    if re.match(r"\[.*[^0-9a-f:].*\]$|\[:\]$", host):
        return host[1:-1].rstrip(":")
    return host


# ---- splitting ---------------------------------------------------------------------------------

class Broken(Exception):
    pass


def split_one(data):
    """(Request, its bytes, client) of a whole request at the start; None when more must come."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.split(b"\r\n")
    m = re.fullmatch(rb"(\S+) (\S+) HTTP/1\.[01]", lines[0])
    if not m:
        raise Broken("request line %r" % lines[0][:80])
    fields = []
    for line in lines[1:]:
        f = re.fullmatch(rb"([!#-'*+.^-z|~A-Z0-9-]+):[ \t]*(.*?)[ \t]*", line, re.S)
        if not f or b"\n" in line or b"\r" in line or b"\0" in line:
            raise Broken("field %r" % line[:80])
        fields.append((f.group(1).lower(), f.group(2)))
    body = split_body(fields, data[len(head) + 4:])
    if body is None:
        return None
    r = Request(m.group(1).decode("latin-1"), m.group(2).decode("latin-1"),
                bare_host(",".join(values(fields, b"host"))),
                tuple(values(fields, b"authorization")), body[0])
    absolute = re.match(r"(?i)http://([^/?]*)", r.target)
    if absolute:
        r.host = bare_host(absolute.group(1))
    seen = values(fields, b"x-host")
    if seen:
        r.host = bare_host(seen[-1])
    r.area = ",".join(values(fields, b"x-area"))
    client = values(fields, CLIENT_FIELD)
    return r, len(head) + 4 + body[1], client[-1].split(",")[-1].strip() if client else ""


def values(fields, name):
    return [v.decode("latin-1") for n, v in fields if n == name]


def split_body(fields, rest):
    """(body, bytes it takes), or None when it is not whole."""
    lengths, codings = values(fields, b"content-length"), values(fields, b"transfer-encoding")
    if codings:
        if lengths or [c.lower() for c in codings] != ["chunked"]:
            raise Broken("framing %r %r" % (lengths, codings))
        return split_chunks(rest)
    if not lengths:
        return b"", 0
    if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
        raise Broken("length %r" % lengths)
    n = int(lengths[0])
    return (rest[:n], n) if len(rest) >= n else None


def split_chunks(rest):
    body, at = b"", 0
    while True:
        m = re.compile(rb"([0-9a-fA-F]+)\r\n").match(rest, at)
        if not m:
            if b"\n" in rest[at:at + 400]:
                raise Broken("chunk %r" % rest[at:at + 40])
            return None
        n, at = int(m.group(1), 16), m.end()
        if not n:
            break
        if len(rest) < at + n + 2:
            return None
        if rest[at + n:at + n + 2] != b"\r\n":
            raise Broken("behind a chunk %r" % rest[at + n:at + n + 10])
        body += rest[at:at + n]
        at += n + 2
    m = re.compile(rb"([^\r\n:\0 \t]+:[^\r\n\0]*\r\n)*\r\n").match(rest, at)
    if len(rest) - at > 8192 and b"\r\n\r\n" not in rest[at - 2:at + 8192]:
        raise Broken("trailers beyond 8 KiB")
    return (body, m.end()) if m else None


def split(data):
    """([Request...], rest): the rest is an incomplete request or nothing."""
    out = []
    while data:
        one = split_one(data)
        if one is None:
            break
        out.append(one[0])
        data = data[one[1]:]
    return out, data


# ---- recorders ---------------------------------------------------------------------------------

def answer(request, close=False):
    body = b"" if request.method == "HEAD" else b"ok"
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: 1\r\n" + \
        (b"Connection: close\r\n" if close else b"") + b"\r\n" + body


class Recorder(asyncio.Protocol):
    """Notes each request; behind a proxy (name), or as the service itself (raw: all bytes, too)."""

    def __init__(self, book, name, raw):
        self.book, self.name, self.raw, self.data = book, name, raw, b""
        self.waited = False

    def connection_made(self, transport):
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[0]

    def data_received(self, data):
        if self.raw:
            self.book.bytes[self.peer] = self.book.bytes.get(self.peer, b"") + data
        self.data += data
        try:
            while self.data:
                one = split_one(self.data)
                if one is None:
                    self.go_on()
                    return
                self.data = self.data[one[1]:]
                self.book.note(self.name, self.peer if self.raw else one[2], one[0])
                self.transport.write(answer(one[0], not self.raw))
                if not self.raw:
                    self.transport.close()
                    if self.data:
                        raise Broken("the proxy sent more than one request")
                    return
        except Broken as e:
            self.book.note_broken(self.name, self.peer if self.raw else "", str(e), self.data)
            self.transport.abort()

    def go_on(self):
        """A proxy may wait for this before it forwards the body."""
        if not self.raw and not self.waited and b"\r\n\r\n" in self.data and \
                re.search(rb"(?i)\nexpect: *100-continue", self.data):
            self.waited = True
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def eof_received(self):
        return False


class Book:
    """All records: (server, client address) to requests in order; raw bytes by client address."""

    def __init__(self):
        self.seen, self.bytes, self.broken = {}, {}, []

    def note(self, server, client, request):
        self.seen.setdefault((server, client), []).append(request)

    def note_broken(self, server, client, why, data):
        """Bytes of a proxy, or of the guard, that no strict reader accepts."""
        told = re.search(rb"(?i)\nx-forwarded-for: *([0-9.]+)", data)
        client = client or (told.group(1).decode() if told else "unknown")
        self.broken.append((server, client, why, data))

    def knows(self, server):
        return any(name == server and client for name, client in self.seen)

    def of(self, server, client):
        return self.seen.get((server, client), [])

    async def listen(self, name, host, port, raw=False):
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Recorder(self, name, raw), host, port, backlog=1024)


# ---- client ------------------------------------------------------------------------------------

class Spaces:
    """Makes sockets in a named network namespace while the process lives in its own."""

    def __init__(self, path):
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.other = os.open(path, os.O_RDONLY)

    def socket(self, far, address):
        if far and libc.setns(self.other, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            if far and libc.setns(self.own, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        s.setblocking(False)
        s.bind((address, 0))
        return s


class Client(asyncio.Protocol):
    def __init__(self):
        self.data = b""
        self.over = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.data += data

    def connection_lost(self, exc):
        if not self.over.done():
            self.over.set_result("reset" if exc else "end")


async def exchange(sock, address, pieces, patience):
    """Sends the pieces, half-closes, reads to the end. (bytes that came back, how it ended)."""
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.sock_connect(sock, address), 20)
    except (OSError, asyncio.TimeoutError) as e:
        sock.close()
        return b"", "no connection: %r" % e
    transport, client = await loop.create_connection(Client, sock=sock)
    for piece in pieces:
        transport.write(piece)
    try:
        if not transport.is_closing():
            transport.write_eof()
    except OSError:
        pass  # the other side was faster
    try:
        end = await asyncio.wait_for(asyncio.shield(client.over), patience)
    except asyncio.TimeoutError:
        end = "open"
    transport.abort()
    return client.data, end


OWN = -200  # a request that the server answered without asking what stands behind it


def statuses(data):
    """The status of each final answer in a stream, in order; OWN for a 200 of the server itself."""
    out = []
    for head in re.finditer(rb"(?:^|[\n}>]|ok)HTTP/1\.[01] (\d{3})(.*?)\r\n\r\n", data, re.S):
        status = int(head.group(1))
        if status >= 200:
            out.append(OWN if status == 200 and b"\nX-Seen: 1" not in head.group(2) else status)
    return out
