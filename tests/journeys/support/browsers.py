"""Real browsers for a journey: a fresh context each, every complaint of a page noted, photographs on the way."""

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, WebError

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Third parties get neither cookies nor storage; test_the_stage.py shows that they do not.
BLOCKING = "--test-third-party-cookie-phaseout"
WIDE, NARROW = 1280, 390
HEIGHT = 900
PATIENCE_MS = 10_000
# How Chromium says that a document or a file came with an error's status.
_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d{3})")


def chromium() -> str | None:
    """The system's Chromium; None for the one that Playwright has installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@dataclass
class Browsers:
    """The browsers of one test. Whatever their pages complain of (script errors, console errors, refused by a policy) fails
    the test at its end, unless `expects` has named it."""

    browser: Browser
    album: Path
    name: str
    complaints: list[str] = field(default_factory=list)
    _answers: list[tuple[int, str]] = field(default_factory=list)
    _expected: list[tuple[int, str]] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self,
        *,
        width: int = WIDE,
        scripts: bool = True,
        scheme: Literal["light", "dark"] = "light",
        **options: Any,
    ) -> Page:
        """An empty page in a browser that knows nothing yet: no cookie, no storage, no cache."""
        context = self.browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            java_script_enabled=scripts,
            color_scheme=scheme,
            locale="en-SG",
            reduced_motion="reduce",
            **options,
        )
        return self.adopt(context)

    def adopt(self, context: BrowserContext) -> Page:
        """A page in this context, which is listened to and closed like one of our own."""
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", self._catch)
        self._contexts.append(context)
        return context.new_page()

    def expects(self, status: int, path: str) -> None:
        """Say that an answer with this error's status from a path of this pattern is meant: once, and it must come."""
        self._expected.append((status, path))

    def snap(self, page: Page, step: str, widths: Sequence[int] = (WIDE, NARROW)) -> None:
        """Photograph the whole page at these widths into artefacts/journeys/<test>-<step>-<width>.png."""
        before = page.viewport_size
        for width in widths:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            for frame in page.locator("iframe").all():
                frame.scroll_into_view_if_needed()  # one that is out of sight is not painted
            page.screenshot(path=self.album / f"{self.name}-{step}-{width}.png", full_page=True, animations="disabled")
        if before:
            page.set_viewport_size(before)

    def forgive(self) -> None:
        """Forget what was heard and expected until now."""
        for heard in (self.complaints, self._answers, self._expected):
            heard.clear()

    def give_up(self) -> None:
        """After a failure: photograph every open page as it is, print what was complained of, close."""
        for number, page in enumerate((page for context in self._contexts for page in context.pages), 1):
            with suppress(Error):
                page.screenshot(path=self.album / f"{self.name}-failed-{number}.png", timeout=3000)
            print(f"page {number} was at {page.url}")
        print("complaints:", self.complaints, self._answers)
        for context in self._contexts:
            context.close()

    def close(self) -> None:
        """Close every browser and raise AssertionError for each complaint, and for each expected answer that never came."""
        for context in self._contexts:
            context.close()
        open_answers = list(self._expected)
        for status, path in self._answers:
            meant = next((it for it in open_answers if it[0] == status and re.fullmatch(it[1], path)), None)
            if meant:
                open_answers.remove(meant)
            else:
                self.complaints.append(f"{status} from {path}")
        missing = [f"expected {status} from {path}, which never came" for status, path in open_answers]
        assert not self.complaints + missing, "\n".join(["the browser complained:", *self.complaints, *missing])

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        where = message.location.get("url", "")
        status = _STATUS.match(message.text)
        if status:
            self._answers.append((int(status[1]), urlsplit(where).path))
        else:
            self.complaints.append(f"console: {message.text} ({where})")

    def _catch(self, error: WebError) -> None:
        self.complaints.append(f"script: {error.error}")
