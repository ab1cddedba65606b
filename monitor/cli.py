"""The ``groundwatch`` command. Heavy imports wait inside the commands, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

import monitor
from monitor.errors import GroundwatchError

try:
    import typer
except ModuleNotFoundError:  # the base install carries the client only
    print("The groundwatch command needs the server extra: pip install 'groundwatch[server]'", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING:
    from monitor.metadata.database import Database
    from monitor.metadata.keys import ApiKeys
    from monitor.settings import Settings

app = typer.Typer(
    name="groundwatch",
    help="Checks what multimodal AI answers claim against their evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
projects = typer.Typer(help="List projects and set what each may send.", no_args_is_help=True)
app.add_typer(projects, name="projects")
chain = typer.Typer(help="The chain of evidence of one response: write it, verify it.", no_args_is_help=True)
app.add_typer(chain, name="chain")
audit = typer.Typer(help="The audit log.", no_args_is_help=True)
app.add_typer(audit, name="audit")
keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")

Data = Annotated[Path | None, typer.Option("--data", help="Data folder.", show_default="./groundwatch-data")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on; beyond loopback an API key is needed.")]
Port = Annotated[int | None, typer.Option("--port", help="Port of the sidecar.", show_default="4318")]
DashboardPort = Annotated[int | None, typer.Option("--dashboard-port", help="Port of the dashboard.", show_default="8501")]
Detectors = Annotated[list[str] | None, typer.Option("--detector", help="Run only this detector; repeat for more.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Project = Annotated[str, typer.Option("--project", help="Project the key opens.")]


def _settings(data: Path | None = None, host: str | None = None, port: int | None = None, dashboard_port: int | None = None) -> Settings:
    from monitor.settings import load_settings

    return load_settings(data=data, host=host, port=port, dashboard_port=dashboard_port)


@app.command()
def up(data: Data = None, host: Host = None, port: Port = None, dashboard_port: DashboardPort = None) -> None:
    """Run the sidecar and the dashboard until Ctrl-C."""
    from monitor.supervise import up as run_both

    raise typer.Exit(run_both(_settings(data, host, port, dashboard_port), print))


@app.command()
def stop(data: Data = None) -> None:
    """Stop the `groundwatch up` of a data folder."""
    from monitor.supervise import stop_running

    settings = _settings(data)
    print("Stopped." if stop_running(settings) else f"Nothing runs on {settings.data}.")


@app.command()
def serve(data: Data = None, host: Host = None, port: Port = None, dashboard_port: DashboardPort = None) -> None:
    """Run the sidecar: API, detection and jobs."""
    import gc

    # What a start makes lives as long as the process; looking for garbage in it costs a fifth of the start.
    gc.disable()
    from monitor.app import serve as run_sidecar
    from monitor.telemetry import configure_logs

    settings = _settings(data, host, port, dashboard_port)
    configure_logs()
    run_sidecar(settings, lambda line: print(line, flush=True))


@app.command()
def dashboard(data: Data = None, host: Host = None, port: Port = None, dashboard_port: DashboardPort = None) -> None:
    """Run the dashboard against a running sidecar."""
    import os

    from monitor.supervise import dashboard_command

    command, environment = dashboard_command(_settings(data, host, port, dashboard_port))
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter with arguments we made


@app.command()
def backup(archive: Annotated[Path, typer.Argument(help="Archive to write, such as groundwatch.tar.gz.")], data: Data = None) -> None:
    """Write a data folder that nothing runs on into one archive."""
    from monitor.backup import backup as write_archive

    manifest = write_archive(_settings(data), archive, datetime.now(UTC))
    print(f"{archive}: {len(manifest.files)} files, {sum(entry.size for entry in manifest.files.values()):,} bytes before compression.")
    for name in manifest.left_out:
        print(f"Not in it: the {name}, which has tools of its own for that.")


@app.command()
def restore(archive: Annotated[Path, typer.Argument(help="An archive of `groundwatch backup`.")], data: Data = None) -> None:
    """Make a new data folder of an archive, checking every file."""
    from monitor.backup import restore as read_archive
    from monitor.sealing import keys_for

    settings = _settings(data)
    manifest = read_archive(archive, settings.data, keys_for(settings))
    print(f"{settings.data}: {len(manifest.files)} files of {manifest.created_at:%Y-%m-%d %H:%M} UTC, all as they were.")


@app.command()
def seal(
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Only put a new key first in the keys file, which is made if missing.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Open everything, to turn encryption off.")] = False,
    data: Data = None,
) -> None:
    """Seal what a data folder holds with the newest key. Stop the sidecar first; run it again after a kill."""
    from monitor.errors import SettingsInvalid
    from monitor.sealing.keys import FILE_SETTING, add_key

    settings = _settings(data)
    if new_key:
        if not settings.encryption_keys_file:
            raise SettingsInvalid(FILE_SETTING, "", "is not set", "Name the file to make, outside the data folder")
        path = Path(settings.encryption_keys_file).expanduser().absolute()
        print(f"{path}: the key {add_key(path, settings.encryption_key_service)} is now the first. Keep a copy of it elsewhere: without it")
        print(
            "nothing it seals can be read again. A running sidecar takes it at its next start, `groundwatch seal` re-seals what is older."
        )
        return
    from monitor.resealing import reseal_folder

    done = reseal_folder(settings, plain=plain)
    how = "opened" if plain else f"sealed with {done.sealed_with}"
    print(f"{settings.data}: {done.blobs} blobs, {done.records} waiting records and {done.rows} rows {how}; {done.blobs_kept} blobs were.")
    for problem in done.unusable:
        print(f"Left as it is: {problem}", file=sys.stderr)
    raise typer.Exit(1 if done.unusable else 0)


@app.command()
def erase(
    cohort: Annotated[str | None, typer.Option("--cohort", help="Erase the responses of a cohort value, such as customer=42.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Erase the responses of a session.")] = None,
    response: Annotated[list[str] | None, typer.Option("--response", help="Erase this response; repeat for more.")] = None,
    project: Annotated[str, typer.Option("--project", help="Project they belong to.")] = "default",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Delete everything about responses. Stop the sidecar first, or post to its /v1/erasures instead."""
    from monitor.erase import run
    from monitor.erasure import selector_of

    raise typer.Exit(run(_settings(data), project, selector_of(cohort, session, response), as_json))


