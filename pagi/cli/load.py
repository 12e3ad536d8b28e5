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

USUAL_FILES = ("app", "main", "application", "server")
MOST_NAMED = 5
"""Names in one message."""

DOTTED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

AnyFunction: TypeAlias = Callable[..., Any]


class Shape(msgspec.Struct, frozen=True):
    """What an application is called with, and what an operator says where it is of this kind."""

    name: str
    parameters: tuple[str, ...]
    remedy: str

    def __str__(self) -> str:
        return f"({', '.join(self.parameters)})"


ASGI = Shape("an ASGI application", ("scope", "receive", "send"), "leave --interface wsgi out")
WSGI = Shape("a WSGI application", ("environ", "start_response"), "serve it with --interface wsgi")


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
    if file.is_dir():
        raise AppNotFound(f"{file} is a folder; name the file in it{_that_hold_apps(file, app_dir)}")
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


def load_app(target: Target, interface: str = "auto") -> AnyApp:
    """Imports the application. Its folder goes to the front of `sys.path`, where the application's own imports look too.

    A function that needs nothing is a factory, and what it returns is the application. With the interface `wsgi` that is what
    takes (environ, start_response), which is never guessed.

    Raises:
        AppNotFound: no such module or attribute, or what it names cannot be called as an application.
        AppFailed: the module, or the factory, raised.
    """
    shape = WSGI if interface == "wsgi" else ASGI
    module = _imported(target)
    attribute, found = _named(module, target, shape) if target.attribute else _usual(module, shape)
    address = f"{module.__name__}:{attribute}"
    if _is_factory(found, address, shape):
        return _made(found, address, shape)
    return cast("AnyApp", found)


def put_on_path(folder: Path) -> None:
    """Makes a folder the first that imports look in."""
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))


def _imported(target: Target) -> ModuleType:
    put_on_path(target.folder)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise AppFailed(f"{target.module} could not be imported: {error}", in_application(error)) from error
        raise AppNotFound(f"there is no module {target.module!r} in {target.folder}{_instead(target)}") from error
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


def _named(module: ModuleType, target: Target, shape: Shape) -> tuple[str, Any]:
    found: object = module
    attribute = target.attribute or ""
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = _nearby(part, (name for name in dir(found) if not name.startswith("_")))
            raise AppNotFound(f"{module.__name__} has no attribute {attribute!r}{near or _applications(module, shape)}")
        found = getattr(found, part)
    return attribute, found


def _usual(module: ModuleType, shape: Shape) -> tuple[str, Any]:
    for name in USUAL_NAMES:
        if hasattr(module, name):
            return name, getattr(module, name)
    missing = f"has no {', '.join(USUAL_NAMES[:-1])} or {USUAL_NAMES[-1]}"
    if module.__file__ is None:
        folder = Path(next(iter(module.__path__)))
        raise AppNotFound(f"{module.__name__} is a folder and {missing}; name the file in it{_that_hold_apps(folder, folder.parent)}")
    raise AppNotFound(f"{module.__name__} {missing}{_applications(module, shape)}")


def _applications(module: ModuleType, shape: Shape) -> str:
    """The remedy where an attribute is missing: what in the module could be meant."""
    public = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    names = sorted(name for name, value in public if _is_app(value, shape) and _is_own(value, module))
    return f"; name one: {', '.join(f'{module.__name__}:{name}' for name in names[:MOST_NAMED])}" if names else ""


def _is_own(value: object, module: ModuleType) -> bool:
    """False for a function that was imported from elsewhere; an instance may come from anywhere."""
    return not inspect.isroutine(value) or getattr(value, "__module__", None) == module.__name__


def _is_app(value: object, shape: Shape) -> bool:
    return callable(value) and not inspect.isclass(value) and _accepts(value, len(shape.parameters))


