#!/usr/bin/python3
"""A small Downbeat publisher: runs one datapoint of the small form of the file over RabbitMQ.

    publisher.py [--url URL] [--namespace NAME] [--key FILE] [--results DIR] FILE

FILE is JSON: {"name": "hello", "hosts": {"alpha": ["./child.py -l 5"]}, "collect": ["*.jsonl"], "timeout_s": 60}.
A process's lines go to standard output, tagged. The exit status is 0 if every process ended with status 0,
1 if one did not or a host was lost, and 3 if a host was not ready in time.

It shows what docs/protocol.md asks of a publisher: it signs, agrees on the instant of the release, puts events in order,
asks for what is missing, believes no host that contradicts itself, and acknowledges what it has.
"""

import argparse
import hashlib
import json
import os
import shlex
import signal
import sys
import time

import pika
from pika.exceptions import NackError, UnroutableError

import wire

LEASE = 30.0
READY = 30.0
COMPLETE = 60.0
WINDOW = 8 << 20
NS = 1_000_000_000


class Failed(Exception):
    """The run can't go on; args are the exit status and the reason."""


class Host:
    """What is known of one host's part of the run."""

    def __init__(self, name, commands):
        self.name, self.commands = name, commands
        self.state = "asked"  # then waiting, ready, committed, started, done
        self.next, self.early = 1, {}  # the number of the event that is applied next; those that came before it
        self.newest = 0  # the newest number that the host is known to have logged
        self.progress = self.heard = time.monotonic()
        self.serial, self.sent = 0, False  # of controls; its job was sent
        self.offset, self.round_trip = None, None  # of its clock, ns; of the best exchange
        self.bytes = {}  # by command and stream: how many have come
        self.running, self.exits = set(), {}
        self.done = self.refused = None
        self.files, self.file = {"files": 0, "bytes": 0}, None
        self.partial = {}  # the unfinished last line of each stream

    def measure(self, probe, received):
        """Takes in an exchange: the offset lies between two bounds, and the middle is the estimate."""
        sent, taken, answered = (wire.to_ns(probe[k]) for k in ("sent_at", "taken_at", "answered_at"))
        round_trip = (received - sent) - (answered - taken)
        if self.round_trip is None or round_trip < self.round_trip:
            self.offset, self.round_trip = ((taken - sent) + (answered - received)) // 2, round_trip


