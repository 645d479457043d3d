"""Pasted code on the page: only where the switch and the secret allow it."""

import pytest

from jaxconv.explore import cli
from tests.explore.browser import new_tab, settle
from tests.explore.test_checking import NUMPY

pytestmark = [pytest.mark.exhaustive, pytest.mark.extras]
RIGHT = NUMPY.replace("np.convolve(g, w[::-1])", "np.convolve(g, w)")


@pytest.fixture
def opened(chromium, served):
    """Open the section in a new tab, under an address; the tab may not complain."""
    tab, complaints = new_tab(chromium, served, 1024, "light")

    def open_page(address):
        tab.goto(address)
        return tab

    yield open_page
    tab.context.close()
    assert complaints == []


def test_code_is_pasted_and_checked(opened, served):
    tab = opened(f"{served.url}#check")
    settle(tab, "check")
    assert tab.url == f"{served.address}/#check"
    verdict = "#check [data-test=verdict]"
    for source, said in (NUMPY, "Wrong: input_grad"), (RIGHT, "All three belong tog"):
        tab.fill("#check [data-test=code]", source)
        tab.click("#check button[data-test=check]")
        tab.locator(verdict, has_text=said).wait_for()


def test_a_file_leads_to_the_page(chromium, served, monkeypatch):
    allowed = []

    def show(address):
        tab = chromium.new_page()
        tab.goto(address)
        tab.wait_for_url(f"{served.address}/")
        facts = "fetch('/api/info').then(answer => answer.json())"
        allowed.append(tab.evaluate(facts)["allow_code"])
        tab.close()

    monkeypatch.setattr(cli, "_show", show)
    monkeypatch.setattr(cli, "_TO_START", 0)
    cli._open(served.url)
    assert allowed == [True]


def test_without_the_secret_code_is_only_read(opened, served):
    tab = opened(f"{served.address}/#check")
    settle(tab, "check")
    assert tab.get_attribute("#check [data-test=code]", "readonly") is not None
