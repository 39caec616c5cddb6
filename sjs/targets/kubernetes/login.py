"""An OpenID Connect login of a kubeconfig while a command uses it: refreshed once for all who share the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sjs.targets.kubernetes.credentials import token_of

if TYPE_CHECKING:
    from urllib3 import PoolManager

Config = Mapping[str, Any]


class Login:
    """`find` reads what the kubeconfig says of it now, and in which file; `http` is the way to its issuer."""

    def __init__(
        self,
        find: Callable[[], tuple[Config, str]],
        http: Callable[[Config], PoolManager],
        notice: Callable[[str], None],
    ) -> None:
        self._find = find
        self._http = http
        self._notice = notice
        self._newer: dict[str, Config] = {}
        """By the refresh tokens that they have followed: what could not be written back."""

    def refreshed(self, config: Config) -> str:
        """An ID token that has not expired."""
        from sjs.targets.kubernetes import keeping, oidc

        _, path = self._find()
        with keeping.alone(path):
            found, _ = self._find()  # somebody may have refreshed it while we waited
            config = self._newest(found)
            token = token_of(found) or token_of(config)
            if token:
                return token
            tokens = oidc.refreshed(config, self._http(config))
            self._newer[str(config["refresh-token"])] = {**config, **tokens}
            try:
                keeping.keep(path, config, tokens)
            except keeping.NotKept as why:
                if tokens.get("refresh-token", config["refresh-token"]) != config["refresh-token"]:
                    self._notice(f"the new refresh token could not be kept in {path}: {why}; log in again before long")
        return tokens["id-token"]

    def _newest(self, config: Config) -> Config:
        seen: set[str] = set()
        while (token := str(config.get("refresh-token"))) in self._newer and token not in seen:
            seen.add(token)
            config = self._newer[token]
        return config
