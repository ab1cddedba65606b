"""The dashboard knows the sidecar only by its HTTP contract; here the two are laid side by side."""

import ast
import inspect
import tomllib
from pathlib import Path

import msgspec
import pytest

import dashboards
from dashboards import bodies, judging, task_bodies, wording
from monitor.api import desk_models, models, task_models
from monitor.records import Cause, ErrorKind

FOLDER = Path(dashboards.__file__).parent
STRUCTS = [
    item
    for _, item in (*inspect.getmembers(bodies, inspect.isclass), *inspect.getmembers(task_bodies, inspect.isclass))
    if issubclass(item, msgspec.Struct) and not item.__name__.startswith("_")
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda item: item.__name__)
def test_every_field_the_dashboard_reads_is_a_field_the_api_sends(struct: type[msgspec.Struct]) -> None:
    (model,) = {found for module in (models, desk_models, task_models) if (found := getattr(module, struct.__name__, None)) is not None}
    assert set(struct.__struct_fields__) == set(model.model_fields)


def test_the_dashboard_imports_nothing_of_the_service() -> None:
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not any(name.split(".")[0] in ("monitor", "detectors", "groundwatch") for name in names), file


def test_no_page_writes_unescaped_markup() -> None:
    for file in FOLDER.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in source
        assert "unsafe_allow_javascript" not in source
        assert "st.markdown" not in source
        assert "st.write" not in source


def test_the_claim_viewer_sets_text_never_markup() -> None:
    assert "innerHTML" not in (FOLDER / "assets" / "viewer.js").read_text(encoding="utf-8")


def test_every_error_and_cause_of_the_record_can_be_given_by_key() -> None:
    from dashboards.views.review import CAUSE_KEYS, ERROR_KEYS

    assert set(ERROR_KEYS) == set(wording.ERRORS) == set(ErrorKind.__args__)
    assert set(CAUSE_KEYS) == set(Cause.__args__)
    assert len(set(ERROR_KEYS.values())) == len(ERROR_KEYS)
    # Streamlit keeps these two for itself.
    assert not {"C", "R"} & set(ERROR_KEYS.values())


def test_verdicts_have_the_shape_the_api_takes() -> None:
    work = judging.Work((judging.Subject("c1", "c1", "text", (0, 4)),), (judging.Mark(True, "value", "reasoning"),))
    body = desk_models.JudgeBody.model_validate({"reviewer": "mara", "verdicts": work.verdicts("note")})
    assert body.verdicts[0].cause == "reasoning"


def test_the_theme_sends_no_statistics_and_names_both_light_and_dark() -> None:
    config = tomllib.loads((FOLDER / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["browser"]["gatherUsageStats"] is False
    assert {"light", "dark"} <= set(config["theme"])
