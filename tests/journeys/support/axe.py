"""axe-core on a document and on every frame in it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Frame, Page

# WCAG 2.2 at level AA, and axe's own best practices. Each document is looked at by itself.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
RUN = """(rules) => axe.run(document, {
  runOnly: { type: "tag", values: rules },
  resultTypes: ["violations"],
  iframes: false,
}).then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
  nodes.map(({ html, failureSummary }) => `${id}: ${help}\\n    ${html.slice(0, 200)}\\n    ${failureSummary}`)))"""


@cache
def _script() -> str:
    return f"() => {{ if (!window.axe) {{ {AXE_SCRIPT} }} }}"


def violations(page: Page) -> list[str]:
    """What axe has against the page and what it frames, each in words; an empty list is good."""
    return [f"{_name(frame)} {found}" for frame in _documents(page) for found in _look(frame)]


def _documents(page: Page) -> Iterator[Frame]:
    yield page.main_frame
    for child in page.main_frame.child_frames:
        if child.frame_element().is_visible():
            yield child


def _look(frame: Frame) -> list[str]:
    frame.evaluate(_script())
    found: Any = frame.evaluate(RUN, RULES)
    return [str(one) for one in found]


def _name(frame: Frame) -> str:
    return "in the frame:" if frame.parent_frame else "on the page:"
