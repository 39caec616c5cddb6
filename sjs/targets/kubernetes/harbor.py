"""What Harbor says of a project's images, by version 2 of its API."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPSHandler, Request, build_opener

from sjs.answers import Image
from sjs.core.names import suggestion
from sjs.errors import ConfigError, LinkLost, NotReached, Refused
from sjs.targets.kubernetes.settings import Harbor

PAGE = 100
"""The most that it gives at once."""

SECONDS = 30.0
AT_ONCE = 6


class Images:
    """The images of one project."""

    def __init__(self, harbor: Harbor) -> None:
        self._harbor = harbor
        self._opener = build_opener(HTTPSHandler(context=_context(harbor)))

    def all(self) -> list[Image]:
        """All of them, by name."""
        found = sorted(self._repositories())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tags = list(pool.map(self._tags, (name for name, _ in found)))
        return [Image(name, of, about) for (name, about), of in zip(found, tags, strict=True)]

    def one(self, name: str) -> Image:
        """What is said of one."""
        plain = self._plain(name)
        try:
            found = self._get(self._of(plain))
        except _Absent:
            names = [name for name, _ in self._repositories()]
            raise Refused(
                f"no image '{plain}' in project '{self._harbor.project}'{suggestion(plain, names)}",
                "`images` shows what there is",
            ) from None
        return Image(plain, self._tags(plain), str(found.get("description") or ""))

    def _repositories(self) -> Iterator[tuple[str, str]]:
        for one in self._pages(f"/projects/{quote(self._harbor.project, safe='')}/repositories"):
            yield self._plain(one["name"]), str(one.get("description") or "")

    def _tags(self, name: str) -> tuple[str, ...]:
        artifacts = self._pages(f"{self._of(name)}/artifacts", with_tag="true")
        return tuple(tag["name"] for one in artifacts for tag in one.get("tags") or ())

    def _plain(self, name: str) -> str:
        return name.removeprefix(f"{self._harbor.project}/")

    def _of(self, name: str) -> str:
        """Strokes in a name are escaped twice, for a proxy undoes it once."""
        return f"/projects/{quote(self._harbor.project, safe='')}/repositories/{quote(quote(name, safe=''), safe='')}"

    def _pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            found = self._get(f"{path}?{urlencode({**query, 'page': number, 'page_size': PAGE})}")
            yield from found
            if len(found) < PAGE:
                return
            number += 1

    def _get(self, path: str) -> Any:
        url = f"{self._harbor.url.rstrip('/')}/api/v2.0{path}"
        request = Request(url, headers={"Accept": "application/json"})
        if self._harbor.user:  # not for whom it may send us on to
            request.add_unredirected_header("Authorization", _login(self._harbor))
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except URLError as error:
            raise NotReached(f"Harbor {self._harbor.url} is not reached: {error.reason}", _advice(error)) from None
        except ValueError:
            raise LinkLost(
                f"what {self._harbor.url} answers is not what Harbor would", "is 'harbor.url' right?"
            ) from None
        except OSError as error:
            raise LinkLost(f"the connection to {self._harbor.url} broke: {error}") from None

    def _refusal(self, error: HTTPError) -> Exception:
        url, who = self._harbor.url, f"'{self._harbor.user}'" if self._harbor.user else "who does not log in"
        if error.code == 401:
            return Refused(f"Harbor {url} refuses {who}", "'harbor.user' and 'harbor_password' in the entry")
        if error.code in (403, 404):
            return _Absent(f"Harbor {url} has no project '{self._harbor.project}' that {who} may see")
        return LinkLost(f"Harbor {self._harbor.url} answers {error.code} {error.reason}")


class _Absent(Refused):
    """There is nothing of that name."""


def _context(harbor: Harbor) -> Any:
    import ssl

    try:
        context = ssl.create_default_context(cafile=harbor.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"harbor.ca_file {harbor.ca_file}: {error}") from None
    if harbor.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _login(harbor: Harbor) -> str:
    return "Basic " + base64.b64encode(f"{harbor.user}:{harbor.password}".encode()).decode()


def _advice(error: URLError) -> str:
    return "'harbor.ca_file' names the certificate that signs its own" if "CERTIFICATE" in str(error.reason) else ""
