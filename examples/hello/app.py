"""The smallest application. Run it: `pagi run examples/hello/app.py`, then `curl localhost:8000/hello/you`."""

from pagi import App

app = App()


@app.get("/")
async def hello() -> str:
    return "Hello from pagi!\n"


@app.get("/hello/{name}")
async def greet(name: str) -> dict[str, str]:
    return {"hello": name}