@app.command()
def migrate(
    data: Data = None,
    status: Annotated[bool, typer.Option("--status", help="Only show where both schemas stand.")] = False,
    down: Annotated[str | None, typer.Option("--down", help="Go back: `metadata` or `clickhouse`, one step.")] = None,
    to: Annotated[str, typer.Option("--to", help="With --down: the revision to go back to (`base` = empty).")] = "-1",
) -> None:
    """Bring both schemas to this version. Stop the sidecar first where the store is embedded."""
    from monitor.leader import Leadership
    from monitor.migrate import Tree, downgrade
    from monitor.migrate import migrate as upgrade
    from monitor.migrate import status as status_of
    from monitor.store.client import Store

    settings = _settings(data)
    trees: dict[str, Tree] = {"metadata": "metadata", "clickhouse": "clickhouse"}
    if down is not None and down not in trees:
        raise typer.BadParameter("use metadata or clickhouse", param_hint="--down")
    with Leadership(settings.data):
        store = Store.open(settings)
        try:
            if down is not None:
                downgrade(settings, trees[down], to, store)
            elif not status:
                upgrade(settings, store)
            for tree in status_of(settings, store):
                print(f"{tree.tree:<11} at {tree.current or 'nothing'}, newest {tree.head}")
        finally:
            store.close()


@app.command()
def doctor(
    data: Data = None,
    host: Host = None,
    port: Port = None,
    dashboard_port: DashboardPort = None,
    as_json: AsJson = False,
) -> None:
    """Check what groundwatch needs here; exit code 1 when something is missing."""
    from monitor.doctor import examine, show

    checks = examine(_settings(data, host, port, dashboard_port))
    show(checks, as_json=as_json)
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="The evidence that the answer must rest on.", exists=True, dir_okay=False)
    ],
    answer: Annotated[str, typer.Option("--answer", "-a", help="The answer; @FILE reads it from a file, - from standard input.")] = "-",
    question: Annotated[str | None, typer.Option("--question", help="What was asked.")] = None,
    claim: Annotated[list[str] | None, typer.Option("--claim", help="A claim to check instead of those found; repeat for more.")] = None,
    detector: Detectors = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check one answer against files. Exit code: 0 nothing flagged, 1 flagged, 2 nothing could be checked."""
    from monitor.check import run

    raise typer.Exit(run(answer, files, question, claim, as_json, detector, _settings(data)))


@app.command()
def evaluate(
    folders: Annotated[list[Path], typer.Argument(help="Labelled corpora.", exists=True, file_okay=False)],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first responses of each corpus.")] = None,
    degrade: Annotated[
        str | None, typer.Option("--degrade", help="Measure degraded copies: rotate5, blur, jpeg15 … or all that apply.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the degradations.")] = 0,
    detector: Detectors = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Measure the detectors on labelled corpora."""
    from monitor.evaluate import run

    raise typer.Exit(run(folders, limit, detector, as_json, _settings(data), degrade, seed))


