"""The programs that the command starts beside itself, as command lines of this very Python."""

import sys
from pathlib import Path

import pagi

WORKER = "import sys; sys.path[:] = {path!r}; from pagi.cli.serving import main; main()"
"""It imports from where we do: the current folder is not put in front of the standard library."""

SUPERVISOR = """import sys, types
sys.path[:] = {path!r}
for name, folder in {packages!r}.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from pagi.cli.supervising import main
main()"""
"""Its packages are bare: what they show to others would bring the framework and a loop library, and so twice the memory."""

BARE = ("pagi", "pagi.cli", "pagi.gateway", "pagi.server")

SWITCHES = {
    "-B": "dont_write_bytecode",
    "-E": "ignore_environment",
    "-I": "isolated",
    "-s": "no_user_site",
    "-Xdev": "dev_mode",
    "-Xutf8": "utf8_mode",
}


def worker_program() -> list[str]:
    """What serves. It takes the descriptor of its channel as an argument."""
    return [*_python(), "-c", WORKER.format(path=sys.path)]


def supervisor_program() -> list[str]:
    """What watches over workers. It takes the descriptor of its `Plan` as an argument."""
    house = Path(pagi.__file__).parent
    packages = {name: str(house.joinpath(*name.split(".")[1:])) for name in BARE}
    return [*_python(), "-c", SUPERVISOR.format(path=sys.path, packages=packages)]


def _python() -> list[str]:
    """The interpreter, with the switches of ours that change what a program does."""
    switches = [f"-W{option}" for option in sys.warnoptions]
    switches += [switch for switch, name in SWITCHES.items() if getattr(sys.flags, name)]
    if sys.flags.optimize:
        switches.append("-" + "O" * sys.flags.optimize)
    return [sys.executable, *switches]
