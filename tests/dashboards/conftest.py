"""The dashboard under test: the fake API on loopback, and Streamlit's own test runner on the pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from fastapi import FastAPI
from streamlit.testing.v1 import AppTest

import dashboards
from tests.dashboards.fake_api import create, running

APP = Path(dashboards.__file__).parent / "app.py"
Opener = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Answers kept from one test must not reach the next; Streamlit's warnings about bare mode are not ours."""
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def fake() -> FastAPI:
    """The fake API with its content."""
    return create()


@pytest.fixture
def address(fake: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the fake API answers; the dashboard is told through the environment."""
    with running(fake) as url:
        monkeypatch.setenv("GROUNDWATCH_API_URL", url)
        monkeypatch.delenv("GROUNDWATCH_API_KEY", raising=False)
        yield url


@pytest.fixture
def opened(address: str) -> Opener:
    """Opens a page with query parameters, as a link does."""
    return open_page


def open_page(view: str, **params: str) -> AppTest:
    """Run the application on one page."""
    app = AppTest.from_file(str(APP), default_timeout=30)
    if view != "overview":
        # The first run registers the pages, so that the test runner can find the one that is wanted; against a closed
        # port it is over at once.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GROUNDWATCH_API_URL", "http://127.0.0.1:9")
            app.run()
        app.switch_page(f"views/{view}.py")
        app.query_params.clear()
    for name, value in params.items():
        app.query_params[name] = value
    return app.run()


def text_of(app: AppTest) -> str:
    """Every piece of markup on the page, in order."""
    return "\n".join(element.proto.body for element in app.get("html"))


def picture_alts(app: AppTest) -> list[str]:
    """What the pictures of a page are described as."""
    return [element.proto.imgs[0].alt for element in app.get("image")]


def first_id(fake: FastAPI, workflow: str, verdict: str = "hallucinated") -> str:
    """Id of the first response of a workflow with this verdict."""
    return next(detail.row.id for detail in fake.state.desk.details if (detail.row.workflow, detail.row.verdict) == (workflow, verdict))
