#!/usr/bin/python3
"""A small Downbeat worker: serves one host over RabbitMQ.

    DOWNBEAT_QUEUE_URL=amqp://... [DOWNBEAT_NAMESPACE=NAME] [DOWNBEAT_TRUSTED_KEYS=FILE] [DOWNBEAT_STATE_DIR=DIR] worker.py HOST

It shows what docs/protocol.md asks of a worker: it acknowledges a job once it is on its disk, runs a job once, gives the
host to the older of two runs, releases and stops at the agreed instants, numbers what it reports and sends it again when
asked, and ends a run whose publisher has gone silent. Of the features that a job may need it knows beats and readiness;
it refuses jobs that need others (setup, teardown, terminals, files, restarts, actions). It does not hold processes at their exec: it looks
programs up before it says that it is ready, and starts them at the release. Its log is in memory: a run that was under
way when it died is reported as lost.
"""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pika
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

import wire

BUILD = "python-example"
FEATURES = ["beats", "ready"]
NS = 1_000_000_000
NEVER = float("inf")
MAX_DEAD = 64 << 10  # bytes of a message that are kept among the dead letters
UNREADABLE = (wire.Malformed, ValueError, KeyError, TypeError, AttributeError)


class Process:
    def __init__(self, number, command):
        self.number, self.command = number, command
        self.popen = self.started_at = self.ended_at = None
        self.exited = self.stopped = self.killed = False
        self.open = 0  # streams that have not come to their end
        self.sent = {wire.STDOUT: [0, 0, True], wire.STDERR: [0, 0, True]}  # bytes, newlines, at the beginning of a line
        self.beat = command.get("beat", 0)
        self.wanted = command.get("ready")  # what is looked for, until it is known
        self.until = self.line = None
        self.partial = {wire.STDOUT: b"", wire.STDERR: b""}  # lines that have not come to their end


