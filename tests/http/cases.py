# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The corpus: byte streams that HTTP servers are known, or likely, to read in different ways, and
plain ones beside them. judge.py sends them. A case says what must become of it:

    pass    ordinary traffic: every request in it must be admitted
    refuse  the first request must not reach the service
    any     only the rule counts: what is admitted is read alike by everybody

Most streams end in CANARY, a second request that comes out wrong when the first one's length is
read wrongly. /orders wants the token, /admin wants one that nobody here has, all else is public.
Nothing here may depend on the server it is sent to.
"""
import json
import os

HOST = b"Host: h.test\r\n"
CANARY = b"GET /canary HTTP/1.1\r\n" + HOST + b"\r\n"
HIDDEN = b"GET /admin/hidden HTTP/1.1\r\n" + HOST + b"\r\n"


class Case:
    def __init__(self, group, name, data, expect):
        self.group, self.name, self.data, self.expect = group, name, data, expect


def short(text):
    """A printable name for some bytes."""
    text = text if len(text) < 60 else text[:40] + b"...%d" % len(text)
    return text.decode("latin-1").encode("unicode_escape").decode().replace(" ", "\\s")


class Corpus:
    def __init__(self, token):
        self.cases, self.names, self.group = [], set(), ""
        self.auth = b"Authorization: Bearer " + token + b"\r\n"
        self.token = token

    def add(self, name, data, expect="any"):
        if name in self.names:
            raise ValueError("two cases are named " + name)
        self.names.add(name)
        self.cases.append(Case(self.group, name, data, expect))

    def post(self, lines, body, line=b"POST /orders HTTP/1.1\r\n"):
        return line + HOST + self.auth + lines + b"\r\n" + body + CANARY

    def get(self, lines, line=b"GET /orders HTTP/1.1\r\n"):
        return self.post(lines, b"", line)


# ---- length ------------------------------------------------------------------------------------

CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

# A body of which one reading ends early and shows HIDDEN.
CL_TE = b"0\r\n\r\n" + HIDDEN
TE_CL = b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"
TE_CL_LENGTH = TE_CL.index(b"\r\n") + 2

ENCODINGS = [
    b"Transfer-Encoding: Chunked", b"Transfer-Encoding: CHUNKED", b"transfer-encoding:chunked",
    b"Transfer-Encoding:  chunked", b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: \tchunked", b"Transfer-Encoding: chunked ",
    b"Transfer-Encoding: chunked\t", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked", b"X: x\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chun\r\n ked",
    b"Transfer-Encoding: chunked\r\n ", b"Transfer-Encoding:", b"Transfer-Encoding: ",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding: gzip", b"Transfer-Encoding: x",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: , chunked",
    b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: chunked; a=b",
    b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunkedx", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked x", b"Transfer-Encoding: x chunked", b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: cow", b"Transfer-Encoding: \x00chunked",
    b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: \x0cchunked", b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: chunked\xa0", b"Transfer-Encoding: \xffchunked",
    b"Transfer-Encoding: \x7fchunked", b"Transfer-Encoding: \x1bchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked", b"Transfer Encoding: chunked", b"TransferEncoding: chunked",
    b"Transfer-Encoding\x00: chunked", b"\x00Transfer-Encoding: chunked",
    b"\xefTransfer-Encoding: chunked", b"Transfer-Encoding\xa0: chunked",
    b"X:x\nTransfer-Encoding: chunked", b"X:x\rTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\n", b"Transfer-Encoding\r\n: chunked",
    b"Transfer-\r\nEncoding: chunked", b"Transfer-Encoding; chunked",
    b"Transfer-Encoding= chunked", b"Transfer-Encoding chunked", b"Transfer-Encoding:: chunked",
    b":Transfer-Encoding: chunked", b"X: x\r\n\r\nTransfer-Encoding: chunked",
    b"X: x\nTransfer-Encoding: chunked\n", b"TE: chunked", b"Content-Encoding: chunked",
    b"X-Transfer-Encoding: chunked", b"Transfer-Encoding-X: chunked",
]

LENGTHS = [
    b"Content-Length:5", b"Content-Length:  5", b"Content-Length:\t5", b"Content-Length: 5 ",
    b"Content-Length: 5\t", b"Content-Length : 5", b"Content-Length\t: 5", b" Content-Length: 5",
    b"content-length: 5", b"CONTENT-LENGTH: 5", b"Content-Length: +5", b"Content-Length: -5",
    b"Content-Length: 0x5", b"Content-Length: 05", b"Content-Length: 0000000000005",
    b"Content-Length: 00000000000000000000000005", b"Content-Length: 5, 5",
    b"Content-Length: 5,5", b"Content-Length: 5,", b"Content-Length: ,5", b"Content-Length: 5, 6",
    b"Content-Length: 5 5", b"Content-Length: 5;a", b"Content-Length: 5.0",
    b"Content-Length: 5e0", b"Content-Length: 5_0", b"Content-Length: \"5\"",
    b"Content-Length: five", b"Content-Length:", b"Content-Length: ", b"Content-Length: 5\x00",
    b"Content-Length: \x005", b"Content-Length: 5\x0b", b"Content-Length: \x0c5",
    b"Content-Length: \xa05", b"Content-Length: \xd9\xa5",
    b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 0",
    b"Content-Length: 0\r\nContent-Length: 5", b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nContent-Length:", b"Content_Length: 5", b"Content.Length: 5",
    b"Content Length: 5", b"ContentLength: 5", b"Content-Length\x00: 5", b"Content-Length:\r\n 5",
    b"Content-Length: 5\r\n 0", b"Content-Length: \r\n\t5", b"X: x\nContent-Length: 5",
    b"X: x\rContent-Length: 5", b"Content-Length: 5\n", b"X: x\r\n Content-Length: 5",
    b"Content-Length: 0\r\nContent_Length: 5", b"Content-Length: 5\r\nConnection: Content-Length",
    b"Content-Length: 5\r\nConnection: close, Content-Length",
    b"Content-Length: 5\r\nConnection: content-length, keep-alive",
    b"Content-Length: 5\r\nTrailer: Content-Length", b"Content-Length: 9223372036854775807",
    b"Content-Length: 9223372036854775808", b"Content-Length: 18446744073709551616",
    b"Content-Length: 18446744073709551621", b"Content-Length: 4294967301",
    b"Content-Length: 36893488147419103237", b"Content-Length: 1099511627781",
    b"Content-Length: 0", b"X-Content-Length: 5", b"Content-Length-X: 5",
]

CHUNK_BODIES = [
    (b"5\r\nhello\r\n0\r\n\r\n", "pass"), (b"05\r\nhello\r\n0\r\n\r\n", "pass"),
    (b"a\r\nhellohello\r\n0\r\n\r\n", "pass"), (b"A\r\nhellohello\r\n0\r\n\r\n", "pass"),
    (b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "pass"), (b"0\r\n\r\n", "pass"), (b"00\r\n\r\n", "any"),
    (b"0000000000000005\r\nhello\r\n0\r\n\r\n", "any"),
    (b"00000000000000005\r\nhello\r\n0\r\n\r\n", "any"),
    (b"0" * 300 + b"5\r\nhello\r\n0\r\n\r\n", "refuse"), (b"0x5\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"+5\r\nhello\r\n0\r\n\r\n", "refuse"), (b"-5\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b" 5\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5 \r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"\t5\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5\t\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"5;a\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5;a=b\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5 ;a\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"5;\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5;\nhello\r\n0\r\n\r\n", "refuse"),
    (b"5;a\nhello\r\n0\r\n\r\n", "refuse"), (b"5\nhello\n0\n\n", "refuse"),
    (b"5\nhello\r\n0\r\n\r\n", "refuse"), (b"5\r\nhello\n0\r\n\r\n", "refuse"),
    (b"5\r\nhello\r\n0\n\r\n", "refuse"), (b"5\r\nhello\r\n0\r\n\n", "refuse"),
    (b"5\rhello\r\n0\r\n\r\n", "refuse"), (b"5\r\rhello\r\n0\r\n\r\n", "refuse"),
    (b"5\r\nhello0\r\n\r\n", "refuse"), (b"5\r\nhello\r0\r\n\r\n", "refuse"),
    (b"5\r\nhelloX\r\n0\r\n\r\n", "refuse"), (b"5\r\nhelloXX0\r\n\r\n", "refuse"),
    (b"5\r\nhello\r\n\r\n0\r\n\r\n", "refuse"), (b"\r\n5\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"g\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5g\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"5.0\r\nhello\r\n0\r\n\r\n", "refuse"), (b"5\x00\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"\r\n\r\n", "refuse"), (b";\r\n\r\n", "refuse"),
    (b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"10000000000000005\r\nhello\r\n0\r\n\r\n", "refuse"),
    (b"100000005\r\nhello\r\n0\r\n\r\n", "any"),
    (b"8000000000000000\r\nhello\r\n0\r\n\r\n", "refuse"), (b"-0\r\n\r\n", "refuse"),
    (b"0;\r\n\r\n", "refuse"), (b"0 \r\n\r\n", "refuse"), (b"0x0\r\n\r\n", "refuse"),
]

TRAILERS = [
    (b"X: y\r\n", "pass"), (b"X: y\r\nZ: w\r\n", "pass"), (b"Content-Length: 40\r\n", "any"),
    (b"Transfer-Encoding: chunked\r\n", "any"), (b"Host: other.test\r\n", "any"),
    (b"Authorization: Bearer other\r\n", "any"), (b"Connection: close\r\n", "any"),
    (b"X : y\r\n", "refuse"), (b" X: y\r\n", "refuse"), (b"X: y\r\n z\r\n", "refuse"),
    (b"X\r\n", "refuse"), (b": y\r\n", "refuse"), (b"X: y\n", "refuse"),
    (b"X: y\rZ: w\r\n", "refuse"), (b"X: \x00\r\n", "refuse"),
    (b"X: " + b"a" * 9000 + b"\r\n", "refuse"), (b"GET /admin/hidden HTTP/1.1\r\n", "refuse"),
]


def lengths(c):
    c.group = "lengths"
    c.add("length plain", c.post(b"Content-Length: 5\r\n", b"hello"), "pass")
    c.add("chunked plain", c.post(b"Transfer-Encoding: chunked\r\n", CHUNKED), "pass")
    c.add("no body", c.get(b""), "pass")
    for v in LENGTHS:
        expect = "pass" if v.lower() == b"content-length: 5" or v == b"Content-Length:5" else "any"
        c.add("length " + short(v), c.post(v + b"\r\n", b"hello"), expect)
        c.add("length, hidden " + short(v), c.post(v + b"\r\n", b"hello" + HIDDEN[:-2] + b"X: "))
    for v in ENCODINGS:
        te = v + b"\r\n"
        c.add("coding " + short(v), c.post(te, CHUNKED))
        cl = b"Content-Length: %d\r\n" % len(CL_TE)
        c.add("CL.TE " + short(v), c.post(cl + te, CL_TE))
        c.add("TE.CL " + short(v), c.post(te + b"Content-Length: %d\r\n" % TE_CL_LENGTH, TE_CL))
    for body, expect in CHUNK_BODIES:
        name = short(body if not body.startswith(b"0" * 300) else b"0*300")
        c.add("chunks " + name, c.post(b"Transfer-Encoding: chunked\r\n", body), expect)
    for line, expect in TRAILERS:
        c.add("trailer " + short(line), c.post(b"Transfer-Encoding: chunked\r\n",
              b"5\r\nhello\r\n0\r\n" + line + b"\r\n"), expect)
    for member in (b"Content-Length;x", b"close Content-Length", b"x;content-length"):
        c.add("length, connection " + short(member), c.post(b"Connection: " + member
              + b"\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN))
    for member in (b"Transfer-Encoding;x", b"close Transfer-Encoding", b"x;transfer-encoding"):
        c.add("chunked, connection " + short(member), c.post(b"Connection: " + member
              + b"\r\nTransfer-Encoding: chunked\r\n", TE_CL))
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    c.add("both, HTTP/1.0", c.post(both, CHUNKED, b"POST /orders HTTP/1.0\r\n"), "refuse")
    c.add("chunked, HTTP/1.0", c.post(b"Transfer-Encoding: chunked\r\n", CHUNKED,
          b"POST /orders HTTP/1.0\r\n"), "refuse")
    c.add("chunked, HTTP/1.0 keep-alive", c.post(
          b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
          CHUNKED, b"POST /orders HTTP/1.0\r\n"), "refuse")
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"PATCH"):
        line = method + b" /orders HTTP/1.1\r\n"
        m = method.decode()
        c.add(m + " with length", c.post(b"Content-Length: 5\r\n", b"hello", line), "pass")
        c.add(m + " chunked", c.post(b"Transfer-Encoding: chunked\r\n", CHUNKED, line), "pass")
        c.add(m + " with hidden body", c.post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN,
              line))
    c.add("POST without length", c.post(b"", b""), "pass")
    c.add("POST without length, body", c.post(b"", b"hello=1"))
    c.add("body shorter than length", b"POST /orders HTTP/1.1\r\n" + HOST + c.auth
          + b"Content-Length: 500\r\n\r\nhello" + CANARY)


# ---- request line ------------------------------------------------------------------------------

LINES = [
    (b"GET /orders HTTP/1.0", "pass"), (b"GET /orders HTTP/1.2", "refuse"),
    (b"GET /orders HTTP/2.0", "refuse"), (b"GET /orders HTTP/0.9", "refuse"),
    (b"GET /orders HTTP/1.10", "refuse"), (b"GET /orders HTTP/1.01", "refuse"),
    (b"GET /orders HTTP/01.1", "refuse"), (b"GET /orders HTTP/1", "refuse"),
    (b"GET /orders HTTP/1.", "refuse"), (b"GET /orders http/1.1", "refuse"),
    (b"GET /orders Http/1.1", "refuse"), (b"GET /orders HTTP /1.1", "refuse"),
    (b"GET /orders HTTP/ 1.1", "refuse"), (b"GET /orders HTTP/1.1 ", "refuse"),
    (b"GET /orders HTTP/1.1\t", "refuse"), (b"GET /orders  HTTP/1.1", "refuse"),
    (b"GET  /orders HTTP/1.1", "refuse"), (b"GET\t/orders HTTP/1.1", "refuse"),
    (b"GET /orders\tHTTP/1.1", "refuse"), (b" GET /orders HTTP/1.1", "refuse"),
    (b"\tGET /orders HTTP/1.1", "refuse"), (b"GET\x0b/orders HTTP/1.1", "refuse"),
    (b"GET /orders\x0cHTTP/1.1", "refuse"), (b"GET /orders HTTP/1.1\x00", "refuse"),
    (b"GET /orders\x00 HTTP/1.1", "refuse"), (b"GET /orders", "refuse"),
    (b"GET /orders ", "refuse"), (b"GET", "refuse"), (b"GET HTTP/1.1", "refuse"),
    (b"GET  HTTP/1.1", "refuse"), (b"GET /orders HTTP/1.1 HTTP/1.1", "refuse"),
    (b"GET /orders x HTTP/1.1", "refuse"), (b"GET /orders HTTPS/1.1", "refuse"),
    (b"GET /orders ICE/1.0", "refuse"), (b"GET /orders RTSP/1.0", "refuse"),
    (b"GET /orders XTTP/1.1", "refuse"), (b"get /orders HTTP/1.1", "refuse"),
    (b"Get /orders HTTP/1.1", "refuse"), (b"GET\x00 /orders HTTP/1.1", "refuse"),
    (b"G\x00ET /orders HTTP/1.1", "refuse"), (b"G-T /orders HTTP/1.1", "refuse"),
    (b"G_T /orders HTTP/1.1", "refuse"), (b"GET2 /orders HTTP/1.1", "refuse"),
    (b"G:T /orders HTTP/1.1", "refuse"), (b"PROPFIND /orders HTTP/1.1", "any"),
    (b"M-SEARCH /orders HTTP/1.1", "any"), (b"FROB /orders HTTP/1.1", "any"),
    (b"GETX /orders HTTP/1.1", "any"), (b"GE /orders HTTP/1.1", "any"),
    (b"G /orders HTTP/1.1", "any"), (b"A" * 40 + b" /orders HTTP/1.1", "refuse"),
    (b"TRACE /orders HTTP/1.1", "refuse"), (b"TRACK /orders HTTP/1.1", "any"),
    (b"SOURCE /orders HTTP/1.1", "any"), (b"PURGE /orders HTTP/1.1", "any"),
    (b"CONNECT h.test:80 HTTP/1.1", "refuse"), (b"CONNECT /orders HTTP/1.1", "refuse"),
    (b"CONNECT h.test HTTP/1.1", "refuse"), (b"GET h.test:80 HTTP/1.1", "refuse"),
    (b"GET h.test HTTP/1.1", "refuse"), (b"OPTIONS * HTTP/1.1", "any"),
    (b"GET * HTTP/1.1", "refuse"), (b"OPTIONS ** HTTP/1.1", "refuse"),
    (b"GET http://h.test/orders HTTP/1.1", "pass"), (b"GET HTTP://h.test/orders HTTP/1.1", "any"),
    (b"GET http://H.TEST/orders HTTP/1.1", "any"), (b"GET https://h.test/orders HTTP/1.1", "any"),
    (b"GET http://other.test/orders HTTP/1.1", "any"),
    (b"GET http://h.test:80/orders HTTP/1.1", "any"), (b"GET http://h.test HTTP/1.1", "any"),
    (b"GET http://h.test?x=/orders HTTP/1.1", "any"),
    (b"GET http://u@h.test/orders HTTP/1.1", "any"),
    (b"GET http://h.test@other.test/orders HTTP/1.1", "any"),
    (b"GET http:///orders HTTP/1.1", "any"), (b"GET http:/orders HTTP/1.1", "any"),
    (b"GET http:orders HTTP/1.1", "any"), (b"GET http:// HTTP/1.1", "any"),
    (b"GET http://h.test#/admin HTTP/1.1", "any"),
    (b"GET http://h.test/orders#x HTTP/1.1", "any"),
    (b"GET http://h.test\\/orders HTTP/1.1", "any"),
    (b"GET http://h.test//admin HTTP/1.1", "any"),
    (b"GET http://h.test/orders/../admin HTTP/1.1", "any"),
    (b"GET http://h.test:/orders HTTP/1.1", "any"),
    (b"GET http://h.test:x/orders HTTP/1.1", "any"), (b"GET http://[::1]/orders HTTP/1.1", "any"),
    (b"GET http://h.test;x/orders HTTP/1.1", "any"),
    (b"GET http://h%2etest/orders HTTP/1.1", "any"), (b"GET ftp://h.test/orders HTTP/1.1", "any"),
    (b"GET file:///orders HTTP/1.1", "any"), (b"GET ws://h.test/orders HTTP/1.1", "any"),
    (b"GET //h.test/orders HTTP/1.1", "any"), (b"GET //other.test/admin HTTP/1.1", "any"),
    (b"GET orders HTTP/1.1", "refuse"), (b"GET ./orders HTTP/1.1", "refuse"),
    (b"GET ?x HTTP/1.1", "refuse"), (b"GET \\orders HTTP/1.1", "refuse"),
    (b"GET %2forders HTTP/1.1", "refuse"), (b"GET #/orders HTTP/1.1", "refuse"),
    (b"GET /orders?a=b HTTP/1.1", "pass"), (b"GET /orders? HTTP/1.1", "pass"),
    (b"GET /orders?a?b HTTP/1.1", "pass"), (b"GET /orders?a=/../admin HTTP/1.1", "pass"),
    (b"GET /orders?a#b HTTP/1.1", "any"), (b"GET /orders?#/../admin HTTP/1.1", "any"),
    (b"GET /orders#b HTTP/1.1", "refuse"), (b"GET /orders#?b HTTP/1.1", "refuse"),
    (b"GET /orders?%00 HTTP/1.1", "any"), (b"GET /orders?\x00 HTTP/1.1", "refuse"),
    (b"GET /orders?\xff HTTP/1.1", "any"), (b"GET /orders\xff HTTP/1.1", "any"),
    (b"GET /orders?\x7f HTTP/1.1", "refuse"), (b"GET /orders?\x01 HTTP/1.1", "refuse"),
    (b"GET /orders?a=%zz HTTP/1.1", "any"), (b"GET /orders?a=\"<>\\^`{|} HTTP/1.1", "any"),
    (b"GET /orders/\"<>^`{|} HTTP/1.1", "any"),
    (b"GET /orders?" + b"a" * 7000 + b" HTTP/1.1", "pass"),
    (b"GET /orders?" + b"a" * 17000 + b" HTTP/1.1", "refuse"),
    (b"GET /" + b"a" * 7000 + b" HTTP/1.1", "pass"),
]


def request_lines(c):
    c.group = "request lines"
    for line, expect in LINES:
        c.add("line " + short(line), c.get(b"", line + b"\r\n"), expect)
    line = b"GET /orders HTTP/1.1"
    for name, end in (("LF", b"\n"), ("CR", b"\r"), ("CRCRLF", b"\r\r\n"), ("LFCR", b"\n\r"),
                      ("NUL", b"\x00\r\n"), ("none", b"")):
        c.add("line ended by " + name, c.get(b"", line + end), "refuse")
        c.add("field ended by " + name, c.get(b"X: y" + end + b"Z: w\r\n"),
              "refuse" if end else "pass")
        data = line + b"\r\n" + HOST + c.auth + b"X: y\r\n"
        if end:
            c.add("head ended by " + name, data + end + CANARY)
    c.add("all lines end in LF", c.get(b"", line + b"\r\n").replace(b"\r\n", b"\n"), "refuse")
    c.add("HTTP/0.9", b"GET /orders\r\n", "refuse")
    c.add("HTTP/0.9 and more", b"GET /orders\r\n\r\n" + CANARY, "refuse")
    c.add("HTTP/0.9 by LF", b"GET /orders\n", "refuse")
    c.add("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04" + b"\x00" * 5,
          "refuse")
    c.add("HTTP/2 preface as 1.1", b"PRI * HTTP/1.1\r\n" + HOST + b"\r\nSM\r\n\r\n", "refuse")
    c.add("TLS hello", b"\x16\x03\x01\x00\x50\x01\x00\x00\x4c\x03\x03" + b"\x00" * 70, "refuse")
    c.add("PROXY v1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + c.get(b""), "refuse")
    c.add("PROXY v2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\x01" * 12 + c.get(b""),
          "refuse")
    c.add("byte order mark", b"\xef\xbb\xbf" + c.get(b""), "refuse")
    for n in (1, 2, 3):
        c.add("%d empty lines first" % n, b"\r\n" * n + c.get(b""))
        c.add("%d LF first" % n, b"\n" * n + c.get(b""))
    c.add("empty line between", c.post(b"Content-Length: 5\r\n", b"hello\r\n"))
    c.add("LF between", c.post(b"Content-Length: 5\r\n", b"hello\n"))
    c.add("CR between", c.post(b"Content-Length: 5\r\n", b"hello\r"))
    c.add("space between", c.post(b"Content-Length: 5\r\n", b"hello "))
    c.add("answer as request", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + CANARY, "refuse")


# ---- fields ------------------------------------------------------------------------------------

FIELDS = [
    (b"X: y", "pass"), (b"X:y", "pass"), (b"X:", "pass"), (b"X: ", "pass"), (b"X:  y  ", "pass"),
    (b"X:\ty\t", "any"), (b"X-Long-Name-Of-A-Field: y", "pass"), (b"X_Y: y", "any"),
    (b"X.Y: y", "any"), (b"!#$%&'*+.^`|~: y", "any"), (b"X : y", "refuse"), (b"X\t: y", "refuse"),
    (b": y", "refuse"), (b"X", "refuse"), (b"X y", "refuse"), (b" X: y", "refuse"),
    (b"\tX: y", "refuse"), (b"X: y\r\n z", "refuse"), (b"X: y\r\n\tz", "refuse"),
    (b"X: y\r\n ", "refuse"), (b"X: \x00", "refuse"), (b"X: \x01", "refuse"),
    (b"X: \x7f", "refuse"), (b"X: \x0b", "refuse"), (b"X: a\rb", "refuse"),
    (b"X: a\r\rb", "refuse"), (b"X\x00: y", "refuse"), (b"\x00X: y", "refuse"),
    (b"X\xff: y", "refuse"), (b"X: \xff", "any"), (b"X: \xc3\xa9", "any"), (b"X(: y", "refuse"),
    (b"X,Y: y", "refuse"), (b"X;Y: y", "refuse"), (b"X=Y: y", "refuse"), (b"X/Y: y", "refuse"),
    (b"X@: y", "refuse"), (b"\"X\": y", "refuse"), (b"[X]: y", "refuse"), (b"{X}: y", "refuse"),
    (b"X\\Y: y", "refuse"), (b"X: " + b"a" * 1000, "pass"), (b"X: " + b"a" * 7000, "pass"),
    (b"X: " + b"a" * 20000, "refuse"), (b"X" * 5000 + b": y", "any"),
    (b"\r\n".join(b"X-%d: y" % i for i in range(80)), "pass"),
    (b"\r\n".join(b"X-%d: y" % i for i in range(98)), "any"),
    (b"\r\n".join(b"X-%d: y" % i for i in range(120)), "refuse"),
    (b"\r\n".join(b"X-%d: y" % i for i in range(1500)), "refuse"),
    (b"X: y\r\n" * 3 + b"X: y", "pass"), (b"Connection: close", "pass"),
    (b"Connection: keep-alive", "pass"), (b"Connection: Keep-Alive", "pass"),
    (b"Connection: Close", "pass"), (b"Connection: keep-alive, close", "any"),
    (b"Connection: close\r\nConnection: keep-alive", "any"),
    (b"Connection: TE\r\nTE: trailers", "pass"), (b"TE: trailers, chunked;q=1", "any"),
    (b"Connection: Authorization", "refuse"), (b"Connection: close, Authorization", "refuse"),
    (b"Connection: authorization", "refuse"), (b"Connection: Host", "refuse"),
    (b"Connection: X", "any"), (b"Connection: Transfer-Encoding", "refuse"),
    (b"Connection:,,,Authorization", "refuse"), (b"Connection: \"Authorization\"", "any"),
    (b"Connection: Authorization;x", "any"), (b"Connection: close;Authorization", "any"),
    (b"Connection: close Authorization", "any"),
    (b"Connection: keep-alive\tAuthorization", "any"), (b"Connection: x=Authorization", "any"),
    (b"Connection: Host;x", "any"), (b"Connection: Authorization/1", "any"),
    (b"Connection: 'Authorization'", "any"), (b"Connection: (Authorization)", "any"),
    (b"Connection: ;Authorization", "any"), (b"Connection: \x80,Authorization", "any"),
    (b"Connection: Cookie", "any"), (b"Connection: a\r\nConnection: Authorization", "refuse"),
    (b"Connection: Author\r\n ization", "refuse"), (b"Keep-Alive: Authorization", "any"),
    (b"Proxy-Connection: Authorization", "any"), (b"Proxy-Connection: keep-alive", "any"),
    (b"Proxy-Connection: close", "any"), (b"Keep-Alive: timeout=5, max=1", "pass"),
    (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "refuse"),
    (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
     b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "refuse"),
    (b"Upgrade: h2c", "refuse"), (b"Upgrade: TLS/1.0", "refuse"), (b"Upgrade:", "any"),
    (b"Connection: Upgrade", "any"), (b"UPGRADE: websocket\r\nConnection: upgrade", "refuse"),
    (b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "any"), (b"Expect: 100-continue", "any"),
    (b"Expect: 100-Continue", "any"), (b"Expect:100-continue", "any"),
    (b"Expect: 100-continue\r\nExpect: 100-continue", "any"),
    (b"Expect: 100-continue, x", "refuse"), (b"Expect: 200-ok", "refuse"),
    (b"Expect: ", "refuse"), (b"Expect: x=y", "refuse"), (b"Expect : 100-continue", "refuse"),
    (b"X-HTTP-Method-Override: DELETE", "any"), (b"X-Original-URL: /admin", "any"),
    (b"X-Rewrite-URL: /admin", "any"), (b"Range: bytes=0-1", "any"), (b"Trailer: X", "any"),
    (b"Content-Type: text/plain", "pass"), (b"Accept-Encoding: gzip, br", "pass"),
    (b"Cookie: a=b; c=\"d\"", "pass"), (b"User-Agent: a/1 (b; c) d/2", "pass"),
]

HOSTS = [
    b"", b"Host:", b"Host: ", b"Host: h.test\r\nHost: h.test",
    b"Host: h.test\r\nHost: other.test", b"HOST: h.test", b"host: h.test", b"Host : h.test",
    b" Host: h.test", b"Host: h.test:8080", b"Host: h.test:", b"Host: h.test:x",
    b"Host: h.test:99999999", b"Host: h.test:80:90", b"Host: u@h.test", b"Host: u:p@h.test",
    b"Host: h.test@other.test", b"Host: h.test/admin", b"Host: http://h.test",
    b"Host: h.test, other.test", b"Host: h.test other.test", b"Host: h.test#x", b"Host: h.test?x",
    b"Host: h.test\\x", b"Host: [::1]", b"Host: [::1]:80", b"Host: [::1", b"Host: ::1",
    b"Host: h..test", b"Host: .", b"Host: h.test.", b"Host: -", b"Host: _h", b"Host: h_t",
    b"Host: %68.test", b"Host: h.test\x00", b"Host: h.test\t", b"Host:\th.test", b"Host:  h.test",
    b"Host: h.test ", b"Host: \xc3\xa9", b"Host: \"h.test\"", b"Host: h.test;x",
    b"Host: 127.0.0.1", b"Host: localhost", b"Host: h.test'", b"Host: <x>",
    b"Host: h.test\r\n other.test", b"Host:\r\n h.test",
    b"X-Forwarded-Host: other.test\r\nHost: h.test", b"Host_: h.test", b"Ho-st: h.test",
    b"Host: *", b"Host: " + b"a" * 300, b"Host: $x", b"Host: h!t", b"Host: h(t)", b"Host: h=t",
    b"Host: h|t", b"Host: h^t", b"Host: {h}",
]

PLAIN_HOSTS = [
    b"host: h.test", b"HOST: h.test", b"Host: h.test:8080", b"Host: 127.0.0.1",
    b"Host: localhost", b"Host: [::1]:80",
]

# One field or several that may, or may not, carry the token, here @.
TOKENS = [
    (b"Authorization: Bearer @", "pass"), (b"authorization: Bearer @", "pass"),
    (b"AUTHORIZATION: BEARER @", "pass"), (b"aUtHoRiZaTiOn: bEaReR @", "pass"),
    (b"Authorization:Bearer @", "any"), (b"Authorization:  Bearer @", "any"),
    (b"Authorization: Bearer  @", "any"), (b"Authorization: Bearer @ ", "any"),
    (b"Authorization: Bearer @  ", "any"), (b"Authorization: Bearer\t@", "refuse"),
    (b"Authorization:\tBearer @", "refuse"), (b"Authorization: Bearer @\t", "refuse"),
    (b"Authorization: Bearer \t@", "refuse"), (b"Authorization : Bearer @", "refuse"),
    (b"Authorization: Bearer@", "refuse"), (b"Authorization: Bearer", "refuse"),
    (b"Authorization: Bearer ", "refuse"), (b"Authorization:", "refuse"), (b"", "refuse"),
    (b"Authorization: @", "refuse"), (b"Authorization: Bearer \"@\"", "refuse"),
    (b"Authorization: \"Bearer @\"", "refuse"), (b"Authorization: Bearer @,", "refuse"),
    (b"Authorization: Bearer @, Bearer @", "refuse"),
    (b"Authorization: Bearer @, Bearer x", "refuse"),
    (b"Authorization: Bearer x, Bearer @", "refuse"), (b"Authorization: Bearer @ @", "refuse"),
    (b"Authorization: Bearer @;x", "refuse"), (b"Authorization: Bearer=@", "refuse"),
    (b"Authorization: Bearer: @", "refuse"), (b"Authorization: Bearer token=@", "refuse"),
    (b"Authorization: Basic @", "refuse"), (b"Authorization: DPoP @", "refuse"),
    (b"Authorization: Token @", "refuse"), (b"Authorization: Basic YTpi, Bearer @", "refuse"),
    (b"Authorization: Bearer @, Basic YTpi", "refuse"),
    (b"Authorization: Bearer @\r\nAuthorization: Bearer @", "refuse"),
    (b"Authorization: Bearer @\r\nAuthorization: Bearer x", "refuse"),
    (b"Authorization: Bearer x\r\nAuthorization: Bearer @", "refuse"),
    (b"Authorization: Basic YTpi\r\nAuthorization: Bearer @", "refuse"),
    (b"Authorization: Bearer @\r\nauthorization: Basic YTpi", "refuse"),
    (b"Authorization: Bearer @\r\nAuthorization:", "refuse"),
    (b"Authorization:\r\nAuthorization: Bearer @", "refuse"),
    (b"Authorization: Bearer @\r\n x", "refuse"), (b"Authorization: Bearer\r\n @", "refuse"),
    (b"Authorization:\r\n Bearer @", "refuse"), (b"Authorization: Bearer @\x00", "refuse"),
    (b"Authorization: Bearer \x00@", "refuse"), (b"Authorization: Bearer @\xff", "refuse"),
    (b"Authorization: Bearer\xa0@", "refuse"), (b"Authorization_: Bearer @", "refuse"),
    (b"X-Authorization: Bearer @", "refuse"), (b"Proxy-Authorization: Bearer @", "refuse"),
    (b"Cookie: access_token=@", "refuse"), (b"X-Access-Token: @", "refuse"),
    (b"Authorization: Bearer @=", "refuse"), (b"Authorization: Bearer =@", "refuse"),
    (b"Authorization: Bearer @.", "refuse"), (b"Authorization: Bearer .@", "refuse"),
    (b"Authorization: Bearer %54", "refuse"),
    (b"Authorization: Bearer @\r\nAuthorization : x", "refuse"),
    (b"Authorization: Bearer " + b"a" * 8000, "refuse"),
    (b"Authorization: Bearer " + b"a" * 8192, "refuse"),
    (b"Authorization: Bearer " + b"a" * 8193, "refuse"),
    (b"Authorization: Bearer @" + b"a" * 8000, "refuse"),
    (b"Authorization: Bearer @\nX: y", "refuse"), (b"X: y\nAuthorization: Bearer @", "refuse"),
    (b"X: y\rAuthorization: Bearer @", "refuse"),
]


def fields(c):
    c.group = "fields"
    for line, expect in FIELDS:
        c.add("field " + short(line), c.get(line + b"\r\n"), expect)
        if line.startswith(b"Expect"):
            c.add("field, body " + short(line),
                  c.post(line + b"\r\nContent-Length: 5\r\n", b"hello"))
    for line in HOSTS:
        field = line + b"\r\n" if line else b""
        data = b"GET /orders HTTP/1.1\r\n" + field + c.auth + b"\r\n" + CANARY
        c.add("host " + (short(line) or "none"), data, "pass" if line in PLAIN_HOSTS else "any")
        if line:
            c.add("absolute, host " + short(line), data.replace(b" /", b" http://h.test/", 1))
    c.add("host none, HTTP/1.0", b"GET /orders HTTP/1.0\r\n" + c.auth + b"\r\n", "pass")
    for line, expect in TOKENS:
        name = short(line) or "none"
        full = line.replace(b"@", c.token) + b"\r\n" if line else b""
        c.add("token " + name, b"GET /orders HTTP/1.1\r\n" + HOST + full + b"\r\n" + CANARY, expect)
    for where in (b"?access_token=", b"?token=", b";token="):
        c.add("token in " + short(where), b"GET /orders" + where + c.token + b" HTTP/1.1\r\n"
              + HOST + b"\r\n", "refuse")
    c.add("token in body", b"POST /orders HTTP/1.1\r\n" + HOST
          + b"Content-Type: application/x-www-form-urlencoded\r\n"
          b"Content-Length: %d\r\n\r\naccess_token=%s" % (13 + len(c.token), c.token), "refuse")
    c.add("token behind the head", b"GET /orders HTTP/1.1\r\n" + HOST + b"\r\n" + c.auth
          + b"\r\n", "refuse")


# ---- several requests --------------------------------------------------------------------------

def pipelines(c):
    c.group = "pipelines"
    one = b"GET /orders/%d HTTP/1.1\r\n" + HOST + c.auth + b"\r\n"
    c.add("four in a row", b"".join(one % i for i in range(4)), "pass")
    c.add("bodies in a row", (c.post(b"Content-Length: 5\r\n", b"hello")
          + c.post(b"Transfer-Encoding: chunked\r\n", CHUNKED)) * 2, "pass")
    c.add("body is a request", c.post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN), "pass")
    c.add("chunk is a request", c.post(b"Transfer-Encoding: chunked\r\n", TE_CL), "pass")
    c.add("second without token", one % 1 + b"GET /orders/2 HTTP/1.1\r\n" + HOST + b"\r\n")
    c.add("second is refused", one % 1 + HIDDEN + CANARY)
    c.add("second is ambiguous", one % 1
          + c.post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"))
    c.add("behind close", c.get(b"Connection: close\r\n") + HIDDEN)
    c.add("behind HTTP/1.0", c.get(b"", b"GET /orders HTTP/1.0\r\n") + HIDDEN)
    c.add("behind HEAD", c.get(b"", b"HEAD /orders HTTP/1.1\r\n"), "pass")
    expect = b"Expect: 100-continue\r\nContent-Length: %d\r\n"
    c.add("behind Expect", c.post(expect % 5, b"hello") + CANARY)
    c.add("behind Expect, no body", c.post(expect % len(CANARY), b""))
    c.add("behind upgrade", c.get(b"Connection: Upgrade\r\nUpgrade: h2c\r\n") + HIDDEN)


# ---- published ---------------------------------------------------------------------------------

def published(c, directory):
    """The vectors beside the checkout; False where they are absent."""
    try:
        with open(os.path.join(directory, "http/llhttp_requests.json")) as f:
            requests = json.load(f)
        with open(os.path.join(directory, "http/smuggler_default.json")) as f:
            heads = json.load(f)
    except OSError:
        return False
    c.group = "published"
    for i, v in enumerate(requests):
        data = bytes.fromhex(v["request_hex"])
        c.add("llhttp %d %s" % (i, v["name"]), data)
        line, crlf, rest = data.partition(b"\r\n")
        c.add("llhttp %d with token, canary" % i, line + crlf + c.auth + rest + CANARY)
    for i, v in enumerate(heads):
        head = bytes.fromhex(v["head_hex"])
        for name, body, n in (("CL.TE", CL_TE, len(CL_TE)), ("TE.CL", TE_CL, TE_CL_LENGTH)):
            text = head
            for k, w in ((b"__METHOD__", b"POST"), (b"__ENDPOINT__", b"/orders"),
                         (b"__HOST__", b"h.test"), (b"__RANDOM__", b"1"),
                         (b"__REPLACE_CL__", b"%d" % n)):
                text = text.replace(k, w)
            c.add("smuggler %d %s %s" % (i, v["name"], name),
                  text + c.auth + b"\r\n" + body + CANARY)
    return True


def corpus(token):
    c = Corpus(token)
    lengths(c)
    request_lines(c)
    fields(c)
    pipelines(c)
    return c
