"""The Autobahn test suite, by which this field judges WebSockets, against an echo of ours. `kosoku` runs it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.server.child import Child, running

RULES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
"""Framing, pings and pongs, reserved bits, opcodes, fragmentation, UTF-8, the closing handshake, and one of many frames: 247 cases."""
LIMITS = ["9.*"]
"""Messages and fragments of up to 16 MiB, and many small ones: 54 cases."""
DEFLATE = ["12.*", "13.*"]
"""permessage-deflate: 216 cases."""
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
HURRIED = "FAILED BY CLIENT"
"""After both Closes the runner waits half a second for us to close the connection, then it does. On a busy machine that says little,
so such a case is judged once more, alone."""
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


Judged = dict[str, tuple[str, str, str]]
"""By case: how we behaved, how we closed, and the runner's words."""


def verdicts(folder: Path, cases: list[str], *flags: str, at_once: int = 4) -> tuple[int, list[str]]:
    """How many cases were judged, and those that we did not pass, with the runner's words."""
    app = folder / "echo.py"
    app.write_text(ECHO)
    # The runner takes our first ping, after 20 s, for the end of a long case.
    with running(folder, app, "--no-access-log", "--ws-ping-interval", "0", *flags) as child:
        judged = run(child, folder / "reports", cases, at_once)
        hurried = [case for case, (behaved, closed, _) in judged.items() if behaved in PASSED and closed == HURRIED]
        if hurried:
            judged |= run(child, folder / "again", hurried, 1)
    assert "Traceback" not in child.stderr, child.stderr
    return len(judged), [words for behaved, closed, words in judged.values() if not {behaved, closed} <= PASSED]


def run(child: Child, reports: Path, cases: list[str], at_once: int) -> Judged:
    """Has the runner judge `cases`, and reads its reports."""
    runner = [str(Path(sys.executable).with_name("kosoku")), f"127.0.0.1:{child.port}", "-p", str(at_once), "-o", str(reports)]
    named = [word for case in cases for word in ("-i", case)]
    ended = subprocess.run([*runner, *named], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (reports / "index.json").is_file(), ended.stdout
    told: dict[str, dict[str, str]]
    (told,) = json.loads((reports / "index.json").read_text()).values()
    said = {line.split(":")[0].strip(): line.strip() for line in ended.stdout.splitlines() if "behavior=" in line}
    return {case: (verdict["behavior"], verdict["behaviorClose"], said.get(case, case)) for case, verdict in told.items()}
