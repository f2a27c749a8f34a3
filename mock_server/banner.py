"""What the terminal shows when the server answers: where it is, whom it lets in, and a command to try."""

import json
import shlex
from pathlib import Path

from mock_server import __version__
from mock_server.program import Program
from mock_server.settings import Settings


def welcome(program: Program, settings: Settings, url: str, ca_file: Path | None) -> str:
    """Return the lines. `ca_file` is what a client has to trust, where the server's certificate is its own."""
    keys = (
        f"one of {len(settings.api_keys)} accepted; others get 401"
        if settings.api_keys
        else "any; each key is a world of its own"
    )
    clock = (
        "moves by POST /_mock/clock/advance" if settings.clock == "manual" else f"{settings.time_scale:g} × real time"
    )
    return "\n".join(
        [
            f"omnimock {__version__}: {program.spec.title}",
            f"  base URL  {url}",
            *([f"  CA file   {ca_file}"] if ca_file else []),
            *([f"  TLS fault {settings.tls_fault}: a client that checks refuses"] if settings.tls_fault else []),
            f"  API key   {keys}",
            f"  profile   {program.profile.name}",
            f"  dialect   {program.dialect}",
            f"  clock     {clock}",
            *_curl(program, url, "YOUR_KEY" if settings.api_keys else "sk-anything", ca_file),
        ]
    )


def _curl(program: Program, url: str, key: str, ca_file: Path | None) -> list[str]:
    for compiled in program.operations:
        if compiled.submission is not None and compiled.operation.examples:
            whole = next(iter(compiled.operation.examples.values()))
            example = dict(whole)
            # Its receiver is somebody else's; the first thing that one tries should not end in a warning.
            if compiled.operation.delivery is not None:
                example.pop(compiled.operation.delivery.url.rpartition("/")[2], None)
            if compiled.submission.validation.check(example, None, ())[0]:
                example = whole
            body = json.dumps(example, ensure_ascii=False, indent=2)
            return [
                "  try it:",
                f"curl {url}{compiled.operation.path} \\",
                *([f"  --cacert {shlex.quote(str(ca_file))} \\"] if ca_file else []),
                '  -H "Content-Type: application/json" \\',
                f'  -H "{program.spec.auth.header_line(key)}" \\',
                f"  -d {shlex.quote(body)}",
            ]
    return []
