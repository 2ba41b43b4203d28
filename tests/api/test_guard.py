"""The door: nothing but the allow-list answers without a sign-in; sessions, links and tokens end when they should."""

import asyncio
import time
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from hostler.store.queries import sign_in
from hostler.store.tables import api_token, session, sign_in_link, user

ME = "/api/v1/tokens"
ALLOWED = {
    ("GET", "/healthz"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/api/v1/sign-in"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/static/hostler.css"),
    ("GET", "/static/hostler.js"),
}
"""Written out here too: who opens another address must say so twice."""


async def test_only_the_allow_list_answers_without_a_sign_in(site: Any, anonymous: httpx2.AsyncClient) -> None:
    addresses = site.addresses()
    documented = {(m.upper(), p) for p, methods in site.app.openapi()["paths"].items() for m in methods}
    assert documented <= set(addresses)
    assert len(addresses) >= len(documented) > 40
    answered = set()
    for method, path in sorted(set(addresses) | documented):
        answer = await anonymous.request(method, path.replace("{id}", "x"))
        if answer.status_code != 401:
            answered.add(("GET" if method == "HEAD" else method, path))
    assert answered == ALLOWED


async def test_unknown_and_known_addresses_look_the_same_from_outside(anonymous: httpx2.AsyncClient) -> None:
    answers = [await anonymous.get(path) for path in ("/api/v1/vms", "/api/v1/vms/x", "/api/v1/nothing", "/else")]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert answers[0].headers["content-type"] == "application/problem+json"


async def test_anonymous_hits_add_no_rows(site: Any, anonymous: httpx2.AsyncClient) -> None:
    before = await site.rows()
    for n in range(200):
        await anonymous.post("/api/v1/sign-in", json={"link": f"guess-number-{n}-of-many"})
        await anonymous.post("/sign-in", data={"link": f"guess-number-{n}-of-many"})
        await anonymous.get("/api/v1/vms", headers={"Authorization": f"Bearer hostler_{n:040}"})
        await anonymous.get("/api/v1/vms", headers={"Cookie": f"hostler-session={n:040}"})
        await anonymous.post("/api/v1/vms", json={"name": "x"})
    assert await site.rows() == before


async def test_a_look_at_a_link_does_not_use_it(site: Any, anonymous: httpx2.AsyncClient) -> None:
    link = await site.link()
    for _ in range(3):
        page = await anonymous.get("/sign-in", params={"link": link})
        assert page.status_code == 200
        assert link in page.text
    answer = await anonymous.post("/sign-in", data={"link": link}, headers={"Origin": str(anonymous.base_url)})
    assert answer.status_code == 303
    cookies = answer.headers.get_list("set-cookie")
    assert any("hostler-session=" in c and "HttpOnly" in c and "SameSite=strict" in c for c in cookies), cookies


async def test_a_link_works_once_even_in_parallel(site: Any) -> None:
    link = await site.link()

    async def use(n: int) -> int:
        async with site.client() as client:
            if n % 2:
                return int((await client.post("/sign-in", data={"link": link})).status_code)
            return int((await client.post("/api/v1/sign-in", json={"link": link})).status_code)

    statuses = await asyncio.gather(*(use(n) for n in range(24)))
    assert min(statuses) in (201, 303)
    assert [s for s in statuses if s != 403] == [min(statuses)]


async def test_unknown_used_and_expired_links_are_told_alike(site: Any, anonymous: httpx2.AsyncClient) -> None:
    used, expired = await site.link(), await site.link()
    await anonymous.post("/api/v1/sign-in", json={"link": used})
    past = update(sign_in_link).where(sign_in_link.c.secret_hash == sign_in.hash_of(expired)).values(expires_at=1)
    await site.database.write(lambda c: c.execute(past))
    answers = [await anonymous.post("/api/v1/sign-in", json={"link": link}) for link in (used, expired, "unknown")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(403, answers[0].text)}
    pages = [await anonymous.post("/sign-in", data={"link": link}) for link in (used, expired, "unknown")]
    assert {(page.status_code, page.text) for page in pages} == {(403, pages[0].text)}


async def test_the_page_of_a_link_escapes_it(anonymous: httpx2.AsyncClient) -> None:
    page = await anonymous.get("/sign-in", params={"link": '"><script>alert(1)</script>'})
    assert "<script" not in page.text


async def test_a_whole_link_signs_a_program_in(site: Any, anonymous: httpx2.AsyncClient) -> None:
    link = f"http://127.0.0.1:8100/sign-in?link={await site.link()}"
    answer = await anonymous.post("/api/v1/sign-in", json={"link": link})
    assert answer.status_code == 201
    bearer = {"Authorization": f"Bearer {answer.json()['secret']}"}
    assert (await anonymous.get("/api/v1/vms", headers=bearer)).status_code == 200


