"""The fixtures that the tests of the page and of the server share."""

from tests.explore.answering import server, still_answers
from tests.explore.browser import chromium, open_page, served

__all__ = ["chromium", "open_page", "served", "server", "still_answers"]
