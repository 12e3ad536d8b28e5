"""From what the operator wrote (`main:app`, `main`, `app.py`) to the application itself, and every way that can fail."""

import difflib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeAlias, cast

import msgspec

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError

USUAL_NAMES = ("app", "application", "create_app")
"""Where an application is looked for in a module that was named without an attribute, in this order."""

DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

AnyFunction: TypeAlias = Callable[..., Any]


class AppNotFound(ConfigError):
    """What the operator named is not there, or is no application: the name is to be corrected."""


class AppFailed(ConfigError):
    """What the operator named is there and failed while it was loaded: the code is to be corrected.

    `details` is the part of the traceback that lies in the application, as text; empty where there is none.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Target(msgspec.Struct, frozen=True):
    """An application's address: a module, the folder to import it from, and an attribute, if one was named."""

    module: str
    folder: Path
    file: Path | None = None
    attribute: str | None = None

    def __str__(self) -> str:
        return f"{self.file or self.module}{':' + self.attribute if self.attribute else ''}"


def parse_target(text: str, app_dir: Path) -> Target:
    """The address that `module:attr`, `module`, `file.py` or `file.py:attr` stands for.

    Modules are imported from `app_dir`; a file from its own folder, or from the one above its outermost package.

    Raises:
        AppNotFound: it is none of these, or there is no such file.
    """
    place, colon, attribute = text.rpartition(":") if ":" in text else (text, "", "")
    if not place or (colon and not DOTTED_NAME.fullmatch(attribute)):
        raise AppNotFound(f"{text!r} names no application; write it like main:app, main, or app.py")
    named = attribute or None
    if place.endswith(".py") or os.sep in place:
        return _file_target(place, app_dir, named)
    if not DOTTED_NAME.fullmatch(place):
        raise AppNotFound(f"{place!r} is not a module's name; write it like main:app or shop.main:app, or name a file: app.py")
    return Target(place, app_dir, None, named)


def _file_target(place: str, app_dir: Path, attribute: str | None) -> Target:
    file = (app_dir / place).resolve()
    if not file.is_file():
        raise AppNotFound(f"there is no file {file}{_nearby(file.name, (path.name for path in _sources(file.parent)))}")
    if file.suffix != ".py":
        raise AppNotFound(f"{file} is not a Python file: its name has to end in .py")
    folder, names = file.parent, [] if file.stem == "__init__" else [file.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    module = ".".join(names)
    if not DOTTED_NAME.fullmatch(module):
        raise AppNotFound(f"{file} cannot be imported: {module!r} is not a module's name; rename the file")
    return Target(module, folder, file, attribute)


def load_app(target: Target) -> AnyApp:
    """Imports the application. Its folder goes to the front of `sys.path`, where the application's own imports look too.

    A function that takes nothing is a factory, and what it returns is the application.

    Raises:
        AppNotFound: no such module or attribute, or what it names cannot be called with (scope, receive, send).
        AppFailed: the module, or the factory, raised.
    """
    module = _imported(target)
    attribute, found = _named(module, target) if target.attribute else _usual(module)
    address = f"{module.__name__}:{attribute}"
    if _is_factory(found, address):
        return _made(found, address)
    return cast("AnyApp", found)


def _imported(target: Target) -> ModuleType:
    if str(target.folder) not in sys.path[:1]:
        sys.path.insert(0, str(target.folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise AppFailed(f"{target.module} could not be imported: {error}", in_application(error)) from error
        near = _nearby(target.module, (path.stem for path in _sources(target.folder)))
        raise AppNotFound(f"there is no module {target.module!r} in {target.folder}{near}") from error
    except Exception as error:
        problem = f"{target.module} could not be imported: {type(error).__name__}: {error}"
        raise AppFailed(problem, in_application(error)) from error
    except SystemExit as error:
        raise AppFailed(
            f"{target.module} ended the process while it was imported (exit code {error.code}); "
            "put what it does as a script under `if __name__ == '__main__':`",
            in_application(error),
        ) from error
    if target.file is not None and Path(module.__file__ or "").resolve() != target.file:
        raise AppNotFound(f"{target.file} is hidden by another module named {target.module!r} ({module.__file__}); rename the file")
    return module


def _named(module: ModuleType, target: Target) -> tuple[str, Any]:
    found: object = module
    attribute = target.attribute or ""
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = _nearby(part, (name for name in dir(found) if not name.startswith("_")))
            raise AppNotFound(f"{module.__name__} has no attribute {attribute!r}{near}")
        found = getattr(found, part)
    return attribute, found


def _usual(module: ModuleType) -> tuple[str, Any]:
    for name in USUAL_NAMES:
        if hasattr(module, name):
            return name, getattr(module, name)
    candidates = sorted(name for name, value in vars(module).items() if not name.startswith("_") and _is_app(value))
    remedy = f"; name one: {', '.join(f'{module.__name__}:{name}' for name in candidates)}" if candidates else ""
    raise AppNotFound(f"{module.__name__} has no {', '.join(USUAL_NAMES[:-1])} or {USUAL_NAMES[-1]}{remedy}")


def _is_app(value: object) -> bool:
    return callable(value) and not inspect.isclass(value) and _accepts(value, 3)


def _is_factory(found: Any, address: str) -> bool:
    """True for what takes nothing, False for what takes (scope, receive, send).

    Raises:
        AppNotFound: it is neither.
    """
    if inspect.isclass(found):
        raise AppNotFound(f"{address} is a class, not an application; make an instance of it and name that")
    if not callable(found):
        raise AppNotFound(f"{address} is {_article(type(found).__name__)}, and cannot be called as an application")
    if _accepts(found, 3):
        return False
    if _accepts(found, 0):
        return True
    raise AppNotFound(
        f"{address}{inspect.signature(found)} is no application: one takes (scope, receive, send); a factory of one takes nothing"
    )


def _accepts(function: AnyFunction, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return count == 3  # compiled code without a signature: taken for an application, the first call will tell
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _made(factory: AnyFunction, address: str) -> AnyApp:
    try:
        app = factory()
    except Exception as error:
        raise AppFailed(f"the factory {address} failed: {type(error).__name__}: {error}", in_application(error)) from error
    if inspect.iscoroutine(app):
        app.close()
        raise AppNotFound(f"the factory {address} is async; applications are made before any loop runs: make it a plain function")
    if not _is_app(app):
        raise AppNotFound(f"the factory {address} returned {_article(type(app).__name__)}, which is no application")
    return cast("AnyApp", app)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _sources(folder: Path) -> Iterable[Path]:
    return folder.glob("*.py") if folder.is_dir() else ()


def _nearby(name: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(candidates), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def in_application(error: BaseException) -> str:
    """The traceback from the first line of the application on: neither our frames nor those of the import system."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip()


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", os.path.dirname(__file__) + os.sep)) or filename == importlib.__file__
