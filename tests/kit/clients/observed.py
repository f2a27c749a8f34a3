"""A command to be observed: it does what its arguments say, one after the other."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

FOREVER_SECONDS = 600
BODY = {
    "model_name": "kling-v3-omni",
    "prompt": "A lighthouse.",
    "mode": "pro",
    "aspect_ratio": "16:9",
    "duration": "5",
}


def call(method: str, path: str, *, scheme: str = "Bearer", body: object = None) -> dict[str, object]:
    address = urlsplit(os.environ["OMNIMOCK_BASE_URL"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {"authorization": f"{scheme} {os.environ['OMNIMOCK_API_KEY']}", "content-type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert isinstance(answer, dict)
    return answer


for each in sys.argv[1:]:
    how, _, argument = each.partition("=")
    match how:
        case "create":
            call("POST", "/kling/v1/videos/omni-video", body=BODY)
        case "create-badly":
            call("POST", "/kling/v1/videos/omni-video", scheme="Token", body=BODY)
        case "say":
            sys.stdout.write(argument + "\n")
            sys.stdout.flush()
        case "complain":
            sys.stderr.write(argument + "\n")
        case "say-the-key":
            sys.stdout.write(os.environ["OMNIMOCK_API_KEY"] + "\n")
        case "environment":
            sys.stdout.write(argument + "=" + os.environ.get(argument, "") + "\n")
        case "leave-a-child":
            code = f"import time; time.sleep({FOREVER_SECONDS})"
            child = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
            sys.stdout.write(f"child {child.pid}\n")
            sys.stdout.flush()
            os._exit(0)
        case "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            sys.stdout.write("hanging\n")
            sys.stdout.flush()
            time.sleep(FOREVER_SECONDS)
        case "exit":
            sys.exit(int(argument))
        case "kill":
            os.kill(os.getpid(), int(argument))