@app.command()
def calibrate(
    detector: Detectors = None,
    project: Annotated[str, typer.Option("--project", help="Project whose reviews are used.")] = "default",
    method: Annotated[Literal["platt", "isotonic"], typer.Option("--method", help="isotonic wants many hundred labels.")] = "platt",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Fit the detectors' probabilities to your reviewers' verdicts. Stop the sidecar first where the store is embedded."""
    from monitor.calibrate import run

    raise typer.Exit(run(_settings(data), project, detector, method, as_json))


@app.command()
def demo(
    data: Data = None,
    port: Port = None,
    dashboard_port: DashboardPort = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Leave sidecar and dashboard running afterwards.")] = True,
) -> None:
    """Run the real service on sample answers and show what it caught and missed."""
    from monitor.demo.run import run

    raise typer.Exit(run(_settings(data, None, port, dashboard_port), keep))


@app.command()
def version() -> None:
    """Print the version."""
    print(monitor.__version__)


@contextmanager
def _metadata(data: Path | None) -> Iterator[Database]:
    from monitor.metadata.database import Database
    from monitor.migrate import migrate as upgrade

    settings = _settings(data)
    upgrade(settings)
    database = Database(settings.sqlalchemy_url)
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def _keys(data: Path | None) -> Iterator[ApiKeys]:
    from monitor.metadata.keys import ApiKeys

    with _metadata(data) as database:
        yield ApiKeys(database)


@audit.command("verify")
def verify_audit(
    project: Annotated[str, typer.Option("--project", help="Project whose log is read.")] = "default",
    head: Annotated[str | None, typer.Option("--head", help="A digest noted earlier; the log must still have its entry.")] = None,
    data: Data = None,
) -> None:
    """Compute the digests of all entries again. Exit code 1 where one is not what it was."""
    from monitor.metadata.audit import AuditLog

    with _metadata(data) as database:
        report = AuditLog(database).verify(project, head)
    if report.broken_at is not None:
        print(f"Entry {report.broken_at} is not what was written, or does not follow the one before it.")
    if not report.has_head:
        print(f"No entry has the digest {head}: entries were removed.")
    print(f"{report.entries} entries, {report.unchained} from before digests were kept; head {report.head or 'none'}.")
    raise typer.Exit(0 if report.broken_at is None and report.has_head else 1)


@chain.command("export")
def export_chain(
    response: Annotated[str, typer.Argument(help="Id of the response.")],
    url: Annotated[str | None, typer.Option("--url", help="Address of the sidecar.", show_default="http://127.0.0.1:4318")] = None,
    key: Annotated[str, typer.Option("--key", envvar="GROUNDWATCH_API_KEY", help="API key of an operator; none on loopback.")] = "",
    data: Data = None,
) -> None:
    """Print what a response's verdicts rest on, with hashes and a digest over all of it. A sidecar has to run."""
    import httpx

    address = (url or f"http://127.0.0.1:{_settings(data).port}").rstrip("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx.get(f"{address}/v1/responses/{response}/chain", headers=headers, timeout=60)
    except httpx.TransportError as error:
        print(f"groundwatch: no sidecar answers on {address} ({error}). Start it, or name it with --url", file=sys.stderr)
        raise typer.Exit(2) from None
    print(reply.text, file=sys.stdout if reply.is_success else sys.stderr)
    raise typer.Exit(0 if reply.is_success else 2)


@chain.command("verify")
def verify_chain(
    file: Annotated[Path, typer.Argument(help="A file of `groundwatch chain export`.", exists=True, dir_okay=False)],
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Folder with the sources, under any names.", exists=True, file_okay=False)
    ] = None,
    again: Annotated[bool, typer.Option("--replay", help="Judge again and compare the verdicts; needs --evidence.")] = False,
    data: Data = None,
) -> None:
    """Recompute every hash. Exit code: 0 all is good, 1 something is not, 2 the file is no chain, 3 a source is not in the folder.

    Without --evidence no source outside the document is looked for, and none is missed.
    """
    from monitor.chain.sources import opened_sources
    from monitor.chain.verification import read_chain, replay, verify

    if again and evidence is None:
        raise typer.BadParameter("name the folder with the sources as --evidence", param_hint="--replay")
    document, settings = read_chain(file), _settings(data)
    with opened_sources(document, evidence, settings) if evidence is not None else nullcontext() as folder:
        steps = verify(document, folder)
        missed = folder is not None and any(step.state == "unknown" for step in steps)
        if again and folder is not None:
            steps += replay(document, folder, settings)
    for step in steps:
        print(f"{step.state:<8} {step.what}{': ' if step.detail else ''}{step.detail}")
    raise typer.Exit(1 if any(step.state == "bad" for step in steps) else 3 if missed else 0)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[
        Literal["ingest", "viewer", "reviewer", "operator", "admin"], typer.Option("--role", help="What it may do.")
    ] = "ingest",
    project: Project = "default",
    days: Annotated[int | None, typer.Option("--days", min=1, help="Days until it expires; without, it does not.")] = None,
    data: Data = None,
) -> None:
    """Make a key. Its secret is printed once and cannot be read again."""
    now = datetime.now(UTC)
    expires_at = None if days is None else now + timedelta(days=days)
    with _keys(data) as book:
        record, secret = book.create(project, name, role, now, expires_at=expires_at)
    print(f"Key {record.id} ({record.role} of {record.project}); keep it now, it is not shown again:", file=sys.stderr)
    print(secret)


