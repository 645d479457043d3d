"""What assistive programs need of a page, checked in the browser."""

from typing import Any

# Every element that takes the focus has a name.
_NAMELESS = """section => [...section.querySelectorAll(
  "button, input, select, textarea, [tabindex]")]
  .filter(node => node.checkVisibility() && node.tabIndex >= 0)
  .filter(node => !(node.ariaLabel || node.labels?.length || node.textContent.trim()
    || node.getAttribute("aria-labelledby")))
  .map(node => node.outerHTML.slice(0, 120))"""

# Text against the first opaque background behind it: the ratio of WCAG.
_PALE = """([section, least]) => {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const rgba = color => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = node => {
    for (let one = node; one; one = one.parentElement) {
      const color = rgba(getComputedStyle(one).backgroundColor);
      if (color[3] > 250) return color;
    }
    return [255, 255, 255, 255];
  };
  const pale = [];
  const walker = document.createTreeWalker(section, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !node.checkVisibility() || node.closest(":disabled, option")) continue;
    const [ink, paper] = [rgba(getComputedStyle(node).color), behind(node)].map(light);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < least) pale.push(`${ratio.toFixed(2)} "${text.slice(0, 40)}"`);
  }
  return pale;
}"""


def nameless(section: Any) -> list[str]:
    """Return what takes the focus and has no name."""
    return section.evaluate(_NAMELESS)


def pale(section: Any, least: float = 4.5) -> list[str]:
    """Return texts with less contrast than WCAG 2's level AA asks for."""
    handle = section.element_handle()
    return handle.evaluate(
        "(section, least) => (" + _PALE + ")([section, least])", least
    )


def focus_order(tab: Any, start: str, count: int) -> list[str]:
    """Return what Tab reaches, one after the other, from the element `start`."""
    tab.locator(start).focus()
    seen = []
    for _ in range(count):
        tab.keyboard.press("Tab")
        seen.append(
            tab.evaluate(
                "document.activeElement.dataset.test || document.activeElement.tagName"
            )
        )
    return seen
