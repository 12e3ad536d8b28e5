"""The Autobahn test suite, by which this field judges WebSockets, against an echo of ours. `kosoku` runs it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.server.child import running

RULES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
"""Framing, pings and pongs, reserved bits, opcodes, fragmentation, UTF-8, the closing handshake, and one of many frames: 247 cases."""
LIMITS = ["9.*"]
"""Messages and fragments of up to 16 MiB, and many small ones: 54 cases."""
DEFLATE = ["12.*", "13.*"]
"""permessage-deflate: 216 cases."""
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
THEIRS = "Strings must be encoded before hashing"
"""What the runner itself stumbles over when an answer comes plain, because compressing it would not pay."""

ECHO = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
"""


def verdicts(folder: Path, cases: list[str], *flags: str, at_once: int = 4) -> tuple[int, list[str]]:
    """How many cases were judged, and those that we did not pass, with the runner's words."""
    app, reports = folder / "echo.py", folder / "reports"
    app.write_text(ECHO)
    # The runner takes our first ping, after 20 s, for the end of a long case.
    with running(folder, app, "--no-access-log", "--ws-ping-interval", "0", *flags) as child:
        runner = [str(Path(sys.executable).with_name("kosoku")), f"127.0.0.1:{child.port}", "-p", str(at_once), "-o", str(reports)]
        named = [word for case in cases for word in ("-i", case)]
        run = subprocess.run([*runner, *named], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert "Traceback" not in child.stderr, child.stderr
    assert (reports / "index.json").is_file(), run.stdout
    judged: dict[str, dict[str, str]]
    (judged,) = json.loads((reports / "index.json").read_text()).values()
    said = {line.split(":")[0].strip(): line.strip() for line in run.stdout.splitlines() if "behavior=" in line}
    failed = [case for case, verdict in judged.items() if not {verdict["behavior"], verdict["behaviorClose"]} <= PASSED]
    return len(judged), [said.get(case, case) for case in failed]
