"""Loading the application: every way to name one, and what is said when it is not there."""

import sys
from pathlib import Path

import pytest

from pagi.cli.load import AppFailed, AppNotFound, load_app, parse_target
from pagi.gateway.types import AnyApp

APP = "async def app(scope, receive, send):\n    pass\n"


def load(text: str, folder: Path) -> AnyApp:
    return load_app(parse_target(text, folder))


def refusal(text: str, folder: Path) -> str:
    with pytest.raises(AppNotFound) as caught:
        load(text, folder)
    return str(caught.value)


# ---- ways to name an application


@pytest.mark.parametrize("text", ["main:app", "main", "main.py", "main.py:app", "./main.py"])
def test_an_application_is_found_by_each_way_to_name_it(text: str, folder: Path, raw_app: Path) -> None:
    assert load(text, folder) is sys.modules["main"].app


@pytest.mark.parametrize("name", ["app", "application", "create_app"])
def test_a_bare_module_is_searched_for_the_usual_names(name: str, folder: Path) -> None:
    (folder / "site1.py").write_text(
        f"async def inner(scope, receive, send): ...\n{name} = inner if {name!r} != 'create_app' else lambda: inner\n"
    )
    assert load("site1", folder) is sys.modules["site1"].inner


def test_an_attribute_may_lie_deeper(folder: Path) -> None:
    (folder / "main.py").write_text("class site:\n    @staticmethod\n    async def app(scope, receive, send): ...\n")
    assert load("main:site.app", folder) is sys.modules["main"].site.app


def test_a_module_in_a_package_is_found_by_its_dotted_name(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "main.py").write_text(APP)
    assert load("shop.main:app", folder) is sys.modules["shop.main"].app


def test_a_file_in_a_package_is_imported_as_part_of_it(folder: Path) -> None:
    inner = folder / "shop" / "web"
    inner.mkdir(parents=True)
    (folder / "shop" / "__init__.py").touch()
    (inner / "__init__.py").touch()
    (inner / "main.py").write_text("from . import __name__ as package\n" + APP)
    load("shop/web/main.py", folder)
    assert sys.modules["shop.web.main"].package == "shop.web"


