"""From a path to what serves it, and back; knows nothing of handlers."""
