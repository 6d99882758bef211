"""Debian's Chromium, driven headless: a real browser with a real person's cookies, rules and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.real.processes import PATIENCE
from tests.support import require

_WHY = "the consent pages are walked in a real browser"


@dataclass
class Chromium:
    """One browser with a profile of its own. `shots` is the folder of its screenshots."""

    driver: webdriver.Chrome
    shots: Path
    taken: list[Path] = field(default_factory=list)

    def open(self, url: str) -> str:
        """Go to a page; its heading."""
        self.driver.get(url)
        return self.heading

    @property
    def heading(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    @property
    def cookies(self) -> set[str]:
        """Their names."""
        return {str(cookie["name"]) for cookie in self.driver.get_cookies()}

    @property
    def console(self) -> str:
        """What the browser complained about, of all pages so far."""
        lines: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium is untyped
        return "\n".join(line["message"] for line in lines)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, text: str) -> str:
        """Press the button or follow the link with this text, wait for another page, and give its heading."""
        here = self.driver.find_element(By.TAG_NAME, "html")
        self.driver.find_element(By.XPATH, f"//*[self::button or self::a][normalize-space()='{text}']").click()
        WebDriverWait(self.driver, PATIENCE).until(lambda _: _gone(here))
        return self.heading

    def tab(self) -> str:
        """Go on with the keyboard; the text of what then has the focus."""
        ActionChains(self.driver).send_keys(Keys.TAB).perform()
        return self.driver.switch_to.active_element.text

    def until(self, heading: str) -> None:
        """Wait for a page, through redirects and refreshes."""
        WebDriverWait(self.driver, PATIENCE).until(lambda _: self._headed(heading), f"no page {heading!r}")

    def shoot(self, name: str) -> Path:
        """Keep a picture of the page as it is."""
        path = self.shots / f"{len(self.taken) + 1:02}-{name}.png"
        assert self.driver.save_screenshot(str(path))
        self.taken.append(path)
        return path

    def _headed(self, heading: str) -> bool:
        found = self.driver.find_elements(By.TAG_NAME, "h1")
        return bool(found) and not _gone(found[0]) and found[0].text == heading


@contextmanager
def chromium(folder: Path, *, width: int = 900, height: int = 900) -> Iterator[Chromium]:
    """A browser with its profile and its screenshots in `folder`; absent, the test is skipped, or fails under CI."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(require("chromium", _WHY))
    shots = folder / "screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # tests may run as root, which Chromium's sandbox does not
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(str(require("chromedriver", _WHY))))
    try:
        driver.set_page_load_timeout(PATIENCE)
        # Pages that need a script would show it by not working.
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        yield Chromium(driver, shots)
    finally:
        driver.quit()


def _gone(element: WebElement) -> bool:
    """Whether its page is not there any more."""
    try:
        element.is_enabled()
    except (StaleElementReferenceException, NoSuchElementException):
        return True
    except WebDriverException as error:
        # Between two pages the driver says so in words of its own.
        return "does not belong to the document" in str(error)
    return False
