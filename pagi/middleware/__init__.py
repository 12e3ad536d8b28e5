"""What stands around handlers: one effect a file, and the fusing of it all."""
