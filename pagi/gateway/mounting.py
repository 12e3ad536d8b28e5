"""Where an application is mounted, as its scope says: `path` stays whole, and `root_path` is the part that is not its own."""

from pagi.gateway.types import Scope


def root_of(scope: Scope) -> str:
    """What stands before every path of this app, without a slash at its end.

    >>> root_of({"root_path": "/api/"}), root_of({})
    ('/api', '')
    """
    root: str = scope.get("root_path") or ""
    return root.rstrip("/")


def route_path(scope: Scope) -> str:
    """The part of the path that this app routes on: without the `root_path` it is mounted at.

    >>> route_path({"path": "/api/users", "root_path": "/api"}), route_path({"path": "/apis", "root_path": "/api"})
    ('/users', '/apis')
    """
    path: str = scope["path"]
    root = root_of(scope)
    if root and path.startswith(root):
        rest = path[len(root) :]
        if not rest or rest.startswith("/"):
            return rest or "/"
    return path