def test_a_package_may_be_named_by_its_init_file(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text(APP)
    assert load("shop/__init__.py", folder) is sys.modules["shop"].app


def test_the_files_folder_is_where_its_own_imports_look(folder: Path) -> None:
    (folder / "live").mkdir()
    (folder / "live" / "page.py").write_text("TITLE = 'live'\n")
    (folder / "live" / "start.py").write_text("import page\n" + APP)
    load("live/start.py", folder)
    assert sys.modules["page"].TITLE == "live"


def test_modules_come_from_the_given_folder(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "main.py").write_text(APP)
    load("main:app", folder / "src")
    assert sys.path[0] == str(folder / "src")


# ---- factories


def test_a_function_that_takes_nothing_is_called_for_the_application(folder: Path) -> None:
    (folder / "main.py").write_text(APP + "def make(debug=False):\n    return app\n")
    assert load("main:make", folder) is sys.modules["main"].app


def test_an_instance_that_can_be_called_is_an_application(folder: Path) -> None:
    (folder / "main.py").write_text("class Site:\n    async def __call__(self, scope, receive, send): ...\napp = Site()\n")
    assert load("main", folder) is sys.modules["main"].app


def test_a_factory_that_raises_shows_its_own_traceback(folder: Path) -> None:
    (folder / "main.py").write_text("def make():\n    return {}['missing']\n")
    with pytest.raises(AppFailed, match=r"the factory main:make failed: KeyError: 'missing'") as caught:
        load("main:make", folder)
    assert "in make" in caught.value.details
    assert "load.py" not in caught.value.details


def test_an_async_factory_is_refused_with_the_remedy(folder: Path) -> None:
    (folder / "main.py").write_text("async def make(): ...\n")
    assert "make it a plain function" in refusal("main:make", folder)


def test_a_factory_that_returns_no_application_is_refused(folder: Path) -> None:
    (folder / "main.py").write_text("def make():\n    return 7\n")
    assert refusal("main:make", folder) == "the factory main:make returned an int, which is no application"


@pytest.mark.parametrize("parameters", ["config=None", "config=None, debug=False", "config=None, debug=False, testing=False", "**options"])
def test_a_factory_may_have_parameters_that_it_does_not_need(parameters: str, folder: Path) -> None:
    (folder / "main.py").write_text(APP + f"def make({parameters}):\n    return app\n")
    assert load("main:make", folder) is sys.modules["main"].app


def test_a_wrapper_that_takes_anything_is_an_application_and_no_factory(folder: Path) -> None:
    (folder / "main.py").write_text(APP + "def wrapped(*args, **kwargs):\n    return app(*args, **kwargs)\n")
    assert load("main:wrapped", folder) is sys.modules["main"].wrapped


# ---- WSGI

WSGI_APP = "def app(environ, start_response):\n    return []\n"


@pytest.mark.parametrize(
    "source",
    [
        WSGI_APP,
        "class App:\n    def __call__(self, environ, start_response): ...\napp = App()\n",
        "class app:\n    def __init__(self, environ, start_response): ...\n    def __iter__(self): ...\n",
    ],
    ids=["function", "instance", "class"],
)
def test_a_wsgi_application_is_found_where_one_is_asked_for(source: str, folder: Path) -> None:
    (folder / "main.py").write_text(source)
    assert load_app(parse_target("main", folder), "wsgi") is sys.modules["main"].app


def test_a_factory_may_return_a_wsgi_application(folder: Path) -> None:
    (folder / "main.py").write_text(WSGI_APP + "def create_app(config=None):\n    return app\n")
    assert load_app(parse_target("main:create_app", folder), "wsgi") is sys.modules["main"].app


@pytest.mark.parametrize("interface", ["auto", "pagi", "asgi"])
def test_a_wsgi_application_is_never_guessed_but_told_how_to_be_served(interface: str, folder: Path) -> None:
    (folder / "main.py").write_text(WSGI_APP + "def make():\n    return app\n")
    for name, said in (
        ("main:app", "main:app takes (environ, start_response): it is a WSGI application; serve it with --interface wsgi"),
        ("main:make", "the factory main:make returned a function, which is a WSGI application; serve it with --interface wsgi"),
    ):
        with pytest.raises(AppNotFound) as caught:
            load_app(parse_target(name, folder), interface)
        assert str(caught.value) == said


def test_an_asgi_application_is_no_wsgi_application(folder: Path, raw_app: Path) -> None:
    with pytest.raises(AppNotFound, match=r"takes \(scope, receive, send\): it is an ASGI application; leave --interface wsgi out"):
        load_app(parse_target("main:app", folder), "wsgi")


# ---- what is not there


def test_a_missing_module_that_lies_in_a_folder_below_is_found_for_the_operator(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "main.py").write_text(APP)
    assert refusal("main:app", folder).endswith("; did you mean the file src/main.py, or --app-dir src?")


def test_a_missing_module_with_no_like_name_lists_those_there_are(folder: Path, raw_app: Path) -> None:
    assert refusal("wholly_else:app", folder).endswith(f"in {folder}; there is main")


def test_a_folder_without_any_module_says_so(folder: Path) -> None:
    assert refusal("main:app", folder).endswith(f"in {folder}, nor any other; say with --app-dir where it is")


@pytest.mark.parametrize(("text", "said"), [("shop", "shop is a folder and has no app"), ("./shop", "is a folder; name the file in it")])
def test_a_folder_is_no_application_but_what_it_holds_is_named(text: str, said: str, folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "models.py").touch()
    (folder / "shop" / "web.py").touch()
    (folder / "shop" / "main.py").write_text(APP)
    message = refusal(text, folder)
    assert said in message
    assert message.endswith("name the file in it: shop/main.py or shop/models.py or shop/web.py")


def test_a_missing_attribute_with_no_like_name_lists_the_applications(folder: Path) -> None:
    (folder / "main.py").write_text("from json import loads\nasync def website(scope, receive, send): ...\nVERSION = 1\n")
    assert refusal("main:zzz", folder) == "main has no attribute 'zzz'; name one: main:website"


def test_a_function_imported_from_elsewhere_is_no_candidate(folder: Path) -> None:
    (folder / "main.py").write_text("from bisect import insort as taken\n")
    assert refusal("main", folder) == "main has no app, application or create_app"


def test_a_missing_module_is_named_with_the_folder_and_its_neighbours(folder: Path, raw_app: Path) -> None:
    assert refusal("mian:app", folder) == f"there is no module 'mian' in {folder}; did you mean main?"


def test_a_missing_submodule_is_the_operators_mistake(folder: Path) -> None:
    (folder / "shop").mkdir()
    assert "there is no module 'shop.mian'" in refusal("shop.mian:app", folder)


def test_a_module_below_one_that_is_no_package_is_the_operators_mistake(folder: Path, raw_app: Path) -> None:
    assert "there is no module 'main.web'" in refusal("main.web:app", folder)


def test_an_import_that_fails_inside_the_module_is_the_applications_mistake(folder: Path) -> None:
    (folder / "main.py").write_text("import no_such_library_at_all\n" + APP)
    with pytest.raises(AppFailed, match="main could not be imported: No module named 'no_such_library_at_all'") as caught:
        load("main:app", folder)
    assert 'main.py", line 1' in caught.value.details
    assert "importlib" not in caught.value.details


def test_an_error_while_importing_shows_the_line_of_the_application(folder: Path) -> None:
    (folder / "main.py").write_text("x = 1\n1 / 0\n")
    with pytest.raises(AppFailed, match="ZeroDivisionError") as caught:
        load("main:app", folder)
    assert 'main.py", line 2' in caught.value.details


def test_a_syntax_error_shows_the_line_of_the_application(folder: Path) -> None:
    (folder / "main.py").write_text("x = 1\ndef (:\n")
    with pytest.raises(AppFailed, match="SyntaxError") as caught:
        load("main:app", folder)
    assert 'main.py", line 2' in caught.value.details


def test_a_module_that_leaves_the_process_is_told_of_the_guard(folder: Path) -> None:
    (folder / "main.py").write_text("import sys\nsys.exit(9)\n")
    with pytest.raises(AppFailed, match=r"exit code 9\).*__main__"):
        load("main:app", folder)


def test_a_missing_attribute_is_named_with_those_near_it(folder: Path, raw_app: Path) -> None:
    assert refusal("main:ap", folder) == "main has no attribute 'ap'; did you mean app?"


def test_a_bare_module_without_a_usual_name_lists_what_could_be_meant(folder: Path) -> None:
    (folder / "main.py").write_text("async def website(scope, receive, send): ...\nVERSION = 1\n")
    assert refusal("main", folder) == "main has no app, application or create_app; name one: main:website"


def test_a_bare_module_with_no_candidate_says_only_what_is_missing(folder: Path) -> None:
    (folder / "main.py").touch()
    assert refusal("main", folder) == "main has no app, application or create_app"


def test_what_cannot_be_called_is_refused(folder: Path) -> None:
    (folder / "main.py").write_text("app = 'app'\n")
    assert refusal("main:app", folder) == "main:app is a str, and cannot be called as an application"


def test_a_class_is_refused_with_the_remedy(folder: Path) -> None:
    (folder / "main.py").write_text("class App: ...\n")
    assert "make an instance of it" in refusal("main:App", folder)


def test_a_function_of_the_wrong_shape_is_shown(folder: Path) -> None:
    (folder / "main.py").write_text("def view(request): ...\n")
    assert refusal("main:view", folder).startswith("main:view(request) is no application")


def test_a_missing_file_is_named_with_its_neighbours(folder: Path, raw_app: Path) -> None:
    assert refusal("mian.py", folder) == f"there is no file {folder / 'mian.py'}; did you mean main.py?"


def test_a_file_that_is_no_source_is_refused(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "app.toml").touch()
    assert "has to end in .py" in refusal("etc/app.toml", folder)


def test_a_file_whose_name_no_import_can_say_is_refused(folder: Path) -> None:
    (folder / "my-app.py").write_text(APP)
    assert "rename the file" in refusal("my-app.py", folder)


def test_a_file_that_bears_the_name_of_another_module_is_refused(folder: Path) -> None:
    (folder / "json.py").write_text(APP)
    assert "is hidden by another module named 'json'" in refusal("json.py", folder)


@pytest.mark.parametrize("text", ["", ":", ":app", "main:", "main:1", "ma in:app", "main:app()", "1main", "http://x:80", "main:a..b"])
def test_what_names_nothing_is_refused_as_such(text: str, folder: Path) -> None:
    with pytest.raises(AppNotFound, match=r"write it like main:app|there is no file"):
        parse_target(text, folder)
