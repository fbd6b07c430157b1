"""Doctor: every check by its name, all at once, with a fix; late ones count as failed."""

import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config.firmware import detect_machine, firmware_profile
from agent.config.init import initialise
from agent.config.load import load_site
from agent.custody.database import open_database
from agent.doctor import box, software, stores, trust, wires
from agent.doctor.examination import BUDGET_SECONDS, CHECKS, examine
from agent.doctor.results import CheckResult, DoctorAnswer, Status, worst
from agent.doctor.runner import Answer, Check, run_checks
from agent.doctor.surroundings import Surroundings
from agent.pipeline.kernel_clock import clock_source, kernel_clock_status
from agent.pipeline.opening import open_log
from exchange.domain.errors import KeysError, PeerUnavailable
from exchange.log.events import Event, EventKind
from tests.support.plugins import install
from tests.support.sites import write_pair

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site as `init` makes it, on a port that is free."""
    initialise(tmp_path / "s", "hospital", "edge", now=NOW)
    file = tmp_path / "s" / "site.yaml"
    file.write_text(
        file.read_text().replace("port: 11112}\n  # Mutual", f"port: {free_port()}}}\n  # Mutual")
    )
    return file


def look(site_file: Path, now: datetime = NOW) -> Surroundings:
    loaded = load_site(site_file, now)
    return Surroundings(loaded, loaded.warnings, detect_machine(), firmware_profile("x86-cpu"), "", now)


def ask(check: Check, surroundings: Surroundings) -> CheckResult:
    return run_checks([check], surroundings, 30.0)[0]


def named(name: str) -> Check:
    return next(check for check in CHECKS if check.name == name)


def test_there_are_more_than_eighteen_checks_of_different_names() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names) >= 18


def test_the_readers_of_text_are_tried_on_this_box(site_file: Path) -> None:
    found = ask(named("reading"), look(site_file))
    assert found.status is Status.PASS
    assert "read the golden pictures on CPUExecutionProvider" in found.detail
    assert ask(named("reading"), replace(look(site_file), profile=None)).status is Status.SKIP


def test_recognisers_of_names_that_routes_want_are_opened(
    site_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(named("names"), look(site_file)).status is Status.PASS
    monkeypatch.syspath_prepend(install(tmp_path / "plugin"))
    (site_file.parent / "profiles").mkdir()
    own = site_file.parent / "profiles" / "own.yaml"
    own.write_text("profile: own\noptions: ['113105']\nnames: {recogniser: after-titles}\n")
    site_file.write_text(site_file.read_text().replace("profile: default", "profile: own"))
    found = ask(named("names"), look(site_file))
    assert (found.status, found.detail[:36]) == (Status.PASS, "after-titles (title-names-1.4.2, 5e5")
    own.write_text(own.read_text().replace("after-titles", "unopened"))
    found = ask(named("names"), look(site_file))
    assert (found.status, found.fix) == (Status.FAIL, "see the plug-in's own documentation")


SITE_CHECKS = [
    "configuration",
    "state-folder",
    "spool-durable",
    "signing-key",
    "domain-keys",
    "trust-folder",
    "ports",
    "clock",
    "python",
    "package-ownership",
    "onnxruntime",
    "firmware-profile",
    "codecs",
    "shipped-data",
]


@pytest.mark.parametrize("name", SITE_CHECKS)
def test_a_new_site_passes(site_file: Path, name: str) -> None:
    result = ask(named(name), look(site_file))
    assert result.status is Status.PASS, result


@pytest.mark.parametrize("name", ["database", "log", "control-socket", "tls-certificates"])
def test_what_is_not_there_yet_is_skipped(site_file: Path, name: str) -> None:
    assert ask(named(name), look(site_file)).status is Status.SKIP


def test_without_a_valid_site_its_checks_are_skipped_and_the_configuration_fails(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: x\n")
    answer = examine(tmp_path / "site.yaml", NOW)
    by_name = {result.name: result for result in answer.checks}
    assert by_name["configuration"].status is Status.FAIL
    assert by_name["configuration"].fix
    assert by_name["signing-key"].status is Status.SKIP
    assert answer.exit_code == 2


def test_every_peer_is_down_and_doctor_still_answers_in_time(site_file: Path) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        dicom, web = (one.getsockname()[1] for one in silent)
        peers = f"""peers:
  silent: {{dicom: {{ae_title: SILENT, host: 127.0.0.1, port: {dicom}}}}}
  closed: {{dicom: {{ae_title: CLOSED, host: 127.0.0.1, port: {free_port()}}}}}
  web: {{dicomweb: {{url: "http://127.0.0.1:{web}/dicom-web"}}}}
  gone: {{dicomweb: {{url: "http://127.0.0.1:{free_port()}/dicom-web"}}}}
