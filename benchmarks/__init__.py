"""pagi beside its peers, in one run. Knows servers only by their commands and by what they answer."""
