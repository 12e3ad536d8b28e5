"""What the dependencies workload puts together: a book that lives as long as the application, and two things made for each request."""

from benchmarks.apps.payloads import PLAINTEXT


class Phrasebook:
    """Made once."""

    def __init__(self) -> None:
        self.phrases = {"en": PLAINTEXT}


class Greeting:
    """Made for each request, of the book."""

    def __init__(self, book: Phrasebook) -> None:
        self.text = book.phrases["en"]


class Card:
    """Made for each request, of the greeting."""

    def __init__(self, greeting: Greeting) -> None:
        self.content = {"message": greeting.text}