def _is_factory(found: Any, address: str, shape: Shape) -> bool:
    """True for what needs nothing, False for what takes what an application is called with.

    Raises:
        AppNotFound: it is neither.
    """
    if inspect.isclass(found) and not (shape is WSGI and _accepts(found, 2)):  # PEP 3333: an instance may be the answer
        raise AppNotFound(f"{address} is a class, not an application; make an instance of it and name that")
    if not callable(found):
        raise AppNotFound(f"{address} is {_article(type(found).__name__)}, and cannot be called as an application")
    if _needs_nothing(found):
        return True
    if _accepts(found, len(shape.parameters)):
        return False
    if (other := _other(found, shape)) is not None:
        raise AppNotFound(f"{address} takes {other}: it is {other.name}; {other.remedy}")
    raise AppNotFound(f"{address}{inspect.signature(found)} is no application: one takes {shape}; a factory of one takes nothing")


def _accepts(function: AnyFunction, count: int) -> bool:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return count > 0  # compiled code without a signature: taken for an application, the first call will tell
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _needs_nothing(function: AnyFunction) -> bool:
    """True for a factory, which may have parameters with defaults. What takes anything at all is a wrapper round an application."""
    if not _accepts(function, 0):
        return False
    return all(parameter.kind is not parameter.VAR_POSITIONAL for parameter in inspect.signature(function).parameters.values())


def _other(value: AnyFunction, shape: Shape) -> Shape | None:
    """The kind of application that it is instead, if it is one."""
    other = ASGI if shape is WSGI else WSGI
    return other if _is_app(value, other) else None


def _made(factory: AnyFunction, address: str, shape: Shape) -> AnyApp:
    try:
        app = factory()
    except Exception as error:
        raise AppFailed(f"the factory {address} failed: {type(error).__name__}: {error}", in_application(error)) from error
    if inspect.iscoroutine(app):
        app.close()
        raise AppNotFound(f"the factory {address} is async; applications are made before any loop runs: make it a plain function")
    if not _is_app(app, shape):
        other = _other(app, shape)
        remedy = f"which is {other.name}; {other.remedy}" if other is not None else "which is no application"
        raise AppNotFound(f"the factory {address} returned {_article(type(app).__name__)}, {remedy}")
    return cast("AnyApp", app)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _sources(folder: Path) -> Iterable[Path]:
    return folder.glob("*.py") if folder.is_dir() else ()


def _instead(target: Target) -> str:
    """The remedy for a missing module: one that is spelled alike, the same one in a folder below, or all that are there."""
    folder, parts = target.folder, target.module.split(".")
    sources = sorted(path.stem for path in _sources(folder))
    below = sorted(path.relative_to(folder).as_posix() for path in folder.glob("/".join(["*", *parts]) + ".py"))
    if near := _nearby(target.module, sources):
        return near
    if below:
        return f"; did you mean the file {below[0]}, or --app-dir {below[0].split('/', 1)[0]}?"
    if not sources:
        return ", nor any other; say with --app-dir where it is"
    more = f" and {len(sources) - MOST_NAMED} more" if len(sources) > MOST_NAMED else ""
    return f"; there is {', '.join(sources[:MOST_NAMED])}{more}"


def _that_hold_apps(folder: Path, start: Path) -> str:
    """The sources of a folder that bear the name of a usual one, else all of them, as the operator would write them."""
    names = sorted((path for path in _sources(folder)), key=lambda path: (path.stem not in USUAL_FILES, path.name))
    shown = [os.path.relpath(path, start) for path in names[:MOST_NAMED]]
    return f": {' or '.join(shown)}" if shown else "; it has none that ends in .py"


def _nearby(name: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(candidates), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def in_application(error: BaseException) -> str:
    """The traceback from the first line of the application on: neither our frames nor those of the import system."""
    return "".join(traceback.format_exception(type(error), error, _own_frames(error))).rstrip()


def own_part(error: BaseException | None) -> BaseException | None:
    """The error itself, its traceback cut to what `in_application` shows."""
    return None if error is None else error.with_traceback(_own_frames(error))


def _own_frames(error: BaseException) -> TracebackType | None:
    frames: TracebackType | None = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return frames


def _is_ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", os.path.dirname(__file__) + os.sep)) or filename == importlib.__file__