"""
        site_file.write_text(site_file.read_text().replace("peers:\n", peers))
        answer = examine(site_file, NOW)
    by_name = {result.name: result for result in answer.checks}
    assert {
        name: by_name[f"peer:{name}"].status.value for name in ("silent", "closed", "web", "gone")
    } == dict.fromkeys(("silent", "closed", "web", "gone"), "fail")
    assert by_name["peer:outgoing"].status is Status.PASS
    assert answer.seconds <= BUDGET_SECONDS
    assert answer.exit_code == 2
    assert DoctorAnswer.model_validate_json(answer.model_dump_json()) == answer


def test_a_check_that_hangs_is_failed_and_hides_no_other(site_file: Path) -> None:
    never = threading.Event()

    def hang(_: Surroundings) -> Answer:
        never.wait()
        return Status.PASS, "late"

    def burst(_: Surroundings) -> Answer:
        raise ZeroDivisionError("value of a study")

    def refuse(_: Surroundings) -> Answer:
        raise PeerUnavailable("cannot reach it", "switch it on")

    def well(_: Surroundings) -> Answer:
        return Status.PASS, "well"

    checks = [Check("hang", hang), Check("burst", burst), Check("refuse", refuse), Check("well", well)]
    results = run_checks(checks, look(site_file), 0.5)
    never.set()
    assert [result.name for result in results] == ["hang", "burst", "refuse", "well"]
    assert [result.status.value for result in results] == ["fail", "fail", "fail", "pass"]
    assert "no answer within 0.5 s" in results[0].detail
    assert "study" not in results[1].detail
    assert results[2].fix == "switch it on"


def test_the_worst_decides() -> None:
    def result(status: Status) -> CheckResult:
        return CheckResult(name="x", status=status, detail="")

    assert worst((result(Status.PASS), result(Status.SKIP))) is Status.PASS
    assert worst((result(Status.PASS), result(Status.WARN))) is Status.WARN
    assert worst((result(Status.FAIL), result(Status.WARN))) is Status.FAIL


def test_a_port_of_another_is_failed_and_our_own_passes(site_file: Path) -> None:
    surroundings = look(site_file)
    listener = surroundings.site.listen.dicom
    assert listener is not None
    with socket.create_server(("127.0.0.1", listener.port)):
        assert ask(named("ports"), surroundings).status is Status.FAIL
        with socket.socket(socket.AF_UNIX) as control:
            control.bind(str(surroundings.site.control_socket))
            control.listen(8)
            assert ask(named("ports"), surroundings).status is Status.PASS
            assert ask(named("control-socket"), surroundings).status is Status.PASS
        assert ask(named("control-socket"), surroundings).status is Status.WARN


def test_the_database_is_read_through(site_file: Path) -> None:
    surroundings = look(site_file)
    open_database(surroundings.site.database_url).close()
    assert ask(named("database"), surroundings).status is Status.PASS
    path = surroundings.site.state / "lockgate.db"
    path.write_bytes(b"no database at all, but as long as a page" * 200)
    assert ask(named("database"), surroundings).status is Status.FAIL


@pytest.fixture
def log(site_file: Path) -> Path:
    site = load_site(site_file, NOW).site
    with open_log(site, lambda: NOW) as writer:
        for _ in range(5):
            writer.append(Event(EventKind.LOG_RECOVERED, {"bytes": 1}))
        return writer.folder


def test_the_end_of_the_log_is_checked(site_file: Path, log: Path) -> None:
    passed = ask(named("log"), look(site_file))
    assert (passed.status, passed.detail) == (
        Status.PASS,
        "10 leaves in generation 1; its end holds together",
    )
    bundle = log / "tile/entries/000"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole + b"\0\x90{torn")  # as a crash, or a writer in the middle, leaves it
    assert ask(named("log"), look(site_file)).status is Status.PASS
    bundle.write_bytes(whole.replace(b"log.recovered", b"log.rec0vered"))
    assert "damaged" in ask(named("log"), look(site_file)).detail
    bundle.write_bytes(whole)
    checkpoint = (log / "checkpoint").read_bytes()
    (log / "checkpoint").write_bytes(b"nonsense\n")
    assert ask(named("log"), look(site_file)).status is Status.FAIL
    (log / "checkpoint").write_bytes(checkpoint)
    log.rename(log.with_name("gone"))
    assert "the log is gone" in ask(named("log"), look(site_file)).detail


def test_a_clock_behind_the_log_is_failed(site_file: Path, log: Path) -> None:
    assert log.exists()
    assert box.clock(look(site_file, NOW))[0] is Status.PASS
    assert box.clock(replace(look(site_file), now=NOW - timedelta(minutes=1)))[0] is Status.FAIL
    early = replace(look(site_file), now=NOW - timedelta(days=3000))
    assert box.clock(early)[0] is Status.FAIL


@pytest.mark.parametrize(
    ("days", "status"), [(400, "pass"), (59, "warn"), (29, "warn"), (6, "fail"), (-1, "fail")]
)
def test_a_certificate_is_told_before_its_end(tmp_path: Path, days: int, status: str) -> None:
    from cryptography import x509

    pair = write_pair(tmp_path, "x", NOW + timedelta(days=days))
    certificate = x509.load_pem_x509_certificate(pair.cert.read_bytes())
    assert trust.expiry(certificate, NOW)[0].value == status


def test_a_key_that_others_may_read_is_failed(site_file: Path) -> None:
    surroundings = look(site_file)
    (surroundings.site.keys / "signing.key").chmod(0o644)
    result = ask(named("signing-key"), surroundings)
    assert (result.status, "chmod 600" in result.fix) == (Status.FAIL, True)
    (surroundings.site.keys / "domain.root").unlink()
    with pytest.raises(KeysError):
        trust.domain_keys(surroundings)


def test_an_empty_or_open_trust_folder_is_told(site_file: Path) -> None:
    surroundings = look(site_file)
    surroundings.site.trust.chmod(0o777)
    assert trust.trust_folder(surroundings)[0] is Status.FAIL
    surroundings.site.trust.chmod(0o755)
    for path in surroundings.site.trust.iterdir():
        path.write_text("nothing")
    assert trust.trust_folder(surroundings)[0] is Status.WARN


def test_a_full_disk_is_told(site_file: Path) -> None:
    text = site_file.read_text() + "limits: {spool_reserve_mib: 1000000000}\n"
    site_file.write_text(text)
    assert stores.spool_space(look(site_file))[0] is Status.FAIL


def test_the_kernel_is_asked_for_the_clock() -> None:
    status = kernel_clock_status()
    assert status is None or status >= 0
    said = "system" if status is None else "unsynchronised" if status & 0x40 else "synchronised"
    assert clock_source() == said


def test_a_stranger_that_owns_our_names_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site_file: Path
) -> None:
    info = tmp_path / "triage_tool-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: triage-tool\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("triage\n")
    (info / "RECORD").write_text("triage/__init__.py,,\n")
    other = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    surroundings = look(site_file)
    owner = ask(Check("x", software.package_ownership), surroundings)
    assert (owner.status, "triage-tool" in owner.detail) == (Status.FAIL, True)
    assert ask(Check("x", software.one_runtime), surroundings).status is Status.FAIL


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path, site_file: Path) -> None:
    site_file.write_text(site_file.read_text().replace('state: "state/"', f"state: {'long' * 30}/"))
    assert wires.control_socket(look(site_file))[0] is Status.FAIL
