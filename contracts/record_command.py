"""`omnimock record --upstream URL`: stands between a client and the real service, and records what passes."""

import contextlib
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mock_server.options import Duration, fail, one_line_errors, profile_option, spec_option
from mock_server.settings import BODY_BYTES_MAX

if TYPE_CHECKING:
    import socket

    from contracts.recording.recording import Plan, Run


@click.group(invoke_without_command=True)
@click.option("--upstream", metavar="URL", help="The service: its address, perhaps with a path in front of all others.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("recordings"),
    show_default=True,
    metavar="DIR",
    help="Where recordings are written; what is there stays.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=4748, show_default=True, help="The port; 0 takes a free one."
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where the service reaches this recorder: callbacks go through it, and are recorded.",
)
@click.option(
    "--scrub",
    multiple=True,
    metavar="NAME",
    help="Take out this header, query parameter or member of bodies as well; may be repeated.",
)
@click.option(
    "--timeout",
    "timeout_ms",
    type=Duration(),
    default="2m",
    show_default=True,
    help="How long the service may be silent; then the client gets 504.",
)
@click.option(
    "--body-bytes-max",
    type=click.IntRange(1),
    default=BODY_BYTES_MAX,
    show_default=True,
    help="The largest request that is passed on.",
)
@click.option("--ca", "ca_file", type=click.Path(path_type=Path), metavar="FILE", help="Trust this authority as well.")
@click.option("--dialect", metavar="NAME", help="The wire shape that is expected.  [default: the spec's]")
@profile_option
@spec_option
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write base_url, port and pid here, once the recorder answers.",
)
@click.pass_context
def record(
    ctx: click.Context,
    /,
    upstream: str | None,
    host: str,
    port: int,
    timeout_ms: int,
    ready_file: Path | None,
    **options: Any,
) -> None:
    """Pass requests on to the service at --upstream, hold both directions against the spec, and record them.

    Each task becomes a file, and beside it a scenario that `omnimock serve --scenarios DIR` can play.
    """
    if ctx.invoked_subcommand is not None:
        return
    with one_line_errors():
        if upstream is None:
            fail("--upstream is missing: the address of the service, such as https://api.deerapi.com")
        from contracts.recording.recording import Plan

        _run(Plan(upstream=upstream, timeout_seconds=timeout_ms / 1_000, **options), host, port, ready_file)


@record.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--name", help="The name of the scenario.  [default: the file's]")
@click.option("--spec", type=click.Path(path_type=Path), help="The OpenAPI file that it was recorded with.")
def scenario(file: Path, name: str | None, spec: Path | None) -> None:
    """Print the scenario of a recorded task."""
    with one_line_errors():
        from contracts.recording.recorded import read_recording
        from contracts.recording.retelling import retold, scenario_bytes
        from mock_server.reader import load_spec
        from mock_server.resources import resource
        from mock_server.scenario_form import check_form

        recording = read_recording(file)
        chosen = name or file.stem
        check_form({"name": chosen, "about": "A name."})
        source = retold(recording, load_spec(spec or resource("openapi.yaml")), chosen)
        if source is None:
            raise ValueError(f"{file}: nothing in it became of a task of this spec, so there is no scenario")
        click.echo(scenario_bytes(source).decode(), nl=False)


def _run(plan: "Plan", host: str, port: int, ready_path: Path | None) -> None:
    from contracts.recording.forwarding import reachable
    from contracts.recording.recording import make_run
    from contracts.recording.serving import serve
    from mock_server.server import ReadyFile, base_url

    run = make_run(plan, _tell)
    with contextlib.ExitStack() as at_the_end:
        listener = _listen(host, port)
        at_the_end.callback(listener.close)
        own_port = listener.getsockname()[1]
        url = base_url(host, own_port)
        if _is_itself(run, own_port):
            raise ValueError(f"--upstream {plan.upstream}: that is this recorder; name the service")
        ready_file = None
        if ready_path is not None:
            try:
                ready_file = ReadyFile(ready_path)
            except OSError as error:
                raise ValueError(f"ready-file {ready_path}: {error.strerror or error}") from None
            at_the_end.callback(ready_file.remove)
        # No refusal: the service may be started later, and that it is not there is worth recording, too.
        if why := reachable(run.target):
            _tell(f"warning: nothing can connect to {plan.upstream} now: {why}; requests get 502 as long as that is so")

        def on_ready() -> None:
            if ready_file is not None:
                ready_file.write(url, own_port)
            click.echo(_welcome(run, plan, url))

        # A second signal, which does not wait.
        with contextlib.suppress(KeyboardInterrupt):
            serve(run, listener, on_ready)
    with contextlib.suppress(OSError):
        click.echo(f"omnimock record has stopped; {run.recorder.count} exchanges are in {plan.folder}", err=True)
    sys.exit(0)


def _listen(host: str, port: int) -> "socket.socket":
    from mock_server.server import listen

    try:
        return listen(host, port)
    except OSError as error:
        hint = "; --port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
        raise ValueError(f"cannot listen on {host} port {port}: {error.strerror or error}{hint}") from None


def _is_itself(run: "Run", port: int) -> bool:
    from contracts.provider_check.calling import is_loopback

    host, upstream_port = run.target.address
    return upstream_port == port and is_loopback(host)


def _welcome(run: "Run", plan: "Plan", url: str) -> str:
    callbacks = (
        f"come to {plan.public_url}, and go on" if plan.public_url else "pass by (--public-url would record them)"
    )
    return "\n".join(
        [
            f"omnimock record: {run.program.spec.title}",
            f"  base URL  {url}",
            f"  upstream  {plan.upstream}",
            f"  folder    {plan.folder}",
            f"  profile   {run.program.profile.name}",
            f"  callbacks {callbacks}",
        ]
    )


def _tell(line: str) -> None:
    # The terminal may be gone; what passes goes on.
    with contextlib.suppress(OSError):
        click.echo(line, err=True)