async def test_a_session_reads_and_writes_with_its_token(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/")).status_code == 200
    csrf = browser.cookies["hostler-csrf"]
    body = {"name": "of a browser"}
    assert (await browser.post(ME, json=body, headers={"X-CSRF-Token": csrf})).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CSRF-Token": "guess"},
        {"X-CSRF-Token": "right", "Origin": "http://evil.test"},
        {"X-CSRF-Token": "right", "Origin": "null"},
        {"X-CSRF-Token": "right", "Origin": "http://["},
    ],
)
async def test_another_site_cannot_write(browser: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    sent = {name: browser.cookies["hostler-csrf"] if value == "right" else value for name, value in headers.items()}
    answer = await browser.post(ME, json={"name": "stolen"}, headers=sent)
    assert answer.status_code == 403
    assert (await browser.get(ME)).json()["items"][0]["name"] == "tests"
    assert len((await browser.get(ME)).json()["items"]) == 1


async def test_a_browser_s_write_says_where_it_comes_from(browser: httpx2.AsyncClient) -> None:
    del browser.headers["origin"]
    answer = await browser.post(ME, json={"name": "x"}, headers={"X-CSRF-Token": browser.cookies["hostler-csrf"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


async def test_signing_out_ends_the_session_at_once(browser: httpx2.AsyncClient) -> None:
    cookies = dict(browser.cookies)
    assert (await browser.get("/api/v1/vms")).status_code == 200
    out = await browser.post("/api/v1/sign-out", headers={"X-CSRF-Token": cookies["hostler-csrf"]})
    assert out.status_code == 204
    kept = {"Cookie": f"hostler-session={cookies['hostler-session']}"}
    assert (await browser.get("/api/v1/vms", headers=kept)).status_code == 401


async def test_a_session_expires(site: Any, browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/api/v1/vms")).status_code == 200
    await site.database.write(lambda c: c.execute(update(session).values(expires_at=time.time_ns() // 1000 - 1)))
    assert (await browser.get("/api/v1/vms")).status_code == 401


async def test_a_session_is_no_bearer_token(browser: httpx2.AsyncClient, anonymous: httpx2.AsyncClient) -> None:
    bearer = {"Authorization": f"Bearer {browser.cookies['hostler-session']}"}
    assert (await anonymous.get("/api/v1/vms", headers=bearer)).status_code == 401


async def make_token(client: httpx2.AsyncClient, **body: Any) -> tuple[str, dict[str, str]]:
    answer = await client.post(ME, json={"name": "made", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], {"Authorization": f"Bearer {answer.json()['secret']}"}


async def test_a_token_may_a_part_of_what_its_maker_may(client: httpx2.AsyncClient) -> None:
    _, narrow = await make_token(client, privileges=["Start"])
    answer = await client.post("/api/v1/hardware-profiles", json={"name": "x"}, headers=narrow)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    wider = await client.post(ME, json={"name": "wider", "privileges": ["Create"]}, headers=narrow)
    assert (wider.status_code, wider.json()["code"]) == (403, "forbidden")
    unsaid = await client.post(ME, json={"name": "unsaid"}, headers=narrow)
    child = {"Authorization": f"Bearer {unsaid.json()['secret']}"}
    answer = await client.post("/api/v1/hardware-profiles", json={"name": "x"}, headers=child)
    assert answer.status_code == 403


async def test_what_a_token_made_ends_with_it(client: httpx2.AsyncClient) -> None:
    maker_id, maker = await make_token(client)
    _, child = await make_token(httpx2_as(client, maker))
    assert (await client.get("/api/v1/vms", headers=child)).status_code == 200
    assert (await client.post(f"{ME}/{maker_id}/revoke")).status_code == 204
    for gone in (maker, child):
        assert (await client.get("/api/v1/vms", headers=gone)).status_code == 401
    assert (await client.post(f"{ME}/{maker_id}/revoke")).status_code == 404


async def test_a_narrow_token_ends_no_wider_one(client: httpx2.AsyncClient) -> None:
    wide_id, wide = await make_token(client)
    narrow_id, narrow = await make_token(client, privileges=["Start"])
    child_id, _ = await make_token(httpx2_as(client, narrow))
    refused = await client.post(f"{ME}/{wide_id}/revoke", headers=narrow)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (await client.get("/api/v1/vms", headers=wide)).status_code == 200
    for own in (child_id, narrow_id):
        assert (await client.post(f"{ME}/{own}/revoke", headers=narrow)).status_code == 204
    assert (await client.get("/api/v1/vms", headers=narrow)).status_code == 401


async def test_an_end_beyond_all_calendars_is_refused(browser: httpx2.AsyncClient) -> None:
    body = {"name": "for ever", "expires_at": "9999-12-31T23:59:59-23:59"}
    answer = await browser.post(ME, json=body, headers={"X-CSRF-Token": browser.cookies["hostler-csrf"]})
    assert answer.status_code == 422


def httpx2_as(client: httpx2.AsyncClient, headers: dict[str, str]) -> Any:
    """The client, asking with other headers."""

    class Other:
        async def post(self, url: str, **more: Any) -> httpx2.Response:
            return await client.post(url, headers=headers, **more)

    return Other()


async def test_a_disabled_user_s_tokens_end(site: Any, client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/v1/vms")).status_code == 200
    await site.database.write(lambda c: c.execute(update(user).values(enabled=False)))
    assert (await client.get("/api/v1/vms")).status_code == 401


async def test_only_hashes_of_secrets_are_stored(site: Any, client: httpx2.AsyncClient, browser: Any) -> None:
    _, bearer = await make_token(client)
    link = await site.link()
    secrets = [bearer["Authorization"].split()[1], link, *browser.cookies.values()]
    await site.database.read(lambda c: c.execute(select(api_token)).all())
    stored = b"".join(path.read_bytes() for path in site.database.path.parent.glob("hostler.sqlite*"))
    for secret in secrets:
        assert secret.encode() not in stored


async def test_unknown_privileges_are_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(ME, json={"name": "x", "privileges": ["Rule"]})
    assert (answer.status_code, "Create" in answer.json()["allowed"]) == (422, True)


async def test_headers_of_proxies_are_ignored(client: httpx2.AsyncClient) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6", "X-User": "root", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"}
    answer = await client.post("/api/v1/hardware-profiles", json={"name": "x"}, headers=forged)
    assert answer.json()["source"] == "127.0.0.1"
    assert answer.json()["user"] == "administrator"
    async_forged = await client.get("/api/v1/vms", headers=forged | {"Authorization": ""})
    assert async_forged.status_code == 401
