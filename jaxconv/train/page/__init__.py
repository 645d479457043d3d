"""The report that a run ends with: a page, one HTML file that needs nothing else.

`record` reads the files that the run has written, `evaluated` classifies the test
images by the model. Each section of the page is made from these, by a file of its own.
"""

from jaxconv.train.page.write import write_page

__all__ = ["write_page"]
