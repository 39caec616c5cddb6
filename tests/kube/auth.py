"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.kube.kinds import REVIEWS, Resource
from tests.kube.routes import Route
from tests.kube.status import Refused, forbidden, unauthorized

EVERYTHING = ("*",)


@dataclass(frozen=True)
class Rule:
    """What may be done: "*" stands for all. Resources are plurals, with their subresource: "pods/log"."""

    verbs: tuple[str, ...] = EVERYTHING
    resources: tuple[str, ...] = EVERYTHING
    namespaces: tuple[str, ...] = EVERYTHING

    def allows(self, verb: str, resource: str, namespace: str) -> bool:
        asked = ((self.verbs, verb), (self.resources, resource), (self.namespaces, namespace))
        return all("*" in known or word in known for known, word in asked)


@dataclass(frozen=True)
class Account:
    """A user by name; rules say what is allowed, `denied` what is not in spite of them."""

    name: str
    rules: tuple[Rule, ...] = (Rule(),)
    groups: tuple[str, ...] = ("system:authenticated",)
    denied: tuple[Rule, ...] = ()

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        return any(rule.allows(verb, resource, namespace) for rule in self.rules) and not any(
            rule.allows(verb, resource, namespace) for rule in self.denied
        )


ANONYMOUS = Account("system:anonymous", (), ("system:unauthenticated",))


@dataclass
class Accounts:
    """Who is known, by token and by the name in a client's certificate."""

    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, Account] = field(default_factory=dict)
    refusing_all: bool = False
    as_whom: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    """What was said by those who acted as somebody else."""

    def add(self, account: Account, token: str = "") -> Account:
        self.users[account.name] = account
        if token:
            self.tokens[token] = account.name
        return account

    def expire(self, token: str) -> None:
        self.tokens.pop(token, None)

    def forbid(self, user: str, *verbs: str, resource: str = "*") -> None:
        """From now on, although the rules allow it."""
        account = self.users[user]
        self.users[user] = replace(account, denied=(*account.denied, Rule(verbs, (resource,))))

    def allow_again(self, user: str) -> None:
        self.users[user] = replace(self.users[user], denied=())

    def who(self, authorization: str, certificate: str) -> Account:
        """By the Authorization header, or by the name in the certificate; 401 for one that is not known."""
        if self.refusing_all:
            raise unauthorized()
        if authorization:
            scheme, _, token = authorization.partition(" ")
            name = self.tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        elif certificate:
            name = certificate
        else:
            return ANONYMOUS
        if name not in self.users:
            raise unauthorized()
        return self.users[name]

    def instead(self, account: Account, said: tuple[tuple[str, str], ...]) -> Account:
        """The one as whom somebody acts who may. All that was said of him is in `as_whom`."""
        if not said:
            return account
        names = [value for name, value in said if name == "Impersonate-User"]
        if len(names) != 1:
            raise Refused(400, "BadRequest", "requested impersonation without impersonating a user")
        if not account.may("impersonate", "users", ""):
            refused = f'User "{account.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
            raise Refused(403, "Forbidden", f'users "{names[0]}" is forbidden: {refused}')
        self.as_whom.append(said)
        groups = tuple(value for name, value in said if name == "Impersonate-Group")
        known = self.users.get(names[0], Account(names[0], ()))
        return replace(known, groups=(*groups, "system:authenticated"))


def authorize(account: Account, route: Route) -> None:
    if route.resource == REVIEWS and account != ANONYMOUS:
        return  # everybody may ask what they may
    resource = f"{route.resource.plural}/{route.sub}" if route.sub else route.resource.plural
    if not account.may(route.verb, resource, route.namespace):
        raise _refusal(account, route.verb, route.resource, resource, route)


def _refusal(account: Account, verb: str, kind: Resource, resource: str, route: Route) -> Refused:
    where = f'in the namespace "{route.namespace}"' if route.namespace else "at the cluster scope"
    what = f'cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    return forbidden(kind, route.name, f'User "{account.name}" {what}')
