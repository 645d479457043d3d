"""The page that a run ends with: one HTML file that needs nothing else.

`record` reads what the run wrote down, `evaluated` lets the model classify the test
images; each section of the page is made of these in a file of its own.
"""

from jaxconv.train.page.write import write_page

__all__ = ["write_page"]