class Run:
    """A job on this host. All methods are called by the main thread."""

    def __init__(self, worker, payload):
        self.worker, self.job = worker, payload["job"]
        self.id, self.reply_to = payload["run"], payload["reply_to"]
        self.since = self.job["since"]
        self.clock = wire.Clock()
        self.state = "waiting"  # then ready, committed, armed, running, stopping, finished
        self.processes = [Process(i, c) for i, c in enumerate(self.job["commands"])]
        self.log, self.acked, self.sent = [], 0, 0  # messages by number, from 1
        self.progress = time.monotonic()
        self.serials = set()
        self.beats = 1 + max(p.beat for p in self.processes)
        self.releases = {}  # by beat
        self.parts = []  # stops of later beats alone: the first of them, when, when to kill, and why
        self.stop_at = self.kill_at = None
        self.stop = None
        self.lease = min(self.job["lease_ms"] / 1000, worker.lease)
        self.heard = time.monotonic()
        self.output = queue.Queue(maxsize=64)  # of what the readers have read
        self.found = queue.Queue()  # processes that can be used, and since when
        self.dir = os.path.join(worker.state, "runs", self.id)
        self.gone = False

    # Reporting

    def event(self, kind, content=None, at=None):
        event = {"downbeat": wire.VERSION, "event": kind, "run": self.id, "host": self.worker.host, "seq": len(self.log) + 1}
        event["time"] = wire.to_text(at or self.clock.now())
        if content is not None:
            event[kind] = content
        self.log.append(json.dumps(event).encode())

    def reply(self, kind, content):
        self.worker.answer(self.reply_to, kind, content, self.id, self.lease, self.clock.now())

    def send(self):
        """Sends what the window has room for."""
        window = self.job["window_bytes"]
        under_way = sum(map(len, self.log[self.acked : self.sent]))
        while self.sent < len(self.log) and under_way < window and not self.gone:
            body = self.log[self.sent]
            self.gone = not self.worker.publish(self.reply_to, body, None)
            self.sent += 1
            under_way += len(body)

    def acknowledge(self, ack, resend):
        if ack > self.acked and ack <= len(self.log):
            self.log[self.acked : ack] = [b""] * (ack - self.acked)
            self.acked, self.sent = ack, max(self.sent, ack)
            self.progress = time.monotonic()
        if self.sent > self.acked and (resend or time.monotonic() - self.progress > 3):
            self.sent, self.progress = self.acked, time.monotonic()

    # Controls

    def control(self, serial, c, taken):
        if serial in self.serials:
            return
        self.serials.add(serial)
        self.heard = time.monotonic()
        kind = c["control"]
        probe = dict(c["probe"], taken_at=wire.to_text(taken), answered_at=wire.to_text(self.clock.now())) if "probe" in c else None
        if kind == "keepalive":
            self.acknowledge(c.get("ack", 0), c.get("resend", False))
            self.reply("heartbeat", {"last": len(self.log), "ack": c.get("ack", 0), **({"probe": probe} if probe else {})})
        elif kind == "commit" and self.state in ("ready", "committed"):
            self.state = "committed"
            self.event("committed", {"probe": probe} if probe else {})
        elif kind == "uncommit" and self.state == "committed":
            self.state = "ready"
            self.worker.give_way()
            if self.state == "ready":
                self.report_ready()
        elif kind == "start" and self.state in ("committed", "armed", "running"):
            self.arm(c.get("beat", 0), c["at"])
        elif kind == "stop":
            at = self.clock.monotonic(wire.to_ns(c["at"])) if "at" in c else time.monotonic()
            why, grace = {"cause": c["cause"], "reason": c.get("reason", "")}, c.get("grace_ms", 0) / 1000
            if c.get("from_beat", 0) == 0:
                self.end(why, at, grace, own=False)
            elif self.state in ("armed", "running") and c["from_beat"] not in [part[0] for part in self.parts]:
                self.parts.append([c["from_beat"], at, at + grace, why])

    def arm(self, beat, at):
        if beat in self.releases or beat >= self.beats:
            return
        self.releases[beat] = self.clock.monotonic(wire.to_ns(at))
        if self.state == "committed" and beat == 0:
            self.state = "armed"
        if self.beats > 1:
            self.event("armed", {"beat": beat, "at": at})

    def end(self, why, at, grace, own):
        if self.state == "finished":
            return
        if self.stop is None:
            self.stop = dict(why, own=own)
        if self.state in ("armed", "running", "stopping"):
            self.state = "stopping"
            self.stop_at = min(at, self.stop_at or at)
            self.kill_at = min(at + grace, self.kill_at or at + grace)
        else:
            self.finish()

    # Processes

    def prepare(self):
        """Makes sure that every program is there; nothing is executed yet."""
        os.makedirs(self.dir, exist_ok=True)
        problems = []
        for p in self.processes:
            program = p.command["argv"][0]
            if find(program) is None:
                problems.append({"process": p.command["name"], "reason": f"{program}: not found on {self.worker.host}"})
        if problems:
            self.refuse(f"{len(problems)} of {len(self.processes)} commands can't be run", problems)
        else:
            self.state = "ready"
            self.report_ready()

    def report_ready(self):
        self.event("ready", {"hold": "none", "version": BUILD, "features": FEATURES})

    def refuse(self, reason, problems=()):
        self.worker.leave(self)
        self.event("refused", {"reason": reason, "problems": list(problems), "version": BUILD, "features": FEATURES})
        self.state = "finished"

    def start(self, now):
        """Starts the processes that are due."""
        started = []
        for p in self.processes:
            c = p.command
            if p.started_at is not None or self.dropped(p) or self.releases.get(p.beat, NEVER) + c.get("delay_ms", 0) / 1000 > now:
                continue
            p.started_at = self.clock.now()
            try:
                p.popen = subprocess.Popen(
                    c["argv"], executable=find(c["argv"][0]), cwd=os.path.join(self.dir, c.get("dir", "")), env=self.environment(c), stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            except OSError as e:
                p.exited = True
                self.event("exited", {"command": p.number, "exit_code": -1, "user_us": 0, "system_us": 0, "max_rss_bytes": 0, "reason": e.strerror})
                continue
            started.append({"command": p.number, "pid": p.popen.pid, "started_at": wire.to_text(p.started_at)})
            for stream, pipe in ((wire.STDOUT, p.popen.stdout), (wire.STDERR, p.popen.stderr)):
                p.open += 1
                threading.Thread(target=self.read, args=(p, stream, pipe), daemon=True).start()
            self.seek(p, now)
        if started:
            self.event("started", started)

    def dropped(self, process):
        """Whether a process was stopped before it began."""
        return any(process.beat >= part[0] for part in self.parts)

    # Readiness

    def seek(self, process, now):
        """Begins to look whether a process can be used."""
        wanted = process.wanted
        if wanted is None:
            return
        process.until = now + wanted["within_ms"] / 1000
        if "line" in wanted:
            process.line = re.compile(wanted["line"])
        else:
            threading.Thread(target=self.look, args=(process, wanted), daemon=True).start()

    def look(self, process, wanted):
        """Looks again and again, on a thread of its own."""
        place = os.path.join(self.dir, process.command.get("dir", ""))
        while process.wanted:
            if is_there(wanted, self.dir, place, self.environment(process.command)):
                self.found.put((process, self.clock.now()))
                return
            time.sleep(wanted.get("every_ms", 50) / 1000)

    def look_at_lines(self, process, stream, at, data):
        *lines, rest = (process.partial[stream] + data).split(b"\n")
        process.partial[stream] = rest[: 64 << 10]
        if any(process.line.search(line.decode(errors="replace")) for line in lines):
            self.know(process, at)

    def know(self, process, at=None, reason=None):
        """Reports that a process can be used, or why it can't."""
        if process.wanted:
            process.wanted = None
            self.event("process_ready", {"command": process.number, **({"reason": reason} if reason else {})}, at)

    def judge_readiness(self, now):
        while not self.found.empty():
            self.know(*self.found.get())
        for p in self.processes:
            if p.wanted is None or p.until is None:
                continue
            if p.stopped:
                p.wanted = None
            elif p.exited and p.open == 0:
                for stream in p.partial:
                    if p.line and p.partial[stream]:
                        self.look_at_lines(p, stream, None, b"\n")
                self.know(p, reason="it has ended")
            elif now >= p.until and not p.exited:
                self.know(p, reason=f"it was not ready within {p.command['ready']['within_ms']} ms")

    def environment(self, command):
        env = {k: v for k, v in os.environ.items() if not k.startswith("DOWNBEAT_") and k != "PWD"}
        env.update(command.get("env") or {})
        identity = {"RUN": self.id, "HOST": self.worker.host, "PROCESS": command["name"], "GROUP": command.get("group", "")}
        identity.update(INDEX=command.get("index", 0), RANK=command.get("rank", 0), LOCAL=command.get("local", 0))
        env.update({"DOWNBEAT_" + k: str(v) for k, v in identity.items()})
        return env

    def read(self, process, stream, pipe):
        """Reads one stream to its end, on a thread of its own."""
        while data := os.read(pipe.fileno(), 64 << 10):
            self.output.put((process, stream, self.clock.now(), data))
        pipe.close()
        self.output.put((process, stream, self.clock.now(), b""))

    def take_output(self):
        """Puts what the readers have read into one frame."""
        batch, base = [], None
        while not self.output.empty() and len(batch) < 7:
            process, stream, at, data = self.output.get()
            if not data:
                process.open -= 1
                continue
            if process.wanted and process.line:
                self.look_at_lines(process, stream, at, data)
            count = process.sent[stream]
            batch.append((process.number, stream, at, count[0], count[1], data))
            process.sent[stream] = [count[0] + len(data), count[1] + data.count(b"\n"), data.endswith(b"\n")]
            base = base or at
        if batch:
            body = wire.encode_segments(base, batch)
            self.log.append(wire.Frame(wire.OUTPUT, self.id, self.worker.host, len(self.log) + 1, body).encode())

    def reap(self):
        """Reports the processes that have ended."""
        for p in self.processes:
            if p.popen is None or p.exited:
                continue
            pid, status, usage = os.wait4(p.popen.pid, os.WNOHANG)
            if pid == 0:
                continue
            p.exited, p.popen.returncode = True, os.waitstatus_to_exitcode(status)
            code = p.popen.returncode
            info = {
                "command": p.number, "exit_code": max(code, -1), "started_at": wire.to_text(p.started_at), "ended_at": wire.to_text(self.clock.now()),
                "user_us": int(usage.ru_utime * 1e6), "system_us": int(usage.ru_stime * 1e6), "max_rss_bytes": usage.ru_maxrss * 1024,
            }  # fmt: skip
            if code < 0:
                info.update(exit_code=-1, signal=signal.Signals(-code).name)
            info.update({k: True for k in ("stopped", "killed") if getattr(p, k)})
            self.event("exited", info)

    def signal(self, number, beat=0):
        """Sends a signal to every process that is left of that beat and later ones, and says whether there was one."""
        there = False
        for p in self.processes:
            if p.beat >= beat and p.popen is not None and not p.exited:
                there = True
                p.stopped, p.killed = True, p.killed or number == signal.SIGKILL
                try:
                    os.killpg(p.popen.pid, number)
                except ProcessLookupError:
                    pass
        return there

    def finish(self):
        """Closes the account: nothing of the run is left."""
        sweep(self.id, self.worker.host)
        while any(p.open for p in self.processes) or not self.output.empty():
            self.take_output()
        totals = []
        for p in self.processes:
            lines = [p.sent[s][1] + (not p.sent[s][2]) for s in (wire.STDOUT, wire.STDERR)]
            totals.append({
                "stdout_lines": lines[0], "stdout_bytes": p.sent[wire.STDOUT][0],
                "stderr_lines": lines[1], "stderr_bytes": p.sent[wire.STDERR][0],
            })  # fmt: skip
        own = self.stop is not None and self.stop["own"]
        done = {"outcome": "stopped" if own else "done", "totals": totals}
        if own:
            done["reason"] = self.stop["reason"]
        self.worker.leave(self)
        self.event("done", done)
        self.state, self.heard = "finished", time.monotonic()
        shutil.rmtree(self.dir, ignore_errors=True)

    # The loop

    def step(self):
        now = time.monotonic()
        if self.state != "finished" and (now - self.heard > self.lease or self.gone):
            silence = "the publisher is gone: its queue has been deleted" if self.gone else f"no word from the publisher for {self.lease:.0f} s"
            self.end({"cause": "lease", "reason": silence}, now, self.job["grace_ms"] / 1000, own=True)
        if self.state == "armed" and now >= self.releases[0]:
            self.state = "running"
        if self.state == "running":
            self.start(now)
        for part in self.parts:
            beat, at, kill_at, why = part
            if now >= at:
                part[1] = NEVER
                if self.signal(signal.SIGTERM, beat):
                    self.event("stopping", dict(why, from_beat=beat))
            if now >= kill_at:
                part[2] = NEVER
                self.signal(signal.SIGKILL, beat)
        if self.stop_at is not None and now >= self.stop_at:
            self.stop_at = NEVER
            if self.signal(signal.SIGTERM):
                self.event("stopping", {"cause": self.stop["cause"], "reason": self.stop["reason"]})
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = NEVER
            self.signal(signal.SIGKILL)
        self.take_output()
        self.reap()
        self.judge_readiness(now)
        if self.state == "running" and all(p.exited and not p.wanted or p.started_at is None and self.dropped(p) for p in self.processes):
            self.finish()
        elif self.state == "stopping" and self.stop_at == NEVER and all(p.exited or p.popen is None for p in self.processes):
            self.finish()
        self.send()

    def over(self):
        """The publisher has everything, or is gone."""
        return self.state == "finished" and (self.acked == len(self.log) or self.gone or time.monotonic() - self.heard > self.lease)


def find(program):
    """Where a program is: a relative path is seen from the worker's own directory."""
    return shutil.which(program if "/" not in program else os.path.abspath(program))


def is_there(wanted, directory, place, environ):
    """Whether what is looked for is there now."""
    try:
        if "port" in wanted:
            socket.create_connection((wanted.get("address") or "127.0.0.1", wanted["port"]), timeout=1).close()
            return True
        if "http" in wanted:
            try:
                status = urllib.request.urlopen(wanted["http"], timeout=1).status
            except urllib.error.HTTPError as e:
                status = e.code
            return status == wanted.get("status", 200)
        if "file" in wanted:
            return os.path.exists(os.path.join(directory, wanted["file"]))
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run(wanted["run"], cwd=place, env=environ, timeout=10, **silent).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def sweep(run, host):
    """Kills what the run has left behind, known by its environment, until nothing is left."""
    marks = {f"DOWNBEAT_RUN={run}".encode(), f"DOWNBEAT_HOST={host}".encode()}
    left = True
    while left:
        left = False
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if marks <= set(f.read().split(b"\0")):
                        left = True
                        os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass  # it is gone, or somebody else's


class Worker:
    def __init__(self, host):
        self.host = host
        self.namespace = os.environ.get("DOWNBEAT_NAMESPACE", "downbeat")
        self.state = os.path.join(os.environ.get("DOWNBEAT_STATE_DIR", os.path.expanduser("~/.local/state/downbeat-python")), self.namespace, host)
        keys = os.environ.get("DOWNBEAT_TRUSTED_KEYS")
        self.keys = wire.load_public_keys(keys) if keys else None
        self.lease = 30.0
        self.runs, self.active = {}, None
        self.early = {}  # controls that came before their job, by run
        self.leaving = False
        for name in ("runs", "jobs", "seen"):
            os.makedirs(os.path.join(self.state, name), exist_ok=True)

    def connect(self):
        url = os.environ["DOWNBEAT_QUEUE_URL"]
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        classic = {"x-queue-type": "classic"}
        ns, jobs, control = self.namespace, f"{self.namespace}.jobs.{self.host}", f"{self.namespace}.control.{self.host}"
        self.channel.queue_declare(f"{ns}.dead", durable=True, arguments={**classic, "x-max-length": 10_000, "x-max-length-bytes": 268_435_456})
        self.channel.queue_declare(control, durable=True, arguments=classic)
        self.channel.queue_declare(jobs, durable=True, arguments=classic)
        self.channel.exchange_declare(f"{ns}.jobs", "fanout", durable=True, auto_delete=True)
        self.channel.queue_bind(jobs, f"{ns}.jobs")
        self.channel.basic_qos(prefetch_count=64)
        self.channel.basic_consume(jobs, self.on_job, exclusive=True)
        self.channel.basic_consume(control, self.on_control, exclusive=True)

    def publish(self, to, body, ttl, headers=None, persistent=False):
        """Sends a message; false: there is no such queue."""
        expiration = None if ttl is None else str(int(ttl * 1000))
        properties = pika.BasicProperties(delivery_mode=2 if persistent else 1, expiration=expiration, headers=headers)
        try:
            self.channel.basic_publish("", to, body, properties, mandatory=True)
        except UnroutableError:
            return False
        except NackError:
            pass
        return True

    def answer(self, to, kind, content, run, ttl, at=None):
        """Sends an unlogged event."""
        event = {"downbeat": wire.VERSION, "event": kind, "host": self.host, "time": wire.to_text(at or time.time_ns()), kind: content}
        if run:
            event["run"] = run
        self.publish(to, json.dumps(event).encode(), ttl)

    # Jobs

    def on_job(self, channel, method, _, body):
        try:
            message = json.loads(body)
            if not isinstance(message, dict) or message.get("purpose") != "contend":
                self.accept(body)
        except UNREADABLE as e:
            self.refuse(body, f"{self.namespace}.jobs.{self.host}", str(e))
        channel.basic_ack(method.delivery_tag)

    def refuse(self, body, source, reason):
        """Puts a message among the dead letters, and tells its sender, as far as that can be read."""
        print(f"refused: {reason}", file=sys.stderr)
        headers = {"reason": reason, "source": source, **({"size": str(len(body))} if len(body) > MAX_DEAD else {})}
        self.publish(f"{self.namespace}.dead", body[:MAX_DEAD], None, headers, persistent=True)
        run, reply_to = wire.reply_address(body, self.namespace)
        if reply_to and run not in self.runs and not self.seen(run):
            self.answer(reply_to, "refused", {"reason": reason, "version": BUILD, "features": FEATURES}, run, 30)

    def accept(self, body):
        payload = wire.open_envelope(body, self.keys, self.namespace, self.host)
        if payload["purpose"] == "control":
            self.greet(payload)
            return
        run, job = payload["run"], payload["job"]
        if run in self.runs or self.seen(run) or any(c["control"] == "stop" for _, c, _ in self.early.get(run, [])):
            return
        unknown = [need for need in job.get("needs") or [] if need not in FEATURES]
        if unknown:
            raise wire.Malformed("job needs what this worker doesn't know: " + ", ".join(unknown))
        self.journal(run, body)
        self.runs[run] = Run(self, payload)
        for serial, c, _ in self.early.pop(run, []):
            self.runs[run].control(serial, c, self.runs[run].clock.now())
        self.admit(self.runs[run])

    def greet(self, payload):
        c = payload["control"]
        now = wire.to_text(time.time_ns())
        here = {"version": BUILD, "features": FEATURES, "os": "linux", "arch": os.uname().machine, "nonce": c["nonce"]}
        if "probe" in c:
            here["probe"] = dict(c["probe"], taken_at=now, answered_at=now)
        here["worker"] = {"machine": socket.gethostname(), "pid": os.getpid()}
        if self.active:
            here.update(run=self.active.id, experiment=self.active.job["experiment"])
        self.answer(payload["reply_to"], "here", here, None, 5)

    def journal(self, run, body):
        """Puts the job onto the disk, before it is acknowledged."""
        with open(os.path.join(self.state, "jobs", run), "wb") as f:
            f.write(body)
            f.flush()
            os.fsync(f.fileno())

    def seen(self, run):
        return bool(run) and os.path.exists(os.path.join(self.state, "seen", os.path.basename(run)))

    def recover(self):
        """Reports the runs that were under way when a worker before this one died."""
        for run in os.listdir(os.path.join(self.state, "jobs")):
            sweep(run, self.host)
            with open(os.path.join(self.state, "jobs", run), "rb") as f:
                _, reply_to = wire.reply_address(f.read(), self.namespace)
            if reply_to:
                self.answer(reply_to, "done", {"outcome": "lost", "reason": f"the worker on {self.host} died in mid-run", "totals": []}, run, 600)
            self.forget(run)

    def forget(self, run):
        open(os.path.join(self.state, "seen", run), "w").close()
        os.remove(os.path.join(self.state, "jobs", run))

    # Which run has the host

    def admit(self, run):
        if self.active is None:
            self.active = run
            run.prepare()
        else:
            run.event("waiting", {"behind": self.active.id})
            self.give_way()

    def waiting(self):
        return sorted((r for r in self.runs.values() if r.state == "waiting" and r is not self.active), key=lambda r: r.since)

    def give_way(self):
        """Gives the host to an older run, if the one that has it has committed to nothing."""
        older = next(iter(self.waiting()), None)
        if older and self.active.state == "ready" and older.since < self.active.since:
            younger, self.active = self.active, older
            younger.state = "waiting"
            younger.event("waiting", {"behind": older.id})
            older.prepare()

    def leave(self, run):
        if self.active is run:
            self.active = next(iter(r for r in self.waiting() if r is not run), None)
            if self.active:
                self.active.prepare()

    # Controls

    def on_control(self, channel, method, _, body):
        taken = time.monotonic_ns()
        try:
            payload = wire.open_envelope(body, self.keys, self.namespace, self.host)
            self.control(payload, taken)
        except wire.Expired:
            pass
        except UNREADABLE as e:
            self.refuse(body, f"{self.namespace}.control.{self.host}", str(e))
        channel.basic_ack(method.delivery_tag)

    def control(self, payload, taken):
        if payload["control"]["control"] not in ("keepalive", "commit", "uncommit", "start", "stop"):
            raise wire.Malformed(f"a control of the kind {payload['control']['control']}, which is not known here")
        run = self.runs.get(payload["run"])
        if run:
            run.control(payload["serial"], payload["control"], run.clock.base + taken)
        elif not self.seen(payload["run"]) and len(self.early) < 256:
            self.early.setdefault(payload["run"], []).append((payload["serial"], payload["control"], taken))

    # The loop

    def stop(self, *_):
        self.leaving = True

    def main(self):
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        try:
            self.connect()
        except ChannelClosedByBroker as e:
            sys.exit(f"{self.host} is served by another worker already: {e}")
        self.recover()
        print(f"waiting for jobs of {self.host}", file=sys.stderr, flush=True)
        while self.runs or not self.leaving:
            self.connection.process_data_events(time_limit=0.005 if self.active else 0.2)
            for run in list(self.runs.values()):
                if self.leaving and run.state not in ("finished", "stopping"):
                    reason = "the worker on this host is shutting down"
                    run.end({"cause": "abort", "reason": reason}, time.monotonic(), run.job["grace_ms"] / 1000, own=True)
                run.step()
                if run.over():
                    self.forget(run.id)
                    del self.runs[run.id]
        self.connection.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Worker(sys.argv[1]).main()
