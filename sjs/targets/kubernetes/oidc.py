"""A new ID token for a kubeconfig that logs in by OpenID Connect without a plugin."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from sjs.errors import UsageError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

SECONDS = 30.0


def refreshed(config: Mapping[str, Any], http: PoolManager) -> dict[str, str]:
    """What the issuer gives for the refresh token, by the names that a kubeconfig has for it. Some give another refresh
    token with each, and take the old one no more."""
    from urllib3.exceptions import HTTPError

    issuer = str(config.get("idp-issuer-url", "")).rstrip("/")
    try:
        found = http.request("GET", f"{issuer}/.well-known/openid-configuration", timeout=SECONDS, retries=False)
        body = _body(_asked(config, str(_body(found, issuer)["token_endpoint"]), http), issuer)
        tokens = {"id-token": str(body["id_token"])}
        if body.get("refresh_token"):
            tokens["refresh-token"] = str(body["refresh_token"])
        return tokens
    except (HTTPError, LookupError, ValueError):
        raise UsageError(f"{issuer} gives no new OIDC token for the kubeconfig", "log in again") from None


def _asked(config: Mapping[str, Any], where: str, http: PoolManager) -> BaseHTTPResponse:
    """A secret goes into a header, or else, where that is not taken, beside what is asked; as oauth2 of Go does."""
    fields = {"grant_type": "refresh_token", "refresh_token": str(config["refresh-token"])}
    client, secret = str(config.get("client-id", "")), str(config.get("client-secret") or "")
    beside = {**fields, "client_id": client, **({"client_secret": secret} if secret else {})}
    if secret:
        pair = f"{quote_plus(client)}:{quote_plus(secret)}".encode()
        answer = _sent(where, fields, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, http)
        if answer.status not in (400, 401):
            return answer
    return _sent(where, beside, {}, http)


def _sent(where: str, fields: Mapping[str, str], headers: Mapping[str, str], http: PoolManager) -> BaseHTTPResponse:
    return http.request(
        "POST", where, fields=fields, headers=headers, encode_multipart=False, timeout=SECONDS, retries=False
    )


def _body(answer: BaseHTTPResponse, issuer: str) -> Mapping[str, Any]:
    if answer.status != 200:
        raise UsageError(f"{issuer} gives no new OIDC token for the kubeconfig: {answer.status}", "log in again")
    found = json.loads(answer.data)
    return found if isinstance(found, dict) else {}
