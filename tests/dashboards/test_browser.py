"""The dashboard in a real browser: what only a browser shows – clicks, keys, drawn boxes, markup that must not run."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.dashboards.conftest import APP
from tests.dashboards.fake_api import create, running
from tests.dashboards.test_pages import first_id

pytestmark = pytest.mark.browser
WAIT_MS = 30_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "Chromium is not installed (apt-get install chromium)"
        if os.environ.get("GROUNDWATCH_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def served(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, str]]:
    """The fake API and a Streamlit process in front of it."""
    app = create()
    port = free_port()
    log = tmp_path_factory.mktemp("dashboard") / "streamlit.log"
    with running(app) as api, log.open("wb") as out:
        command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port), "--server.address", "127.0.0.1"]
        environment = {**os.environ, "GROUNDWATCH_API_URL": api, "GROUNDWATCH_API_KEY": "", "PYTHONPATH": str(APP.parent.parent)}
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=Path(log).parent)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_well(url, process, log)
            yield app, url
        finally:
            process.terminate()
            process.wait(20)


def wait_until_well(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            if httpx.get(url + "/_stcore/health", trust_env=False, timeout=2).is_success:
                return
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
        time.sleep(0.25)
    raise AssertionError(f"Streamlit did not start: {log.read_text()}")


@pytest.fixture
def page(chromium: str, served: tuple[FastAPI, str]) -> Iterator[Any]:
    """A browser page that counts what it asks of other hosts and what it throws."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin")
        context.set_default_timeout(WAIT_MS)
        opened = context.new_page()
        opened.foreign = []
        opened.thrown = []
        opened.on("request", lambda request: opened.foreign.append(request.url) if is_foreign(request.url, served[1]) else None)
        opened.on("pageerror", lambda error: opened.thrown.append(str(error)))
        yield opened
        assert opened.foreign == []
        assert opened.thrown == []
        browser.close()


def is_foreign(url: str, own: str) -> bool:
    return not url.startswith((own, own.replace("http", "ws"), "data:", "blob:"))


def test_from_the_overview_to_a_claim_with_its_box(page: Any, served: tuple[FastAPI, str]) -> None:
    app, url = served
    page.goto(f"{url}/?range=7d&workflow=receipt-extraction")
    page.get_by_text("Flagged share of checked responses, %").wait_for()
    page.get_by_text("All responses").click()
    page.wait_for_url("**/responses?**workflow=receipt-extraction**")
    page.get_by_test_id("stDataFrame").wait_for()
    wanted = first_id(app, "receipt-extraction")
    page.goto(f"{url}/response?id={wanted}")
    page.get_by_alt_text("Evidence receipt.jpeg: 3 regions marked, 1 of the chosen claim").wait_for()
    first = vermilion_pixels(page)
    page.get_by_role("button", name="✓ Supported 14/03/2026").click()
    page.wait_for_url("**claim=c2**")
    page.get_by_text("“14/03/2026” was found").wait_for()
    page.wait_for_timeout(800)
    assert first > 4 * vermilion_pixels(page)


def vermilion_pixels(page: Any) -> int:
    """How many pixels of the evidence picture have the hue of a hallucinated region."""
    script = """async (image) => {
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let i = 0; i < data.length; i += 4)
        if (Math.abs(data[i] - 204) < 25 && Math.abs(data[i + 1] - 75) < 25 && Math.abs(data[i + 2] - 20) < 30) count++;
      return count;
    }"""
    return int(page.get_by_alt_text("Evidence receipt.jpeg").first.evaluate(script))


def test_choosing_a_row_of_the_list_opens_the_response(page: Any, served: tuple[FastAPI, str]) -> None:
    page.goto(f"{served[1]}/responses?range=7d")
    grid = page.get_by_test_id("stDataFrame")
    grid.wait_for()
    page.wait_for_timeout(1500)
    grid.click(position={"x": 16, "y": 55})
    page.wait_for_url("**/response?id=**")
    page.get_by_text("Answer and its claims").wait_for()


