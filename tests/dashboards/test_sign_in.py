"""Signing in for real: an issuer, a sidecar and the dashboard on loopback, and a browser in front of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.settings import Settings
from monitor.supervise import dashboard_command, sign_in_file
from tests.dashboards.test_browser import WAIT_MS, chromium, wait_until_well
from tests.issuer import CLIENT, Issuer, serve
from tests.serving import Sidecar, free_port

pytestmark = [pytest.mark.browser, pytest.mark.server]
__all__ = ["chromium"]
HOSTILE_NAME = "<img src=x onerror=\"document.title='owned'\"> [ann](javascript:alert(1)) $x^2$ :smile:"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def served(issuer: Issuer, tmp_path: Path) -> Iterator[tuple[Sidecar, str]]:
    port = free_port()
    oidc = {
        "GROUNDWATCH_OIDC_ISSUER": issuer.url,
        "GROUNDWATCH_OIDC_CLIENT_ID": CLIENT,
        "GROUNDWATCH_OIDC_CLIENT_SECRET": "shared",
        "GROUNDWATCH_OIDC_ROLES": '{"gw-operators": "operator"}',
        "GROUNDWATCH_DASHBOARD_PORT": str(port),
    }
    sidecar = Sidecar(tmp_path / "data", **oidc)
    settings = Settings(
        data=sidecar.data,
        port=sidecar.port,
        dashboard_port=port,
        oidc_issuer=issuer.url,
        oidc_client_id=CLIENT,
        oidc_client_secret="shared",
        oidc_redirect_url=f"http://127.0.0.1:{port}/oauth2callback",
    )
    command, environment = dashboard_command(settings)
    log = tmp_path / "streamlit.log"
    with log.open("wb") as out:
        dashboard = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path)
    try:
        sidecar.wait_ready()
        wait_until_well(f"http://127.0.0.1:{port}", dashboard, log)
        yield sidecar, f"http://127.0.0.1:{port}"
    finally:
        dashboard.terminate()
        dashboard.wait(20)
        sidecar.end()


def test_people_sign_in_and_act_under_their_own_name(chromium: str, issuer: Issuer, served: tuple[Sidecar, str]) -> None:
    from playwright.sync_api import sync_playwright

    sidecar, url = served
    assert httpx.get(f"{sidecar.url}/v1/summary").status_code == 401
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page: Any = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{url}/operations")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Detectors ready").wait_for()
        page.get_by_role("button", name="Account").click()
        page.get_by_text("Signed in as ann@example.com").wait_for()
        if shots := os.environ.get("GROUNDWATCH_SCREENSHOTS"):
            page.screenshot(path=f"{shots}/signed-in.png")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").wait_for()
        issuer.claims["email"] = HOSTILE_NAME
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Account").click()
        page.get_by_text(f"Signed in as {HOSTILE_NAME}").wait_for()
        assert page.title() != "owned"
        assert page.locator("img[src='x'], a[href^='javascript'], .katex").count() == 0
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in").wait_for()
        issuer.claims["email"] = "ann@example.com"
        if shots:
            page.screenshot(path=f"{shots}/sign-in.png")
        browser.close()
    operator = {"Authorization": f"Bearer {issuer.token()}"}
    assert httpx.post(f"{sidecar.url}/v1/jobs/drift/run", headers=operator).status_code == 202
    audit = httpx.get(f"{sidecar.url}/v1/audit", headers=operator).json()["items"]
    assert audit[0]["actor"] == "ann@example.com"
    assert httpx.put(f"{sidecar.url}/v1/limits", json={}, headers=operator).status_code == 403
    old = {"Authorization": f"Bearer {issuer.token(time.time() - 7200)}"}
    assert httpx.get(f"{sidecar.url}/v1/audit", headers=old).status_code == 401


def test_a_link_in_an_alert_leads_through_the_sign_in_to_its_target(chromium: str, served: tuple[Sidecar, str]) -> None:
    from playwright.sync_api import sync_playwright

    _, url = served
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page: Any = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{url}/responses?flagged=yes&workflow=a%26b")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Account").wait_for()
        page.wait_for_url("**/responses?*workflow=a%26b*")
        page.get_by_role("link", name="Alerts").click()
        page.wait_for_url("**/alerts*")
        assert errors == []
        browser.close()


def test_what_signs_the_cookies_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, oidc_issuer="https://issuer.example.com", oidc_client_id=CLIENT)
    first = sign_in_file(settings).read_text()
    assert sign_in_file(settings).read_text() == first
    assert sign_in_file(settings).stat().st_mode & 0o077 == 0
