"""Key-value stores with expiry, for state that outlives an exchange: sessions, rate limits, caches."""

from pagi.stores.memory import MemoryStore
from pagi.stores.store import NotACounter, Store

__all__ = ["MemoryStore", "NotACounter", "Store"]
