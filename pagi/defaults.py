"""What every app has by itself, unless it provides another of the same type; made anew for each run."""

from collections.abc import AsyncIterator
from typing import Any

from pagi.channels import Channels, MemoryChannels
from pagi.injection.providers import Provider, provider
from pagi.tasks import Tasks


@provider(scope="app", provides=Channels)
async def default_channels() -> AsyncIterator[Channels]:
    """Channels in memory, gone with the run."""
    async with MemoryChannels() as channels:
        yield channels


@provider(scope="app")
async def default_tasks() -> AsyncIterator[Tasks]:
    """Background tasks of the run."""
    async with Tasks.running() as tasks:
        yield tasks


DEFAULTS: tuple[Provider[Any], ...] = (default_channels, default_tasks)
