"""What the contestants serve: the same answers, written once for each interface."""
