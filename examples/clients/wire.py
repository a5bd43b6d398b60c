"""Downbeat's wire format, version 2: envelopes, events and frames.

docs/protocol.md specifies it. This module needs nothing but the standard library and, for signatures,
python3-cryptography.
"""

import base64
import gzip
import json
import os
import struct
import time
import zlib
from datetime import datetime, timezone

VERSION = 2
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
STDOUT, STDERR = 0, 1
OUTPUT, FILES, CHUNK = b"O", b"F", b"C"  # the kinds of frames
BEGIN, DATA, END, MISSING, ANEW = 1, 2, 3, 4, 5  # the kinds of pieces
MAX_BODY = 512 << 10  # of a frame, before compression


class Malformed(Exception):
    """A message that can't be read, or that must not be believed."""


class Expired(Malformed):
    """A message whose time is over."""


# Names and times


def new_publisher():
    """Ten characters that name a publisher process: 50 random bits."""
    n = int.from_bytes(os.urandom(7), "big")
    return "".join(CROCKFORD[n >> 5 * i & 31] for i in range(10))


def new_run(publisher):
    """A run id: ten characters of time in ms, the publisher's ten, and six random ones."""
    ms = time.time_ns() // 1_000_000
    n = int.from_bytes(os.urandom(4), "big")
    return "".join(CROCKFORD[ms >> 5 * i & 31] for i in reversed(range(10))) + publisher + "".join(CROCKFORD[n >> 5 * i & 31] for i in range(6))


def to_text(ns):
    """A time in ns since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(ns // 1_000_000_000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 1_000_000_000:09d}Z"


def to_ns(text):
    """A time in RFC 3339, in UTC, as ns since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    at = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


class Clock:
    """The wall clock as it was at the start, moved on by the monotonic clock: steps don't matter."""

    def __init__(self):
        self.base = time.time_ns() - time.monotonic_ns()

    def now(self):
        return self.base + time.monotonic_ns()

    def monotonic(self, ns):
        """The monotonic clock, in seconds, when this clock shows ns."""
        return (ns - self.base) / 1e9


# Envelopes


def load_private_key(path):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with open(path, "rb") as f:
        return load_pem_private_key(f.read(), None)


def load_public_keys(path):
    """The 32 bytes of each key of a file of lines `ed25519 BASE64 COMMENT`."""
    with open(path) as f:
        lines = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return [base64.b64decode(line[1]) for line in lines if line[0] == "ed25519"]


def signed_bytes(payload):
    return f"downbeat/{VERSION}\n{payload}".encode()


def seal(key, payload):
    """An envelope around the payload, signed by key where there is one."""
    text = json.dumps(payload)
    envelope = {"downbeat": VERSION, "payload": text}
    if key is not None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        envelope["key"] = public[:8].hex()
        envelope["signature"] = base64.b64encode(key.sign(signed_bytes(text))).decode()
    return json.dumps(envelope).encode()


def open_envelope(body, keys, namespace, host):
    """The payload of an envelope, once signature, address and expiry are known to be right.

    keys are the public keys that are trusted; None: signatures are not looked at.
    """
    envelope = json.loads(body)
    if not isinstance(envelope, dict):
        raise Malformed("it is not an envelope")
    if envelope.get("downbeat") != VERSION:
        raise Malformed(f"the sender speaks version {envelope.get('downbeat')} of the protocol, and this worker version {VERSION}")
    text = envelope["payload"]
    if keys is not None:
        check_signature(envelope, text, keys)
    payload = json.loads(text)
    if payload.get("namespace") != namespace or payload.get("host") not in (host, "*"):
        raise Malformed(f"it is addressed to host {payload.get('host')} of namespace {payload.get('namespace')}")
    ahead = to_ns(payload["expires"]) - time.time_ns()
    if ahead <= 0:
        raise Expired(f"it was valid until {payload['expires']}, and this host's clock shows {to_text(time.time_ns())}")
    if ahead > 48 * 3600 * 1_000_000_000:
        raise Malformed(f"it is valid until {payload['expires']}, and this host's clock shows {to_text(time.time_ns())}")
    return payload


