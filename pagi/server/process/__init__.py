"""The process around the server: its sockets, its lifespan, its signals and its exit."""