def test_review_goes_by_keyboard_alone(page: Any, served: tuple[FastAPI, str]) -> None:
    app, url = served
    page.goto(f"{url}/review?reviewer=mara")
    page.get_by_role("button", name="Take the next item").wait_for()
    page.wait_for_timeout(800)
    page.keyboard.press("n")
    page.get_by_text("Review: 0 of 2 judged").wait_for()
    steps = [
        ("verdict_H", "What is wrong with it?"),
        ("error_1", "Why is it wrong?"),
        ("cause_2", "Review: 1 of 2 judged"),
        ("verdict_T", "Review: 2 of 2 judged"),
    ]
    for button, then in steps:
        press(page, button[-1].lower(), f"answer_{button}")
        page.get_by_text(then).wait_for()
    press(page, "Backspace", "mark_undo")
    page.get_by_text("Review: 1 of 2 judged").wait_for()
    press(page, "t", "answer_verdict_T")
    page.get_by_text("Review: 2 of 2 judged").wait_for()
    press(page, "Enter", "send")
    page.get_by_text("Your last item: you and the detectors").wait_for()
    sent = app.state.desk.verdicts["hostile-1"]
    assert [(verdict.error, verdict.cause) for verdict in sent] == [("object", "grounding"), (None, None)]
    press(page, "x", "skip")
    page.wait_for_url("**item=q-2**")
    assert app.state.desk.items["q-1"].state == "skipped"


def press(page: Any, key: str, button: str) -> None:
    """Press the key of a button once it can be pressed: it is drawn after the text above it, and a key pressed before that is lost."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.locator(f".st-key-{button} button:not([disabled])").first.wait_for()
    page.wait_for_timeout(300)
    page.keyboard.press(key)


HOSTILE_PAGES = [
    "/response?id=hostile-1",
    "/responses?range=24h",
    "/?range=24h",
    "/alerts?state=all&id=a-3",
    "/task-quality?range=24h",
    "/review",
]


@pytest.mark.parametrize("path", HOSTILE_PAGES)
def test_markup_in_what_was_logged_does_not_run_link_or_load(path: str, page: Any, served: tuple[FastAPI, str]) -> None:
    page.goto(served[1] + path)
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_timeout(2500)
    assert page.title() != "owned"
    assert page.locator("a[href^='javascript'], img[src='x'], .katex").count() == 0
    if "id=hostile" in path:
        page.get_by_text(":smile:").first.wait_for()
        assert page.get_by_text("😄").count() == 0


def stays_text(page: Any) -> None:
    page.wait_for_timeout(1000)
    assert page.title() != "owned"
    assert page.locator("a[href^='javascript'], img[src='x'], .katex").count() == 0
    assert page.get_by_text("😄").count() == 0


def test_markup_in_a_dead_letter_stays_text_in_the_list_and_in_the_dialog(page: Any, served: tuple[FastAPI, str]) -> None:
    page.goto(served[1] + "/operations")
    page.get_by_role("tab", name="Dead letters").click()
    page.get_by_text("worker died twice: <script>").wait_for()
    page.get_by_role("button", name="Open").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("worker died twice: <script>").wait_for()
    # Streamlit draws the box first and fills it after.
    from playwright.sync_api import expect

    expect(dialog.get_by_role("textbox", name="What it held")).to_have_value(re.compile("<script>document.title='owned'</script>"))
    stays_text(page)


def test_markup_in_the_name_of_a_group_stays_text(page: Any, served: tuple[FastAPI, str]) -> None:
    page.goto(served[1] + "/task-quality?range=24h")
    page.get_by_label("Group by").click()
    page.get_by_role("option", name="Workflow").click()
    page.get_by_label("Of which group").click()
    page.get_by_role("option", name="<i>hostile</i> :smile: $y$").click()
    stays_text(page)
