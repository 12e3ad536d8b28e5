"""`python -m pagi`: the `pagi` command without its script."""

from pagi.cli import main

main(prog_name="python -m pagi")
