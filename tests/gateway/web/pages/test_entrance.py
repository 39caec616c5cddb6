"""Who sees pages."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from sjs.gateway import tokens
from sjs.gateway.desk import Desk
from sjs.gateway.identity.limits import Limits
from sjs.gateway.web.pages.visitors import COOKIE
from tests.gateway.web.conftest import bearer
from tests.gateway.web.pages.conftest import enter, sign_in, token_of
from tests.live.machine import until


@pytest.fixture
def page(entered: Page) -> Page:
    return entered


def test_who_has_not_signed_in_is_led_there_and_back(page: Page, desk: Desk) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/jobs?state=failed")
    page.get_by_label("Token").fill(token_of(desk))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url("/jobs?state=failed")


def test_a_page_of_one_who_was_signed_out_leads_to_the_door(page: Page, desk: Desk) -> None:
    page.context.clear_cookies()
    page.goto("/jobs")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_script_sees_the_cookie(page: Page) -> None:
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert page.evaluate("document.cookie") == ""


def test_what_is_no_good_token_is_refused(http: httpx.Client, desk: Desk) -> None:
    for text in ("", "sjs_x", token_of(desk)[:-1] + "g", token_of(desk)[:-4] + "0000", "\x00" * 5000):
        answer = enter(http, text)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
    assert enter(http, token_of(desk, scopes=["submit"])).status_code == 403


def test_who_tries_often_is_told_to_wait_and_a_good_token_is_not_held_up(http: httpx.Client, desk: Desk) -> None:
    while (answer := enter(http, "sjs_x")).status_code != 429:
        assert answer.status_code == 401
    assert int(answer.headers["retry-after"]) >= 1
    assert enter(http, token_of(desk)).status_code == 303


def test_a_cookie_is_one_of_ours_and_of_now(http: httpx.Client, desk: Desk) -> None:
    word = enter(http, token_of(desk)).cookies[COOKIE]
    token, expires, mac = word.split(".")
    http.cookies.clear()
    for other in ("", "x", f"{token}.{int(expires) + 1}.{mac}", f"{'0' * 16}.{expires}.{mac}", word[:-1]):
        answer = http.get("/jobs", headers={"cookie": f"{COOKIE}={other}"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/jobs")
    assert http.get("/jobs", headers={"cookie": f"{COOKIE}={word}"}).status_code == 200
    assert http.get("/jobs", headers={"cookie": f"other=1; {COOKIE}={word}"}).status_code == 200


def test_a_cookie_is_none_at_the_api_and_a_token_is_none_at_a_page(http: httpx.Client, desk: Desk) -> None:
    assert enter(http, token_of(desk)).status_code == 303
    assert http.get("/jobs").status_code == 200
    assert http.get("/api/v1/jobs").status_code == 401
    http.cookies.clear()
    assert http.get("/jobs", headers=bearer(desk)).status_code == 303


def test_a_link_leads_back_to_this_site_only(http: httpx.Client, desk: Desk) -> None:
    for there in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nset-cookie: a=b", "javascript:1"):
        answer = http.post("/sign-in", data={"token": token_of(desk), "next": there})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_form_comes_from_a_page_of_ours(http: httpx.Client, desk: Desk) -> None:
    assert enter(http, token_of(desk)).status_code == 303
    assert http.post("/sign-out", data={"form": "0" * 64}).status_code == 403
    assert http.post("/sign-out", data={"else": "1"}).status_code == 403
    assert http.post("/sign-out", json={}).status_code == 422
    foreign = {"origin": "https://evil.example"}
    assert http.post("/sign-in", data={"token": token_of(desk)}, headers=foreign).status_code == 403


def test_a_token_that_is_revoked_ends_its_sessions(http: httpx.Client, desk: Desk) -> None:
    text = token_of(desk)
    assert enter(http, text).status_code == 303
    assert http.get("/jobs").status_code == 200
    assert http.delete(f"/api/v1/tokens/{text.split('_')[1]}", headers=bearer(desk)).status_code < 300
    until(lambda: http.get("/jobs").status_code == 303, "the end of the session")


def test_behind_tls_the_cookie_is_secure(http: httpx.Client, desk: Desk, site: str) -> None:
    answer = http.post("/sign-in", data={"token": token_of(desk)}, headers={"origin": site.replace("http:", "https:")})
    assert answer.headers["set-cookie"].startswith("__Host-sjs=")
    assert answer.headers["set-cookie"].endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure")


def test_each_page_has_a_policy_and_nothing_inline(http: httpx.Client, desk: Desk) -> None:
    assert enter(http, token_of(desk)).status_code == 303
    for path in ("/sign-in", "/jobs", "/jobs/nothing"):
        answer = http.get(path)
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert "<script>" not in answer.text


def test_somebody_else_is_somebody_else(page: Page, desk: Desk) -> None:
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, token_of(desk, owner="<b>bob</b>"))
    expect(page.get_by_text("<b>bob</b>")).to_be_visible()


def test_who_comes_by_pages_alone_has_used_his_token(http: httpx.Client, desk: Desk) -> None:
    text = token_of(desk)
    assert enter(http, text).status_code == 303
    assert http.get("/jobs").status_code == 200

    def used() -> float | None:
        with desk._engine.connect() as connection:
            found = tokens.find(connection, text.split("_")[1])
        assert found is not None
        return found.used

    until(lambda: used() is not None, "that it is written down")


def test_pages_and_the_api_together_are_as_many_as_a_token_may_have(http: httpx.Client, desk: Desk) -> None:
    text = token_of(desk, limits=Limits(rate=0.001, burst=3))
    assert enter(http, text).status_code == 303
    api = {"authorization": f"Bearer {text}"}
    found = [http.get("/jobs"), http.get("/api/v1/jobs", headers=api), http.get("/jobs"), http.get("/jobs")]
    assert [one.status_code for one in found] == [200, 200, 200, 429]


def test_a_link_in_another_site_leads_to_its_page(page: Page, site: str) -> None:
    """The cookie is not sent along with it; the door sends it on from here."""
    link = f"<a href='{site}/jobs?state=failed'>failed ones</a>"
    page.route("http://elsewhere.example/**", lambda route: route.fulfill(body=link, content_type="text/html"))
    page.goto("http://elsewhere.example/")
    page.get_by_role("link", name="failed ones").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    expect(page).to_have_url("/jobs?state=failed")
    page.context.clear_cookies()
    page.goto("http://elsewhere.example/")
    page.get_by_role("link", name="failed ones").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_who_sends_a_form_and_is_signed_out_is_told_so_in_a_page(page: Page, desk: Desk) -> None:
    page.goto("/jobs/new")
    page.get_by_label("Command").fill("echo kept")
    page.context.clear_cookies()
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("signed out")
