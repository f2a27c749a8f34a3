"""A worker that does what it is told by its arguments, mostly something it should not.

The first says how it begins; the second what it does with a job whose prompt does not say something else.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOREVER_SECONDS = 600
HELLO: dict[str, Any] = {"type": "hello", "protocol": 1, "name": "hostile", "capabilities": ["polling"]}
begin, *rest = sys.argv[1:]
usual = rest[0] if rest else "answer"


def say(message: Any) -> None:
    line = message if isinstance(message, str) else json.dumps(message)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def result(job: Any, outcome: Any = "succeed", **more: Any) -> None:
    say({"type": "result", "job": job, "outcome": outcome, **more})


def sleeper() -> int:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"sys.stderr.write('.'); sys.stderr.flush(); time.sleep({FOREVER_SECONDS})"
    )
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    child.stderr.read(1)
    return child.pid


def start() -> None:
    kind, _, argument = begin.partition("=")
    match kind:
        case "hello":
            say(HELLO)
        case "parallel":
            say({**HELLO, "capabilities": ["polling", "parallel", "callback-relay"]})
        case "with":
            say({**HELLO, **json.loads(argument)})
        case "line":
            say(argument)
        case "nothing":
            time.sleep(FOREVER_SECONDS)
        case "leave":
            sys.stderr.write("Traceback: no module named acme\n")
            sys.exit(3)
        case "chatter":
            sys.stderr.write("e" * 1_000_000 + "\n")
            say("starting …")
            say('{"level": "info", "message": "a log of its own"}')
            say("{not JSON")
            say(HELLO)
        case "once":
            # The second time, it does not start.
            mark = Path(argument)
            if mark.exists():
                sys.stderr.write("the port is taken\n")
                sys.exit(1)
            mark.touch()
            say(HELLO)
        case "deaf":
            say(HELLO)
            time.sleep(FOREVER_SECONDS)
        case "stays":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say({**HELLO, "name": f"{os.getpid()} {sleeper()}"})


def take(job: dict[str, Any]) -> None:
    name, prompt = job["job"], job["request"].get("prompt", "")
    how, _, argument = (prompt if prompt.startswith("do ") else f"do {usual}").removeprefix("do ").partition("=")
    match how:
        case "answer":
            result(name, reason=str(os.getpid()))
        case "nameless":
            say({"type": "result", "outcome": "succeed"})
        case "wait":
            pass
        case "die":
            sys.exit(int(argument or 7))
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wrong-job":
            result("another")
        case "typed-job":
            result(5)
        case "twice":
            result(name)
            result(name, "failed")
        case "late":
            result(name)
            sys.stderr.write("a late word\n")
            sys.stderr.flush()
            result(name)
        case "as":
            say({"type": "result", "job": name, **json.loads(argument)})
        case "line":
            say(argument)
        case "raw":
            os.write(1, argument.encode("latin-1") + b"\n")
        case "nested":
            say("[" * 100_000)
            say('{"a":' * 100_000)
            result(name)
        case "long-line":
            for _ in range(100):
                os.write(1, b'{"type": "result", ' * 52_000)
            say('{"type": "result", "job": "another", "outcome": "failed"}')
            result(name)
        case "flood":
            for _ in range(100):
                os.write(1, b"x\n" * 500_000 + b"{\n" * 1_000)
                os.write(2, b"y" * 1_000_000)
            result(name)
        case "print":
            say({"type": "log", "text": argument})
            say(argument)
            result(name)
        case "close-output":
            os.close(1)
            time.sleep(FOREVER_SECONDS)
        case "close-input":
            result(name)
            os.close(0)
            time.sleep(FOREVER_SECONDS)
        case "answer-and-die":
            result(name, reason=str(os.getpid()))
            os._exit(0)
        case "die-and-leave-a-child":
            Path(argument).write_text(str(sleeper()))
            os._exit(4)
        case "hello":
            say(HELLO)
        case "callback":
            # Answered when one is relayed.
            waiting[name] = argument


waiting: dict[str, str] = {}


def callback(message: dict[str, Any]) -> None:
    replies = json.loads(waiting.get(message["job"]) or '[{"status": 200}]')
    for reply in replies:
        say({"type": "callback-reply", "id": message["id"], **reply})
    result(message["job"], reason=json.dumps(message["headers"]))


start()
with contextlib.suppress(BrokenPipeError):
    for line in sys.stdin:
        message = json.loads(line)
        match message["type"]:
            case "run":
                take(message)
            case "callback":
                callback(message)
            case "bye" if begin != "stays":
                break
if begin == "stays":
    time.sleep(FOREVER_SECONDS)