def check_signature(envelope, text, keys):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        if key[:8].hex() == envelope.get("key"):
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(envelope["signature"]), signed_bytes(text))
                return
            except InvalidSignature:
                raise Malformed("the signature does not fit the message") from None
    raise Malformed("it is not signed by a key that is trusted here")


def reply_address(body, namespace):
    """The run and the queue to answer to, of a message that is refused, as far as they can be read."""
    try:
        outer = json.loads(body)
        inner = json.loads(outer.get("payload", "{}"))
        reply_to = inner.get("reply_to") or outer.get("reply_to") or ""
        return inner.get("run") or outer.get("run") or "", reply_to if reply_to.startswith(namespace + ".events.") else ""
    except (ValueError, AttributeError):
        return "", ""


# Frames


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def prefixed(data):
    return varint(len(data)) + data


class Reader:
    """Takes fields off bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __bool__(self):
        return self.at < len(self.data)

    def take(self, n):
        if self.at + n > len(self.data):
            raise Malformed("a frame ends in the middle")
        self.at += n
        return self.data[self.at - n : self.at]

    def varint(self):
        n = shift = 0
        while True:
            b = self.take(1)[0]
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return n

    def zigzag(self):
        n = self.varint()
        return n >> 1 if n & 1 == 0 else -(n + 1 >> 1)

    def prefixed(self):
        return self.take(self.varint())


class Frame:
    """A binary message: output or files on their way to the publisher, or a part of a file on its way to a host."""

    def __init__(self, kind, run, host, seq, body):
        self.kind, self.run, self.host, self.seq, self.body = kind, run, host, seq, body

    def encode(self, codec=""):
        body = gzip.compress(self.body, 1) if codec == "gzip" else self.body
        head = b"DB" + self.kind + bytes([VERSION]) + prefixed(self.run.encode()) + prefixed(self.host.encode())
        data = head + varint(self.seq) + prefixed(codec.encode()) + varint(len(self.body)) + body
        return data + struct.pack("<I", zlib.crc32(data))

    @staticmethod
    def decode(data):
        if len(data) < 8 or struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
            raise Malformed("a frame was damaged on its way")
        if data[3] != VERSION:
            raise Malformed(f"a frame of version {data[3]} of the protocol")
        r = Reader(data[:-4])
        kind = r.take(4)[2:3]
        frame = Frame(kind, r.prefixed().decode(), r.prefixed().decode(), r.varint(), b"")
        codec, size = r.prefixed().decode(), r.varint()
        body = r.take(len(r.data) - r.at)
        if codec == "gzip":
            body = zlib.decompressobj(wbits=31).decompress(body, size + 1)
        elif codec != "":
            raise Malformed(f"a frame is compressed by {codec}, which was not offered")
        if len(body) != size or size > MAX_BODY + 1024:
            raise Malformed("a frame does not have the size that it tells")
        frame.body = body
        return frame


def is_frame(data):
    return data[:2] == b"DB"


def encode_segments(at, segments):
    """The body of an output frame; segments are (command, stream, ns, bytes before, newlines before, data)."""
    body = [struct.pack("<q", at)]
    for command, stream, read_at, offset, line, data in segments:
        body.append(varint(command << 1 | stream) + zigzag(read_at - at) + varint(offset) + varint(line) + prefixed(data))
    return b"".join(body)


def segments(body):
    r = Reader(body)
    base = struct.unpack("<q", r.take(8))[0]
    while r:
        head = r.varint()
        yield head >> 1, head & 1, base + r.zigzag(), r.varint(), r.varint(), r.prefixed()


def pieces(body):
    """The pieces of a frame of files: (kind, path, data, size, hash, reason)."""
    r = Reader(body)
    while r:
        kind = r.take(1)[0]
        if kind == BEGIN:
            path = r.prefixed()
            r.varint()  # permissions
            r.zigzag()  # when it was last changed
            yield kind, path, b"", 0, b"", ""
        elif kind == DATA:
            yield kind, b"", r.prefixed(), 0, b"", ""
        elif kind == END:
            yield kind, b"", b"", r.varint(), r.take(32), ""
        elif kind == MISSING:
            yield kind, r.prefixed(), b"", 0, b"", r.prefixed().decode(errors="replace")
        elif kind == ANEW:
            yield kind, b"", b"", 0, b"", ""
        else:
            raise Malformed(f"a piece of kind {kind}")
