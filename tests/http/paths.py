# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Path confusion: ways to write /admin, and to climb from a public folder into it, against each
server's own reading of a path. Used by judge.py. /admin is nobody's here and all else is public, so
whatever a server takes for /admin and the guard does not must show.
"""
import asyncio
import itertools

import wire

DOTS = [
    "..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%25%32%65%25%32%65", "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae", "%u002e%u002e", "..;", "..;a=b", "..%3b", "..%00", "..%09", "..%20",
    ".%00.", ". .", "...", "....", "%ef%bc%8e%ef%bc%8e", "\xc0\xae\xc0\xae", ".%2e;x", "..%23",
    "..%3f", "..?", "..#", ".\\.",
]
SLASHES = [
    "/", "%2f", "%2F", "\\", "%5c", "//", "/./", "/%2e/", "/;/", "/;a=b/", "%252f", "%c0%af",
    "%e0%80%af", "%u2215", "/%2f", "///", "\xc0\xaf", "%ef%bc%8f", "/.//", "/.;/", "%2f%2f",
    "/%00/", "/%0a/",
]
PREFIXES = ["/public/a", "", "/x%2fy", "/public;a"]
NAMES = [
    "admin", "%61dmin", "%41dmin", "ADMIN", "Admin", "%2561dmin", "adm%69n", "admi%6e", "admin;",
    "admin;a=b", "admin%3b", "admin%20", "admin%00", "admin%09", "admin%0a", "admin%0d", "admin.",
    "admin..", "admin%2e", "admin?", "admin%3f", "admin#", "admin%23", "admin\\", "admin%5c",
    "admin%2f", "admin%ff", "admin%", "admin%2", "admin%zz", "admin~", "admin*", "a%00dmin",
    "admin::$DATA", "ad\xc2\xadmin", "ad%c2%admin", "\xef\xbd\x81dmin", "%c1%a1dmin",
    "%e1%81%a1dmin", "%u0061dmin", "+admin", " admin", "%20admin", "%09admin", "%0aadmin",
    ";admin", ";/admin", ".;/admin", "%3badmin", "&admin", "=admin", "@admin", ":admin",
    "x@admin", "!admin", "admin!", "admin,", "admin%2c", "admin:80", "admin$", "(admin)",
    "'admin", "%22admin", "<admin", "[admin", "admin]", "{admin}", "^admin", "|admin", "`admin",
]
TAILS = [
    "", "/", "/x", "//x", "/./x", "/../x", "/x/..", "/x/../", "/%2e%2e/admin/x", ";/x", "%2fx",
    "\\x", "?x", "/x?/../../public", "#/../public", "/..;/admin", "/.", "/..", "/%2e", "/%2e%2e",
    "/;", "/..%2f",
]
HEADS = [
    "//", "///", "/./", "/.//", "/%2f", "/%2e/", "/;/", "/;a=b/", "/\\", "/%5c", "/%00/",
    "/x/../", "/x/..//", "/x//../", "/x/%2e%2e/", "/../", "/%2e%2e/", "/..;/", "/.%2f", "/..%2f",
    "/x/..%2f", "//x/../", "//x/", "///x/../../", "\\", "%2f", "http:/", "http://",
    "http://h.test/", "http://h.test//", "http://h.test/../", "http://h.test/./", "http:///",
    "/http://h.test/", "http://h.test\\", "http://h.test%2f", "http://h.test/x/../", "/:/", "/@/",
    "/~/", "/*/", "/x;/../", "/x;/../../", "/%252e%252e/", "/x/%252e%252e/", "/.../", "/x/.../",
    "/%20/../", "/+/../", "/x%2f../", "/x%2f..%2f", "/x\\..\\", "/x/..\\", "/%c0%ae%c0%ae/",
]


def targets(every):
    """The ways; `every` for all combinations, else a choice that takes seconds."""
    out = {}
    for s, dots, t in itertools.product(SLASHES, DOTS, SLASHES[:12]):
        if every or t in (s, "/"):
            out["/public" + s + dots + t + "admin/x"] = 1
    for prefix, s, dots in itertools.product(PREFIXES, SLASHES, DOTS):
        if every or s == "/":
            out[prefix + s + dots + s + dots + s + "admin/x"] = 1
    for name, tail in itertools.product(NAMES, TAILS[:3]):
        out["/" + name + tail] = 1
    for tail in TAILS:
        out["/admin" + tail] = 1
        out["/public/../admin" + tail] = 1
        out["/public" + tail] = 1
    for head, tail in itertools.product(HEADS, ("", "/x")):
        out[head + "admin" + tail] = 1
        out[head + "public/../admin" + tail] = 1
    return list(out)


class Way:
    def __init__(self, target):
        self.target, self.runs, self.direct, self.first = target, [], [], None


def request(target):
    return b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: h.test\r\n\r\n"


async def one(lab, way):
    data = request(way.target)
    way.first = await lab.send("raw", data, True)
    if lab.book.bytes.get(way.first.client):
        way.runs = await asyncio.gather(*[lab.send(n, data, True) for n in lab.names])
    elif lab.args.table:
        way.direct = await asyncio.gather(*[lab.send(n, data, False) for n in lab.names])


async def run(lab):
    ways = [Way(t) for t in targets(lab.args.table)]
    await asyncio.gather(*[one(lab, w) for w in ways])
    return ways


def leads_to_admin(r):
    return bool(r.area) or wire.bare_target(r.target).startswith("/admin/") or r.target == "/admin"


def report(ways, verdict, table):
    found, passed = [], 0
    for w in ways:
        passed += bool(w.first.bytes)
        for run in w.runs:
            found += ["%s: %s takes it for /admin" % (w.target, run.server) for r in run.seen
                      if leads_to_admin(r)]
        if table:
            got = w.runs or w.direct
            told = ["%s=%s" % (r.server, "ADMIN" if any(map(leads_to_admin, r.seen)) else r.answers)
                    for r in got]
            print("%-50s guard:%s  %s" % (w.target[:50], "pass" if w.first.bytes else
                                          w.first.answers, " ".join(told)))
    print("# paths: %d ways, %d admitted" % (len(ways), passed))
    verdict("no path that a server takes for /admin is admitted as another", found)
    verdict("plain paths beside /admin are admitted",
            [w.target for w in ways if w.target in ("/public", "/public/", "/public/x", "/public?x")
             and not w.first.bytes])
