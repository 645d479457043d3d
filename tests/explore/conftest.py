"""The fixtures that the tests of the page share."""

from tests.explore.browser import chromium, open_page, served

__all__ = ["chromium", "open_page", "served"]
