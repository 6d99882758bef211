"""A person's browser, as far as connecting an account needs one: links, one form, cookies, and always yes."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

_STEPS = 10


class _Page(HTMLParser):
    """What can be done on a page: the form with its hidden fields, or the link to go on with."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.onward: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None:
            self.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.fields[given.get("name", "")] = given.get("value", "")
        elif tag == "button" and given.get("name"):
            self.fields.setdefault(given["name"], given.get("value", ""))
        elif tag == "a" and given.get("id") == "continue":
            self.onward = given.get("href")


async def connect(link: str) -> bool:
    """Open `link`, allow what is asked, follow the authorization server's redirect; whether all of that went well."""
    cookies: dict[str, dict[str, str]] = {}
    url, body = link, ""
    async with httpx2.AsyncClient(follow_redirects=False, timeout=20) as client:
        for _ in range(_STEPS):
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
            jar = cookies.setdefault(origin, {})
            headers = {"cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
            if body:
                headers |= {
                    "content-type": "application/x-www-form-urlencoded",
                    "origin": origin,
                    "sec-fetch-site": "same-origin",
                }
            answer = await client.request("POST" if body else "GET", url, headers=headers, content=body)
            for line in answer.headers.get_list("set-cookie"):
                name, _, value = line.partition(";")[0].partition("=")
                jar[name.strip()] = value
            body = ""
            if answer.is_redirect:
                url = urljoin(url, answer.headers["location"])
                continue
            page = _Page(answer.text)
            if page.onward is not None:
                url = urljoin(url, page.onward)
            elif page.action is not None and answer.status_code == 200:
                url, body = urljoin(url, page.action or url), urlencode(page.fields)
            else:
                return answer.status_code == 200
    return False
