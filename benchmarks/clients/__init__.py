"""Who asks the contestants: wrk, and raw sockets where wrk has no words."""
