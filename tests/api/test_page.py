"""The one page: what it shows is escaped, and it runs nothing but its own script."""

from typing import Any

import httpx2
import pytest

HOSTILE = "<script>alert(1)</script>'\"&amp;<img src=x onerror=alert(1)>"


async def test_hostile_names_are_text(client: httpx2.AsyncClient, add_vms: Any) -> None:
    guest = {"host_name": HOSTILE, "addresses": [HOSTILE]}
    await add_vms({"name": HOSTILE, "state": HOSTILE[:24], "guest": guest})
    page = await client.get("/")
    assert page.status_code == 200
    assert page.text.count("<script") == 1
    assert "<img" not in page.text
    assert page.text.count("&lt;img src=x onerror=alert(1)&gt;") == 2


async def test_nothing_inline_may_run(client: httpx2.AsyncClient) -> None:
    policy = (await client.get("/")).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize(("name", "kind"), [("hostler.css", "text/css"), ("hostler.js", "text/javascript")])
async def test_its_files(anonymous: httpx2.AsyncClient, name: str, kind: str) -> None:
    answer = await anonymous.get(f"/static/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")


async def test_a_browser_that_is_not_signed_in_is_told_how(anonymous: httpx2.AsyncClient) -> None:
    page = await anonymous.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert "hostler sign-in-link" in page.text
