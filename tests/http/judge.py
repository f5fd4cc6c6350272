# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Sends the corpus to real servers directly and through the guard, and judges: what servers read
differently must not pass, and what passes must be read by each of them as the guard has decided it.
Run by 46-http-servers.sh inside the lab's server namespace. Prints one line per rule and group,
"ok NAME" or "not ok NAME", each finding before it as "# ...". With --table also one line per case.
"""
import argparse
import asyncio
import glob
import json
import posixpath
import re
import shlex
import subprocess
import sys
import urllib.parse

import cases
import paths
import wire

RAW = "raw"  # the recording service among the servers: it keeps every byte
COMMON = ("nginx", "apache", "haproxy", "node")
PARALLEL = 80
CUT = 18  # behind the first 16 bytes: see SYN cookies in docs/threat-model.md


class Run:
    """One connection: its client address, what came back, and later what the server understood."""

    def __init__(self, server, client):
        self.server, self.client, self.answers, self.end = server, client, [], ""
        self.seen, self.bytes = [], b""


class Lab:
    def __init__(self, args):
        self.args, self.book, self.count = args, wire.Book(), 0
        self.spaces = wire.Spaces(args.space)
        self.ports = {n: int(p) for n, p in (s.split(":") for s in args.servers.split())}
        self.names = list(self.ports)
        self.ports[RAW] = args.raw
        self.gate = asyncio.Semaphore(PARALLEL)
        self.runs = []

    async def begin(self):
        await self.book.listen(RAW, "0.0.0.0", self.args.raw, raw=True)
        for name in self.names:
            if name not in ("node", "python"):
                await self.book.listen(name, "127.0.0.1", self.ports[name] + 1000)

    async def send(self, server, data, guarded, cuts=(), patience=20):
        """The run of some bytes; they are cut into segments at these places."""
        async with self.gate:
            self.count += 1
            n = self.count + 256
            base = "10.%d" % (96 + (n >> 16)) if guarded else "127.%d" % (1 + (n >> 16))
            client = "%s.%d.%d" % (base, n >> 8 & 255, n & 255)
            run = Run(server, client)
            sock = self.spaces.socket(guarded, client)
            to = (self.args.address if guarded else "127.0.0.1", self.ports[server])
            edges = [0] + [c for c in cuts if 0 < c < len(data)] + [len(data)]
            pieces = [data[a:b] for a, b in zip(edges, edges[1:])]
            back, run.end = await wire.exchange(sock, to, pieces, patience)
            run.answers = wire.statuses(back)
            self.runs.append(run)
            return run

    def gather(self):
        """Joins what the servers have noted with the runs."""
        for line in self.notes():
            r = wire.Request(line["method"], line["target"], wire.bare_host(line["host"]),
                             tuple(line["auth"]), line["body"].encode("latin-1"), line["area"])
            self.book.note(line["server"], line["client"].replace("::ffff:", ""), r)
        for run in self.runs:
            run.seen = self.book.of(run.server, run.client)
            run.bytes = self.book.bytes.get(run.client, b"")

    def notes(self):
        for name in self.args.notes:
            with open(name, encoding="utf-8", errors="replace") as f:
                for line in f:
                    if line.startswith("{"):
                        yield json.loads(line)


# ---- comparing ---------------------------------------------------------------------------------

def canonical(target):
    """One form for targets that proxies rewrite; what they mean by it is the area's business."""
    path, mark, query = wire.bare_target(target).partition("?")
    path = urllib.parse.unquote(path, "latin-1")
    if path.startswith("/"):
        path = "/" + posixpath.normpath(path).strip("/") + ("/" if path.endswith("/") else "")
    return path + mark + urllib.parse.unquote(query, "latin-1")


def alike(a, b):
    return (a.method, canonical(a.target), a.auth, a.body) == \
        (b.method, canonical(b.target), b.auth, b.body) and \
        (not a.host or not b.host or a.host == b.host)


def places(run):
    """What the server made of each request in turn; None for one that it refused itself."""
    if sum(s == 200 for s in run.answers) != len(run.seen):
        return run.seen
    seen = iter(run.seen)
    return [next(seen) if s == 200 else None for s in run.answers]


def conflict(runs):
    """Two servers that read the same bytes differently, or None."""
    for i, a in enumerate(runs):
        for b in runs[i + 1:]:
            for x, y in zip(places(a), places(b)):
                if x and y and not alike(x, y):
                    return "%s reads %r, %s reads %r" % (a.server, x, b.server, y)
    return None


def follows(run, admitted):
    """Are these the admitted requests in order, but for such as the server refused itself?"""
    at = missed = 0
    for r in run.seen:
        while at < len(admitted) and not alike(r, admitted[at]):
            at += 1
            missed += 1
        if at == len(admitted):
            return False
        at += 1
    return missed <= sum(s != 200 for s in run.answers)


# ---- one case ----------------------------------------------------------------------------------

