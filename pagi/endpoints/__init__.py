"""What application authors register: routers, routes, and how their handlers are called and answered for."""