class Publisher:
    def __init__(self, args, spec):
        self.args, self.spec = args, spec
        self.key = wire.load_private_key(args.key) if args.key else None
        self.id = wire.new_publisher()
        self.run = wire.new_run(self.id)
        self.clock = wire.Clock()
        self.events = f"{args.namespace}.events.{self.id}"
        self.hosts = {name: Host(name, commands) for name, commands in spec["hosts"].items()}
        self.stage = "gathering"  # then committing, starting, running, stopping
        self.committed_at = self.asked_at = 0.0
        self.release = self.stop = None
        self.stopped_at = None
        self.failure = None  # the exit status and the reason
        self.interrupted = None  # the number of the signal

    # Sending

    def connect(self):
        parameters = pika.URLParameters(self.args.url)
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.channel.queue_declare(self.events, durable=True, arguments={"x-queue-type": "classic", "x-expires": 600_000})
        self.channel.basic_qos(prefetch_count=64)
        self.channel.basic_consume(self.events, self.on_message)

    def publish(self, queue, body, persistent, ttl):
        properties = pika.BasicProperties(delivery_mode=2 if persistent else 1, expiration=str(int(ttl * 1000)))
        self.channel.basic_publish("", queue, body, properties, mandatory=True)

    def payload(self, purpose, host, ttl):
        return {
            "purpose": purpose, "namespace": self.args.namespace, "host": host, "run": self.run, "reply_to": self.events,
            "expires": wire.to_text(time.time_ns() + int(ttl * NS)),
        }  # fmt: skip

    def send_job(self, host, first_rank):
        commands = []
        for i, text in enumerate(host.commands):
            commands.append({
                "name": str(i), "phase": "run", "index": first_rank + i, "rank": first_rank + i, "local": i,
                "argv": shlex.split(text), "ok_exit": [0],
            })  # fmt: skip
        payload = self.payload("job", host.name, READY + 60)
        payload["job"] = {
            "since": self.run, "experiment": self.spec["name"], "datapoint": 1, "commands": commands, "codecs": ["gzip"],
            "lease_ms": int(LEASE * 1000), "window_bytes": WINDOW, "grace_ms": 10_000,
        }  # fmt: skip
        if self.spec.get("collect"):
            payload["job"].update(collect=self.spec["collect"], needs=["collect"])
        try:
            self.publish(f"{self.args.namespace}.jobs.{host.name}", wire.seal(self.key, payload), True, READY + 60)
            host.sent = True
        except UnroutableError:
            raise Failed(3, f"no worker has ever served host {host.name} in namespace {self.args.namespace}") from None

    def control(self, host, kind, **fields):
        """Sends a control. It may get lost; all are sent again until they show their effect."""
        host.serial += 1
        payload = self.payload("control", host.name, 600)
        payload["serial"] = host.serial
        payload["control"] = {"control": kind, **fields}
        if kind in ("keepalive", "commit"):
            payload["control"]["probe"] = {"sent_at": wire.to_text(self.clock.now())}
        try:
            self.publish(f"{self.args.namespace}.control.{host.name}", wire.seal(self.key, payload), False, LEASE)
        except (UnroutableError, NackError):
            pass

    def keepalive(self, host):
        now = time.monotonic()
        missing = host.newest >= host.next and now - host.progress > 1
        if missing:
            host.progress = now
        self.control(host, "keepalive", ack=host.next - 1, **({"resend": True} if missing else {}))

    # Receiving

    def on_message(self, channel, method, _, body):
        try:
            self.take(body, self.clock.now())
        except (wire.Malformed, ValueError, KeyError) as e:
            print(f"a message is ignored: {e}", file=sys.stderr)
        channel.basic_ack(method.delivery_tag)

    def take(self, body, received):
        if wire.is_frame(body):
            item = wire.Frame.decode(body)
            name, seq = item.host, item.seq
            run = item.run
        else:
            item = json.loads(body)
            name, seq, run = item.get("host"), item.get("seq", 0), item.get("run")
        host = self.hosts.get(name)
        if host is None or run != self.run or host.state == "done":
            return
        if not isinstance(item, wire.Frame) and item.get("downbeat") != wire.VERSION and item["event"] != "refused":
            raise Failed(1, f"the worker on {name} speaks version {item.get('downbeat')} of the protocol, and this publisher version {wire.VERSION}")
        host.heard = time.monotonic()
        if seq == 0:
            self.unlogged(host, item, received)
            return
        host.newest = max(host.newest, seq)
        if seq >= host.next:
            host.early[seq] = item
        while host.next in host.early and host.state != "done":
            item = host.early.pop(host.next)
            host.next += 1
            host.progress = time.monotonic()
            if isinstance(item, wire.Frame):
                self.frame(host, item)
            else:
                self.event(host, item, received)

    def unlogged(self, host, event, received):
        kind = event["event"]
        if kind == "heartbeat":
            beat = event["heartbeat"]
            if beat["last"] < beat.get("ack", 0):
                self.lose(host, "the end of its log was cut off")
            host.newest = max(host.newest, beat["last"])
            host.measure(beat["probe"], received)
        elif kind == "refused" and host.next == 1:
            self.refuse(host, event["refused"])
        elif kind == "done" and event["done"]["outcome"] == "lost":
            self.lose(host, event["done"].get("reason", "its worker lost the run"))

    def event(self, host, event, received):
        kind = event["event"]
        content = event.get(kind)
        if kind == "waiting":
            host.state = "waiting"
            if self.stage == "committing":
                self.stage, self.asked_at = "gathering", 0.0
        elif kind == "ready":
            host.state = "ready"
        elif kind == "committed":
            host.state = "committed"
            self.committed_at = time.monotonic()
            if content and content.get("probe"):
                host.measure(content["probe"], received)
        elif kind == "started":
            for s in content:
                host.running.add(s["command"])
            host.state = "started"
        elif kind == "exited":
            self.exited(host, content)
        elif kind == "refused":
            self.refuse(host, content)
        elif kind == "done":
            self.finish(host, content)
        # an event of a kind that is not known here has had its number, and is passed over

    def exited(self, host, info):
        n = info["command"]
        host.running.discard(n)
        host.exits[n] = info
        if self.stage != "stopping" and (info.get("exit_code") != 0 or info.get("reason")):
            why = info.get("reason") or (f"was ended by {info['signal']}" if info.get("signal") else f"exited with status {info['exit_code']}")
            self.end("failure", 1, f"{host.name}/{n} {why}")

    def frame(self, host, frame):
        if frame.kind == wire.OUTPUT:
            for n, stream, _, offset, _, data in wire.segments(frame.body):
                if offset != host.bytes.get((n, stream), 0):
                    self.lose(host, f"output of process {n} goes on after {offset} bytes, and {host.bytes.get((n, stream), 0)} have come")
                    return
                host.bytes[n, stream] = offset + len(data)
                self.show(host, n, stream, data)
        elif frame.kind == wire.FILES:
            for piece in wire.pieces(frame.body):
                self.piece(host, *piece)

    def show(self, host, n, stream, data):
        out = sys.stderr if stream == wire.STDERR else sys.stdout
        *lines, rest = (host.partial.pop((n, stream), b"") + data).split(b"\n")
        for line in lines:
            out.buffer.write(f"{host.name}/{n} | ".encode() + line + b"\n")
        if rest:
            host.partial[n, stream] = rest
        out.flush()

    def piece(self, host, kind, path, data, size, digest, reason):
        if kind == wire.BEGIN:
            place = self.place(host, path) or os.devnull
            os.makedirs(os.path.dirname(place), exist_ok=True)
            host.file = (place, hashlib.sha256(), open(place, "wb"))
        elif kind == wire.DATA:
            host.file[1].update(data)
            host.file[2].write(data)
        elif kind == wire.END:
            host.file[2].close()
            if host.file[1].digest() != digest:
                self.lose(host, f"{host.file[0]} was damaged on its way")
            host.files["files"] += 1
            host.files["bytes"] += size
        elif kind == wire.MISSING:
            print(f"{host.name}: {os.fsdecode(path)} is missing: {reason}", file=sys.stderr)
        elif kind == wire.ANEW:
            host.files = {"files": 0, "bytes": 0}

    def place(self, host, path):
        """Where a host's file goes; None: it is not wanted, or its path must not be trusted."""
        elements = os.fsdecode(path).split("/")
        if not self.args.results or any(e in ("", ".", "..") or "\0" in e for e in elements):
            return None
        return os.path.join(self.args.results, host.name, "files", *elements)

    # How it ends

    def refuse(self, host, info):
        reasons = [f"{p['process']}: {p['reason']}" for p in info.get("problems", [])] or [info["reason"]]
        host.state, host.refused = "done", reasons[0]
        self.end("failure", 1, f"{host.name} refused: {'; '.join(reasons)}")

    def lose(self, host, reason):
        host.state = "done"
        self.end("failure", 1, f"{host.name} was lost: {reason}")

    def finish(self, host, done):
        host.state, host.done = "done", done
        for (n, stream), rest in list(host.partial.items()):
            self.show(host, n, stream, b"\n")
        if done["outcome"] != "done":
            self.end("failure", 1, f"{host.name}: {done.get('reason', done['outcome'])}")
            return
        for n, total in enumerate(done["totals"]):
            got = (host.bytes.get((n, wire.STDOUT), 0), host.bytes.get((n, wire.STDERR), 0))
            if got != (total["stdout_bytes"], total["stderr_bytes"]):
                self.end("failure", 1, f"output of {host.name}/{n} is missing")
        files = done.get("files")
        if self.spec.get("collect") and files and (files["files"], files["bytes"]) != (host.files["files"], host.files["bytes"]):
            self.end("failure", 1, f"files of {host.name} are missing")
        if host.running or (self.stage != "stopping" and len(host.exits) != len(host.commands)):
            self.end("failure", 1, f"{host.name} does not account for all of its processes")

    def end(self, cause, status, reason):
        """Stops the run, everywhere at one instant."""
        if self.failure is None and status:
            self.failure = (status, reason)
        if self.stage == "stopping":
            return
        self.stage, self.asked_at = "stopping", 0.0
        self.stopped_at = time.monotonic()
        self.stop = {"cause": cause, "reason": reason, "grace_ms": 10_000}
        self.stop_at = self.clock.now() + 50_000_000
        for host in self.hosts.values():
            if host.state == "asked":
                self.control(host, "stop", **self.stop)
                host.state = "done"

    # The loop

    def step(self):
        now = time.monotonic()
        if self.interrupted and self.stage != "stopping":
            self.end("abort", 128 + self.interrupted, f"stopped by {signal.Signals(self.interrupted).name}")
        open_hosts = [h for h in self.hosts.values() if h.state != "done"]
        for host in open_hosts:
            self.watch(host, now)
        if self.stage == "gathering" and all(h.state == "ready" and h.offset is not None for h in self.hosts.values()):
            self.stage, self.asked_at, self.commit_at = "committing", 0.0, now
        elif self.stage == "committing" and all(h.state == "committed" for h in self.hosts.values()):
            margin = max(int(2 * (self.committed_at - self.commit_at) * NS), 20_000_000)
            self.stage, self.asked_at, self.release = "starting", 0.0, self.clock.now() + margin
        elif self.stage == "starting" and all(h.state in ("started", "done") for h in self.hosts.values()):
            self.stage = "running"
        if self.release and self.stage in ("starting", "running") and self.clock.now() - self.release > self.spec.get("timeout_s", 3600) * NS:
            self.end("timeout", 1, "it was not over in time")
        if now - self.asked_at > 1:
            self.asked_at = now
            for host in open_hosts:
                self.ask(host)

    def ask(self, host):
        """Asks for what the stage wants of a host and has not seen yet."""
        if self.stage == "gathering" and host.state == "committed":
            self.control(host, "uncommit")
        elif self.stage == "committing" and host.state == "ready":
            self.control(host, "commit")
        elif self.stage == "starting" and host.state == "committed":
            self.control(host, "start", at=wire.to_text(self.release + host.offset))
        elif self.stage == "stopping":
            at = {"at": wire.to_text(self.stop_at + host.offset)} if host.offset is not None else {}
            self.control(host, "stop", **self.stop, **at)
        self.keepalive(host)

    def watch(self, host, now):
        if host.state == "asked" and now - self.began > READY:
            host.state = "done"
            self.end("failure", 3, f"{host.name} was not ready within {READY:.0f} s")
        elif host.state != "asked" and now - host.heard > LEASE:
            self.lose(host, f"no word from it for {LEASE:.0f} s")
        elif self.stopped_at and now - max(self.stopped_at, host.progress) > COMPLETE:
            self.lose(host, f"it did not complete within {COMPLETE:.0f} s")

    def work(self):
        self.began = time.monotonic()
        rank = 0
        for host in self.hosts.values():
            self.send_job(host, rank)
            rank += len(host.commands)
        while any(h.state != "done" for h in self.hosts.values()):
            self.connection.process_data_events(time_limit=0.02)
            self.step()
        for host in self.hosts.values():
            if host.next > 1:
                self.control(host, "keepalive", ack=host.next - 1)

    def interrupt(self, number, _):
        self.interrupted = number

    def main(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.interrupt)
        self.connect()
        try:
            self.work()
        except Failed as e:
            self.failure = self.failure or e.args
            for host in self.hosts.values():
                if host.sent and host.state != "done":
                    self.control(host, "stop", cause="failure", reason=e.args[1], grace_ms=10_000)
        finally:
            self.channel.queue_delete(self.events)
            self.connection.close()
        if self.failure:
            print(f"failed: {self.failure[1]}", file=sys.stderr)
            return self.failure[0]
        print(f"succeeded: run {self.run}", file=sys.stderr)
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--url", default=os.environ.get("DOWNBEAT_QUEUE_URL", "amqp://guest:guest@localhost:5672/"))
    parser.add_argument("--namespace", default=os.environ.get("DOWNBEAT_NAMESPACE", "downbeat"))
    parser.add_argument("--key", default=os.environ.get("DOWNBEAT_KEY"), help="the private key that signs, in PEM")
    parser.add_argument("--results", help="directory for collected files")
    parser.add_argument("file")
    args = parser.parse_args()
    with open(args.file) as f:
        spec = json.load(f)
    unknown = sorted(set(spec) - {"name", "hosts", "collect", "timeout_s"})
    if unknown:
        parser.error(f"{args.file}: this publisher doesn't know {', '.join(unknown)}")
    sys.exit(Publisher(args, spec).main())


if __name__ == "__main__":
    main()
