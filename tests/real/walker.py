"""A person at a browser without scripts: follows redirects, keeps cookies, fills in forms.

It does what the pages say and nothing else, so a page that works only with scripts, or a form without its hidden
fields, stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import httpx2

STEPS = 40
"""Pages and redirects that a walk may take before it counts as going in circles."""


@dataclass(slots=True)
class Form:
    """`fields` are its inputs with what they hold; `buttons` are its submit buttons as (name, value, text)."""

    action: str
    method: str
    id: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)

    def button(self, wanted: str) -> tuple[str, str, str]:
        """The button with this value or text; the first one if `wanted` is empty."""
        if not wanted:
            return self.buttons[0] if self.buttons else ("", "", "")
        return next(found for found in self.buttons if wanted in found[1:])


@dataclass(frozen=True, slots=True)
class Page:
    """Where the walk came to. `location` is where it was sent on to and did not go."""

    url: str
    status: int
    text: str
    headers: Mapping[str, str]
    forms: tuple[Form, ...] = ()
    location: str = ""


class _Forms(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._url = url
        self._inside: Form | None = None
        self._button: tuple[Form, str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self._url, given.get("action", self._url))
            self._inside = Form(action, given.get("method", "get").lower(), given.get("id", ""))
            self.found.append(self._inside)
        form = next((one for one in self.found if one.id == given["form"]), None) if "form" in given else self._inside
        if form is None or "disabled" in given:
            return
        kind = given.get("type", "submit" if tag == "button" else "text")
        if tag == "button" and kind == "submit":
            self._button = (form, given.get("name", ""), given.get("value", ""))
        elif tag == "input" and kind == "submit":
            form.buttons.append((given.get("name", ""), given.get("value", ""), given.get("value", "")))
        elif tag == "input" and given.get("name") and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            form, name, value = self._button
            form.buttons.append((name, value, data.strip()))
            self._button = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None


class Walker:
    """`login` is typed where a page asks for it. An async context manager."""

    def __init__(self, login: str) -> None:
        self.login = login
        self.seen: list[str] = []
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=30.0)
        # By host: browsers tell cookies apart by host and not by port, and count loopback as secure.
        self._cookies: dict[str, dict[str, tuple[str, str]]] = {}

    async def __aenter__(self) -> Walker:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def cookies(self) -> dict[str, str]:
        """What is kept now, by name."""
        return {name: value for kept in self._cookies.values() for name, (value, _) in kept.items()}

    async def walk(self, url: str, *, until: Callable[[str], bool] = lambda _: False, button: str = "") -> Page:
        """From `url` on through every redirect and form, until a page without a form or an address that is `until`.

        `button` is pressed where a form has it; elsewhere the first one.
        """
        page = await self.open(url, until=until)
        for _ in range(STEPS):
            if page.location or not page.forms:
                return page
            form = page.forms[0]
            has = any(button in found[1:] for found in form.buttons)
            page = await self.submit(form, button if has else "", until=until)
        raise AssertionError(f"in circles: {self.seen[-6:]}")

    async def open(self, url: str, *, until: Callable[[str], bool] = lambda _: False) -> Page:
        """The page at `url`, redirects followed."""
        return await self._go("get", url, None, until)

    async def submit(
        self, form: Form, button: str = "", *, until: Callable[[str], bool] = lambda _: False, **values: str
    ) -> Page:
        """Fill the form in and press a button; `values` outrank what the form holds."""
        data = {**form.fields, **values}
        if "login" in data and "login" not in values:
            data["login"] = self.login
        name, value, _ = form.button(button)
        if name:
            data[name] = value
        return await self._go(form.method, form.action, data, until)

    async def _go(self, method: str, url: str, data: Mapping[str, str] | None, until: Callable[[str], bool]) -> Page:
        for _ in range(STEPS):
            if until(url):
                return Page(url, 0, "", {}, location=url)
            self.seen.append(url)
            headers = {"cookie": self._sent(url)} if self._sent(url) else {}
            if method == "post":
                answer = await self._http.post(url, data=dict(data or {}), headers=headers)
            else:
                answer = await self._http.get(url, params=dict(data) if data else None, headers=headers)
            self._keep(url, answer.headers.get_list("set-cookie"))
            if answer.status_code not in (301, 302, 303):
                forms = _Forms(url)
                forms.feed(answer.text)
                return Page(url, answer.status_code, answer.text, answer.headers, tuple(forms.found))
            method, url, data = "get", urljoin(url, answer.headers["location"]), None
        raise AssertionError(f"redirected in circles: {self.seen[-6:]}")

    def _sent(self, url: str) -> str:
        """RFC 6265, section 5.4, without ports and with loopback counted as secure."""
        parts = urlsplit(url)
        kept = self._cookies.get(parts.hostname or "", {})
        return "; ".join(
            f"{name}={value}" for name, (value, path) in kept.items() if (parts.path or "/").startswith(path)
        )

    def _keep(self, url: str, lines: list[str]) -> None:
        kept = self._cookies.setdefault(urlsplit(url).hostname or "", {})
        for line in lines:
            for name, cookie in SimpleCookie(line).items():
                if cookie["max-age"] == "0" or cookie["expires"].endswith("1970 00:00:00 GMT"):
                    kept.pop(name, None)
                else:
                    kept[name] = (cookie.value, cookie["path"] or "/")
