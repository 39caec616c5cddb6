"""A new ID token for a kubeconfig that logs in by OpenID Connect without a plugin."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sjs.errors import UsageError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

SECONDS = 30.0


def refreshed(config: Mapping[str, Any], http: PoolManager) -> str:
    """What the issuer gives for the refresh token. It is not written back: a login of kubectl's stays kubectl's."""
    from urllib3.exceptions import HTTPError

    issuer = str(config.get("idp-issuer-url", "")).rstrip("/")
    try:
        found = http.request("GET", f"{issuer}/.well-known/openid-configuration", timeout=SECONDS, retries=False)
        where = str(_body(found, issuer)["token_endpoint"])
        client = f"{config.get('client-id', '')}:{config.get('client-secret', '')}"
        answer = http.request(
            "POST",
            where,
            fields={"grant_type": "refresh_token", "refresh_token": str(config["refresh-token"])},
            headers={"Authorization": f"Basic {base64.b64encode(client.encode()).decode()}"},
            encode_multipart=False,
            timeout=SECONDS,
            retries=False,
        )
        return str(_body(answer, issuer)["id_token"])
    except (HTTPError, LookupError, ValueError):
        raise UsageError(f"{issuer} gives no new OIDC token for the kubeconfig", "log in again") from None


def _body(answer: BaseHTTPResponse, issuer: str) -> Mapping[str, Any]:
    if answer.status != 200:
        raise UsageError(f"{issuer} gives no new OIDC token for the kubeconfig: {answer.status}", "log in again")
    found = json.loads(answer.data)
    return found if isinstance(found, dict) else {}
