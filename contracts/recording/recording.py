"""One run of the recorder, put together from its plan."""

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from contracts.recording.folder import Folder
from contracts.recording.forwarding import Forwarder, Target, target_of
from contracts.recording.inspecting import Inspector
from contracts.recording.proxy import Proxy
from contracts.recording.recorder import Recorder
from contracts.recording.scrubbing import Scrubber
from mock_server.program import Program
from mock_server.settings import BODY_BYTES_MAX, Settings
from mock_server.twin import load_program


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded, by which spec, and where it goes."""

    upstream: str
    folder: Path
    public_url: str | None = None
    scrub: tuple[str, ...] = ()
    spec: Path | None = None
    profile: str | None = None
    dialect: str | None = None
    timeout_seconds: float = 120.0
    body_bytes_max: int = BODY_BYTES_MAX
    ca_file: Path | None = None


class Run(msgspec.Struct, frozen=True):
    """A recorder that is ready to be served."""

    app: Proxy
    forwarder: Forwarder
    recorder: Recorder
    target: Target
    program: Program


def make_run(
    plan: Plan,
    tell: Callable[[str], None],
    *,
    program: Program | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    now_ns: Callable[[], int] = time.monotonic_ns,
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
) -> Run:
    """Put a recorder together; raise SpecError or ValueError where the plan is not good.

    A `program` that is there already is not made again, `transport` comes in place of sockets, `now_ns` tells time.
    """
    target = target_of(plan.upstream, "--upstream")
    if plan.public_url is not None:
        target_of(plan.public_url, "--public-url")
    program = program or load_program(Settings(spec=plan.spec, profile=plan.profile, dialect=plan.dialect))
    folder = Folder(plan.folder)
    recorder = Recorder(
        Inspector(program),
        Scrubber(program.spec.auth.header, plan.scrub),
        folder,
        upstream=plan.upstream,
        started=now().isoformat(timespec="seconds"),
        began_ns=now_ns(),
        tell=tell,
        callbacks_recorded=plan.public_url is not None,
    )
    forwarder = Forwarder(timeout_seconds=plan.timeout_seconds, trust=_trust(plan.ca_file), transport=transport)
    app = Proxy(
        target,
        forwarder,
        recorder,
        body_bytes_max=plan.body_bytes_max,
        tell=tell,
        public_url=plan.public_url,
        now_ns=now_ns,
    )
    return Run(app, forwarder, recorder, target, program)


def _trust(ca_file: Path | None) -> Any:
    if ca_file is None:
        return True
    from mock_server.tls import trusting

    try:
        return trusting(ca_file)
    except ValueError as error:
        raise ValueError(str(error).replace("callback-ca", "--ca")) from None
