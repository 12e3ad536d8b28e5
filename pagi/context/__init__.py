"""One object per exchange, shared by every middleware, router and handler on the way."""