@keys.command("list")
def list_keys(project: Project = "default", data: Data = None) -> None:
    """List keys, without their secrets."""
    now = datetime.now(UTC)
    with _keys(data) as book:
        found = book.list(project)
    if not found:
        print(f"No key opens the project {project}; `groundwatch keys create` makes one.", file=sys.stderr)
    for key in found:
        if key.revoked_at:
            ended = "revoked"
        elif key.expires_at is None:
            ended = "no expiry"
        else:
            ended = f"{'expired' if key.expires_at <= now else 'until'} {key.expires_at:%Y-%m-%d}"
        print(f"{key.id}  {key.role:<9} {ended:<17} {key.name}")


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="Id as listed.")],
    project: Project = "default",
    grace_hours: Annotated[float, typer.Option("--grace-hours", min=0, help="How long the old key still works.")] = 24.0,
    data: Data = None,
) -> None:
    """Make the successor of a key; the old one ends after the grace. The new secret is printed once."""
    with _keys(data) as book:
        record, secret = book.rotate(project, key_id, datetime.now(UTC), timedelta(hours=grace_hours))
    print(f"Key {record.id} follows {key_id}, which ends in {grace_hours:g} h; keep it now, it is not shown again:", file=sys.stderr)
    print(secret)


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="Id as listed.")], project: Project = "default", data: Data = None) -> None:
    """End a key. A running sidecar notices within seconds."""
    with _keys(data) as book:
        book.revoke(project, key_id, datetime.now(UTC))
    print(f"Revoked {key_id}.")


@projects.command("list")
def list_projects(data: Data = None) -> None:
    """List projects with their limits and what they sent today (UTC)."""
    from monitor.limits import day_of
    from monitor.metadata.keys import ApiKeys
    from monitor.metadata.limits import ProjectBudgets

    with _metadata(data) as database:
        budgets = ProjectBudgets(database)
        for project in ApiKeys(database).projects():
            limits, usage = budgets.limits(project), budgets.usage(project, day_of(datetime.now(UTC)))
            told = [f"{name.replace('_', ' ')} {value:,}" for name, value in msgspec.structs.asdict(limits).items() if value is not None]
            print(f"{project:<20} {usage.responses:,} responses, {usage.evidence_bytes:,} bytes today; {', '.join(told) or 'no limits'}")


@projects.command("limit")
def limit_project(
    project: Annotated[str, typer.Argument(help="Project id; made where it is new.")],
    per_minute: Annotated[int | None, typer.Option("--per-minute", help="Responses a minute.")] = None,
    per_day: Annotated[int | None, typer.Option("--per-day", help="Responses a UTC day.")] = None,
    evidence_per_day: Annotated[int | None, typer.Option("--evidence-per-day", help="Bytes of evidence a UTC day.")] = None,
    data: Data = None,
) -> None:
    """Set all limits of a project; what is not named has none. A running sidecar notices within seconds."""
    from monitor.metadata.limits import LimitsRecord, ProjectBudgets

    wanted = LimitsRecord(responses_per_minute=per_minute, responses_per_day=per_day, evidence_bytes_per_day=evidence_per_day)
    with _metadata(data) as database:
        ProjectBudgets(database).set_limits(project, wanted, datetime.now(UTC), "local")
    print(f"Set the limits of {project}.")


def main() -> None:
    """Entry point: our own errors become one line and exit code 2."""
    try:
        app()
    except GroundwatchError as error:
        print(f"groundwatch: {error}", file=sys.stderr)
        # A child that failed passes its own code on.
        raise SystemExit(getattr(error, "code", 2)) from None
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        print(f"groundwatch: {error.filename}: {error.strerror}. Correct the path or its permissions", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
