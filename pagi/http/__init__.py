"""What the HTTP, cookie, URL and event-stream standards say, as values and pure functions that know nothing of pagi."""
