"""The lifespan's state, as a type that handlers and providers can ask for."""

from typing import Any, NewType

State = NewType("State", dict[str, Any])
"""What the lifespan yielded: `ctx.state`, and for providers of scope `app` the state of the run itself."""
