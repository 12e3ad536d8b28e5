"""Which files are a project's code, and that their changes are noticed."""

from pathlib import Path
from threading import Event

import pytest

from pagi.cli.watching import CannotWatch, Watch, changes, told

SHOP = Path("/home/ada/.work/shop")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("main.py", True),
        ("deep/er/main.py", True),
        ("page.html", True),
        ("templates/page.xml", True),
        ("other/page.xml", False),
        ("notes.txt", False),
        ("main.pyc", False),
        (".main.py.swp", False),
        (".venv/lib/x.py", False),
        (".git/hooks/x.py", False),
        ("node_modules/x/y.py", False),
        ("__pycache__/x.py", False),
        ("tests/test_main.py", False),
        ("deep/tests/test_main.py", False),
        ("main_draft.py", False),
        ("generated/a/b.py", False),
        ("local.env", True),
    ],
)
def test_a_file_counts_by_its_name_and_place(name: str, wanted: bool) -> None:
    watch = Watch(
        folders=(SHOP,),
        include=("*.html", "templates/*"),
        exclude=("tests", "*_draft.py", "generated/*"),
        also=(SHOP / "local.env",),
    )
    assert watch.wants(SHOP / name) is wanted


def test_a_file_elsewhere_does_not_count() -> None:
    assert not Watch(folders=(SHOP,)).wants(Path("/etc/main.py"))


def test_the_first_list_is_empty_and_what_happens_after_it_is_seen(tmp_path: Path) -> None:
    stop = Event()
    seen = changes(Watch(folders=(tmp_path,)), stop)
    assert next(seen) == []
    (tmp_path / "notes.txt").touch()
    (tmp_path / "main.py").touch()
    found = next(found for found in (next(seen) for _ in range(100)) if found)
    assert found == [tmp_path / "main.py"]
    stop.set()
    assert list(seen) == []


def test_more_than_the_system_will_watch_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", refuse)
    with pytest.raises(CannotWatch, match=r"cannot watch .*: OS file watch limit reached; name fewer folders with --reload-dir"):
        next(changes(Watch(folders=(tmp_path,)), Event()))


def test_one_file_is_named_and_more_are_counted() -> None:
    assert told([SHOP / "main.py"], SHOP) == "main.py"
    assert told([SHOP / "main.py", SHOP / "a.py"], Path("/elsewhere")) == f"{SHOP}/main.py and 1 more"
