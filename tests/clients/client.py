#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ordinary requests by Python's clients: http.client, urllib, requests, aiohttp, httpx.

client.py LIBRARY BASE TAG, the token in $TOKEN. Sends a fixed number of requests to
BASE/orders/echo?TAG and compares each answer with what was sent. Prints "N requests, M wrong" and
what was wrong. It must never try again.
"""
import asyncio
import hashlib
import http.client
import os
import sys
import time
import urllib.parse
import urllib.request

LIBRARY, BASE, TAG = sys.argv[1:4]
HEADERS = {"Authorization": "Bearer " + os.environ["TOKEN"]}
PATH = "/orders/echo?" + TAG
TIMEOUT = 10
SIZES = (0, 1, 1459, 10000, 65536, 1000000)
count = wrong = 0
slowest = 0.0


def body(size):
    return bytes((i * 7 + size) & 255 for i in range(256)) * (size // 256 + 1)


def check(status, answer, method, sent, begun):
    global count, wrong, slowest
    count += 1
    took = time.monotonic() - begun
    slowest = max(slowest, took)
    want = "%s %d %s" % (method, len(sent), hashlib.sha256(sent).hexdigest())
    if status != 200 or not answer.decode().startswith(want + " "):
        wrong += 1
        print("%s %d bytes: %s %.80r after %.1f s" % (method, len(sent), status, answer, took))


def failed(method, sent, begun, error):
    global count, wrong
    count += 1
    wrong += 1
    took = time.monotonic() - begun
    print("%s %d bytes: %r after %.1f s" % (method, len(sent), error, took))


def pieces(data, size=7000):
    for i in range(0, len(data), size):
        yield data[i : i + size]


async def apieces(data):
    for piece in pieces(data):
        yield piece


def plan():
    """Every library sends the same: (method, body, chunked)."""
    for i in range(40):
        yield "GET", b"", False
        if i % 4 == 0:
            size = SIZES[i // 4 % len(SIZES)]
            yield "POST", body(size)[:size], False
            yield "PUT", body(size)[:size], size > 0


def attempt(send, method, sent, chunked):
    begun = time.monotonic()
    try:
        status, answer = send(method, sent, chunked)
    except Exception as error:  # whatever it is, it is counted and shown
        failed(method, sent, begun, error)
        return
    check(status, answer, method, sent, begun)


def by_http_client():
    url = urllib.parse.urlsplit(BASE)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT)

    def send(method, sent, chunked):
        data = pieces(sent) if chunked else sent or None
        try:
            connection.request(method, PATH, body=data, headers=HEADERS, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except Exception:
            connection.close()  # the next request begins on a new one
            raise

    for step in plan():
        attempt(send, *step)


def by_urllib():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(method, sent, chunked):
        data = pieces(sent) if chunked else sent if method != "GET" else None
        request = urllib.request.Request(BASE + PATH, data, HEADERS, method=method)
        with opener.open(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.read()

    for step in plan():
        attempt(send, *step)


def by_requests():
    import requests

    session = requests.Session()
    session.trust_env = False

    def send(method, sent, chunked):
        data = pieces(sent) if chunked else sent
        answer = session.request(method, BASE + PATH, data=data, headers=HEADERS, timeout=TIMEOUT)
        return answer.status_code, answer.content

    for step in plan():
        attempt(send, *step)


async def together(send):
    async def one(method, sent, chunked):
        begun = time.monotonic()
        try:
            status, answer = await send(method, sent, chunked)
        except Exception as error:  # whatever it is, it is counted and shown
            failed(method, sent, begun, error)
            return
        check(status, answer, method, sent, begun)

    await asyncio.gather(*(one(*step) for step in plan()))


async def by_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT), connector=aiohttp.TCPConnector(limit=8)
    ) as session:

        async def send(method, sent, chunked):
            data = apieces(sent) if chunked else sent
            async with session.request(
                method, BASE + PATH, data=data, headers=HEADERS
            ) as answer:
                return answer.status, await answer.read()

        await together(send)


async def by_httpx():
    import httpx

    async with httpx.AsyncClient(
        timeout=TIMEOUT, trust_env=False, limits=httpx.Limits(max_connections=8)
    ) as client:

        async def send(method, sent, chunked):
            data = apieces(sent) if chunked else sent
            answer = await client.request(method, BASE + PATH, content=data, headers=HEADERS)
            return answer.status_code, answer.content

        await together(send)


done = {
    "http.client": by_http_client,
    "urllib": by_urllib,
    "requests": by_requests,
    "aiohttp": by_aiohttp,
    "httpx": by_httpx,
}[LIBRARY]()
if done is not None:
    asyncio.run(done)
print("slowest %.3f s" % slowest)
print("%d requests, %d wrong" % (count, wrong))