class Trial:
    """A case and its runs."""

    def __init__(self, case, other):
        self.case, self.other = case, other  # the same case with a token that grants nothing
        self.direct, self.guarded, self.foreign = [], [], []

    async def run(self, lab):
        data, patience = self.case.data, 20
        try:
            if wire.split(data)[1]:
                patience = 2  # nobody will answer the incomplete request
        except wire.Broken:
            patience = 5
        step = max(37, len(data) // 7)  # few enough to leave before anything is acknowledged
        self.whole, self.cut, self.bits, self.stranger, *self.direct = await asyncio.gather(
            lab.send(RAW, data, True, patience=patience),
            lab.send(RAW, data, True, [CUT], patience),
            lab.send(RAW, data, True, range(step, len(data), step), patience),
            lab.send(RAW, self.other.data, True, patience=patience),
            *[lab.send(n, data, False, patience=patience) for n in lab.names])
        if lab.book.of(RAW, self.whole.client) or lab.book.bytes.get(self.whole.client):
            self.guarded = await asyncio.gather(
                *[lab.send(n, data, True, patience=patience) for n in lab.names])
        if lab.book.bytes.get(self.stranger.client):
            self.foreign = await asyncio.gather(
                *[lab.send(n, self.other.data, True, patience=patience) for n in lab.names])

    def judge(self, token, log):
        """Yields (rule, finding)."""
        self.disagree = conflict(self.direct)
        self.passed, rest = self.split(self.whole)
        if self.passed is None:
            yield "alike", rest
            self.passed = []
            return
        if self.disagree and self.whole.bytes == self.case.data:
            yield "alike", "passes although " + self.disagree
        for run in self.guarded + [self.whole]:
            if not follows(run, self.passed):
                yield "alike", "%s understood %r, the guard admitted %r" % (
                    run.server, run.seen, self.passed)
        for run in self.guarded + self.foreign + [self.whole, self.cut, self.bits, self.stranger]:
            for r in run.seen:
                if not permitted(r, token if run not in self.foreign + [self.stranger] else None):
                    yield "permitted", "%s got %r" % (run.server, r)
        heads = [r.target for r in self.passed] + ([rest] if rest else [])
        logged = log.get(self.whole.client, [])
        if [h[:96] for h in heads] != [t[:96] for t in logged]:
            yield "logged", "passed %r, the log has %r" % (heads, logged)
        for run in (self.cut, self.bits):
            again, why = self.split(run)
            if again is None or [r.key() for r in again] != [r.key() for r in self.passed]:
                yield "readers", "whole: %r %r; in %s: %r %r %s" % (
                    self.passed, self.whole.answers, "two" if run is self.cut else "pieces",
                    again or why, run.answers, run.end)
        if self.case.expect == "pass" and (self.whole.bytes != self.case.data or rest):
            yield "ordinary", "answers %r, %s" % (self.whole.answers, self.whole.end)
        if self.case.expect == "refuse" and self.passed:
            yield "refused", "admitted %r" % self.passed

    @staticmethod
    def split(run):
        """(requests, target of an incomplete one behind them or ""); (None, why) if broken."""
        try:
            requests, rest = wire.split(run.bytes)
        except wire.Broken as e:
            return None, "admitted bytes nobody should accept: %s" % e
        if rest and b"\r\n\r\n" in rest:
            return requests, rest.split(b" ")[1].decode("latin-1")
        return requests, ""

    def row(self):
        verdict = "pass" if self.whole.bytes == self.case.data else \
            "part" if self.whole.bytes else ",".join(map(str, self.whole.answers)) or self.whole.end
        yield "%-60s guard:%s%s" % (self.case.name[:60], verdict,
                                    "  DISAGREE" if self.disagree else "")
        for run in self.direct:
            yield "    %-14s %s %s" % (run.server, run.answers, [r or "-" for r in places(run)])


def permitted(r, token):
    """May the service get this one at all? /admin is nobody's here, /orders wants the token."""
    area = canonical(r.target).partition("?")[0]
    if r.area or re.match("/admin(/|$)", area):
        return False
    if re.match("/orders(/|$)", area):
        return token and len(r.auth) == 1 and \
            re.fullmatch("(?i:bearer) +" + re.escape(token), r.auth[0]) is not None
    return True


async def cut_everywhere(lab, mine, theirs):
    """
    (position, run, what must have passed) for each place at which a head can be cut in two. With
    the other token no whole head may pass; of a stalled one the beginning may (threat model).
    """
    good, bad = mine.get(b"X: y\r\n"), theirs.get(b"X: y\r\n")
    sent = [(at, data, data if data is good else b"") for data in (good, bad)
            for at in range(1, len(data), 1 if data is good else 5)]
    runs = await asyncio.gather(*[lab.send(RAW, data, True, [at]) for at, data, _ in sent])
    return [(at, run, must) for (at, _, must), run in zip(sent, runs)]


# ---- the log -----------------------------------------------------------------------------------

def read_log(args):
    """Targets of the requests that were decided allow, in order, by client address."""
    out, tickets = {}, {}
    subprocess.run(shlex.split(args.flush), check=True, stdout=subprocess.DEVNULL)
    for name in sorted(glob.glob(args.log)):
        # As Latin-1 a path comes out as the bytes that were sent: see docs/audit.md.
        with open(name, encoding="latin-1") as f:
            for line in f:
                r = json.loads(line)
                if r.get("verdict") != "allow":
                    continue
                client = r["src"].rsplit(":", 1)[0]
                if r["type"] == "decision" and r.get("reason") == "ticket":
                    tickets.setdefault(client, []).append(r["path"])
                elif r["type"] == "request":
                    waiting = tickets.get(client)
                    path = r.get("path") or (waiting.pop(0) if waiting else "(nobody decided it)")
                    out.setdefault(client, []).append(path)
    return out


RULES = {
    "alike": "what passes is read alike, and as it was decided, by every server",
    "permitted": "nothing reaches a server that its token does not permit",
    "logged": "the audit log has each request that passed, and no other",
    "readers": "the verdict is the same however the bytes are cut into segments",
    "ordinary": "ordinary requests pass unharmed",
    "refused": "what is known to be dangerous is refused",
}


def report(trials, token, log, table):
    findings, groups, strict = {}, {}, {}
    for t in trials:
        group = t.case.group
        found = list(t.judge(token, log))
        if table:
            print("\n".join(t.row()))
        groups.setdefault(group, []).append(t)
        for rule, text in found:
            findings.setdefault(rule, []).append("%s: %s" % (t.case.name, text))
    for group, members in groups.items():
        print("# %s: %d cases; servers disagree on %d; passed %d, in part %d, refused %d" % (
            group, len(members), sum(bool(t.disagree) for t in members),
            sum(t.whole.bytes == t.case.data for t in members),
            sum(0 < len(t.whole.bytes) < len(t.case.data) for t in members),
            sum(not t.whole.bytes for t in members)))
        for t in members:
            if not t.disagree and not t.whole.bytes and all(
                    r.seen for r in t.direct if r.server in COMMON):
                strict.setdefault(group, []).append(t.case.name)
    for group, names in strict.items() if table else ():
        print("# %s: refused although %s agree: %s" % (group, ", ".join(COMMON), "; ".join(names)))
    for rule, text in RULES.items():
        verdict(text, findings.get(rule, []))


def verdict(name, findings):
    for f in findings[:40]:
        print("# " + f[:700])
    if len(findings) > 40:
        print("# and %d more" % (len(findings) - 40))
    print("%s %s" % ("not ok" if findings else "ok", name))


async def main(args):
    lab = Lab(args)
    token, other = (open(f).read().strip() for f in (args.token, args.other))
    mine, theirs = cases.corpus(token.encode()), cases.corpus(other.encode())
    published = cases.published(mine, args.vectors) and cases.published(theirs, args.vectors)
    trials = [Trial(a, b) for a, b in zip(mine.cases, theirs.cases)
              if not args.only or args.only in a.name]
    await lab.begin()
    await asyncio.gather(*[t.run(lab) for t in trials])
    cuts = [] if args.only else await cut_everywhere(lab, mine, theirs)
    ways = [] if args.only and args.only != "paths" else await paths.run(lab)
    lab.gather()
    log = read_log(args)
    if not published:
        print("skip published vectors: set SUBZERO_VECTORS to their directory")
    report(trials, token, log, args.table)
    verdict("every proxy forwards in good form what the guard let through",
            ["%s: %s in %r" % (server, why, data) for server, client, why, data in lab.book.broken
             if not client.startswith("127.")])
    if cuts:
        verdict("a head cut at any byte passes, and with another token does not (%d)" % len(cuts),
                ["cut at %d: %r %r" % (at, run.bytes, run.answers) for at, run, must in cuts
                 if (run.bytes != must if must else b"\r\n\r\n" in run.bytes)])
    if ways:
        paths.report(ways, verdict, args.table)
    verdict("every request that a server answered is on its record",
            ["%s at %s: %r %r" % (r.server, r.client, r.answers, r.seen) for r in lab.runs
             if sum(s == 200 for s in r.answers) > len(r.seen)]
            + ["%s has no record" % n for n in lab.names if not lab.book.knows(n)])
    verdict("every connection was made (%d)" % len(lab.runs),
            ["%s %s" % (r.server, r.end) for r in lab.runs if r.end.startswith("no connection")])


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--space", required=True, help="the client's network namespace")
    p.add_argument("--address", required=True, help="the guarded address")
    p.add_argument("--servers", required=True, help="name:port of each")
    p.add_argument("--raw", type=int, required=True, help="port of the recording service")
    p.add_argument("--token", required=True, help="file with a token that permits /orders")
    p.add_argument("--other", required=True, help="file with one that permits nothing")
    p.add_argument("--vectors", required=True, help="directory of published vectors")
    p.add_argument("--notes", action="append", default=[], help="what a server wrote of itself")
    p.add_argument("--log", required=True, help="pattern of the audit log's files")
    p.add_argument("--flush", required=True, help="command that flushes it")
    p.add_argument("--table", action="store_true", help="print each case and server")
    p.add_argument("--only", help="cases whose name contains this")
    return p.parse_args()


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    asyncio.run(main(arguments()))
