"""A route whose profile lets a plug-in look for names: what it takes, what receipts say, what holds."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - an outside reader

from agent.config.firmware import firmware_profile
from agent.custody.holds import list_holds
from agent.daemon.build import name_recognitions, worker_facts
from agent.inference.names import open_names
from agent.pipeline.decide import Verdict, decide_hold
from agent.pipeline.work import START, WARM, WarmTask
from agent.policy.facts import ConnectionFacts
from agent.policy.plan import plan_studies
from agent.workers.pool import Pool
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import ModelError
from exchange.domain.exchange import DecisionKind, DecisionReason, ExchangeState
from exchange.log.reader import read_log
from exchange.receipts.verify.trust import read_trust
from exchange.receipts.verify.verifier import Request, verify_bundles
from redact.headers.profile import NameRecognition
from tests.agent.pipeline.conftest import MakeHouse
from tests.agent.pipeline.house import PROFILE, House
from tests.agent.pipeline.partner import detail
from tests.agent.pipeline.receipts import payloads
from tests.support.plugins import SHA256, install
from tests.support.small_studies import make_instance, make_report

NAMES = "names: {recogniser: after-titles, threshold: 0.7}\n"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A distribution on the search path, before any worker starts."""
    with pytest.MonkeyPatch.context() as patch:
        folder = install(tmp_path_factory.mktemp("plugin"))
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def pool(plugin: Path) -> Iterator[Pool]:
    workers = Pool(1, START, worker_facts(firmware_profile(), None))
    yield workers
    workers.close(1.0)


@pytest.fixture
def naming(make_house: MakeHouse) -> Callable[[str], House]:
    return lambda names: make_house(profiles={"headers": PROFILE + names})


def instance() -> Dataset:
    ds = make_instance(1)
    ds.StudyDescription = "CT HEAD, seen by DR Mark"
    return ds


def sent(house: House) -> list[Dataset]:
    return [dcmread(BytesIO(data)) for data in house.delivered().values()]


def test_a_name_that_is_a_word_goes_and_receipts_say_by_what(naming: Callable[[str], House]) -> None:
    house = naming(NAMES)
    report = make_report(1, 1)
    report.ContentSequence[0].TextValue = "Seen by DR Mark. Head without finding."
    assert house.through([instance(), report]).state is ExchangeState.CLOSED
    by_modality = {ds.Modality: ds for ds in sent(house)}
    assert by_modality["CT"].StudyDescription == "CT HEAD, seen by DR"
    words = by_modality["SR"].ContentSequence[0].TextValue
    assert "Mark" not in words
    assert "Head" in words
    exchange_id = house.exchanges()[0].exchange_id
    for edition in ("partner", "site"):
        said = payloads(house, exchange_id, edition)["R1"]
        assert said["deidentification"]["nameRecognisers"] == [  # type: ignore[index]
            {"name": "after-titles", "version": "title-names-1.4.2", "sha256": SHA256, "threshold": "0.7"}
        ]
        assert said["deidentification"]["proof"]["passed"] == "yes"  # type: ignore[index]
    bundles = [
        house.appliance.folders.state / one.path for one in detail(house).receipts if one.edition == "partner"
    ]
    trust = read_trust(house.folder / "trust")
    reports = verify_bundles(bundles, Request(trust, house.now, files=house.folder / "outgoing"))
    assert [one.first_error for one in reports] == [None, None, None]


@pytest.mark.parametrize("names", ["", NAMES.replace("0.7", "0.95")])
def test_without_it_or_below_its_threshold_the_word_stays(naming: Callable[[str], House], names: str) -> None:
    house = naming(names)
    house.through([instance()])
    assert [ds.StudyDescription for ds in sent(house)] == ["CT HEAD, seen by DR Mark"]
    said = payloads(house, house.exchanges()[0].exchange_id)["R1"]["deidentification"]
    assert ("nameRecognisers" in said) is bool(names)  # type: ignore[operator]


@pytest.mark.parametrize("recogniser", ["failing", "late", "outside", "unopened", "nameless"])
def test_what_gives_no_answer_holds_the_study_and_quotes_nothing(
    naming: Callable[[str], House], recogniser: str
) -> None:
    house = naming(NAMES.replace("after-titles", recogniser))
    assert house.through([instance()]).state is ExchangeState.HELD
    (hold,) = list_holds(house.appliance.custody)
    opened = recogniser not in {"unopened", "nameless"}
    assert (hold.code, hold.path) == (ReasonCode.NAMES, "(0008,1030)" if opened else "")
    assert hold.detail.startswith("cannot")
    assert house.delivered() == {}
    told = f"{hold}{list(read_log(house.appliance.configuration.site.log_folder))}"
    assert "Mark" not in told


def test_a_release_asks_again_and_lets_nothing_pass_unasked(naming: Callable[[str], House]) -> None:
    house = naming(NAMES.replace("after-titles", "hesitant"))
    assert house.through([instance()]).state is ExchangeState.HELD
    for state in (ExchangeState.HELD, ExchangeState.CLOSED):
        (hold,) = list_holds(house.appliance.custody)
        decide_hold(
            house.appliance,
            hold.hold_id,
            Verdict(DecisionKind.RELEASE, "sam", "root", DecisionReason.OTHER, "once more"),
        )
        house.process()
        house.deliver()
        assert house.exchanges()[0].state is state
    assert [ds.StudyDescription for ds in sent(house)] == ["CT HEAD, seen by DR"]


def test_workers_open_it_before_the_first_study(pool: Pool, naming: Callable[[str], House]) -> None:
    wanted = name_recognitions(naming(NAMES).appliance.configuration)
    assert wanted == (NameRecognition("after-titles", 0.7),)
    (facts,) = pool.submit(WARM, WarmTask(pixels=False, names=wanted), seconds=60)
    assert facts.sha256 == SHA256
    with pytest.raises(ModelError, match="RuntimeError"):
        pool.submit(WARM, WarmTask(pixels=False, names=(NameRecognition("unopened", 0.5),)), seconds=60)


def test_the_plan_looks_for_names_as_well(naming: Callable[[str], House], tmp_path: Path) -> None:
    ds = make_instance(1)
    ds.StudyDescription = "MR Mark"
    ds.SeriesDescription = "HEAD"
    ds.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    outgoing = ConnectionFacts("OUTGOING", "PACS", "pacs")

    def planned(names: str, *opening: object) -> tuple[str, str]:
        routes = naming(names).appliance.configuration.routes
        (study,), _ = plan_studies(tmp_path, routes, outgoing, lambda wanted: open_names(wanted)[0])
        (route,) = study.routes
        return route.names, {one.keyword: one.action for one in route.elements}["StudyDescription"]

    assert planned("") == ("not looked for", "kept")
    assert planned(NAMES) == ("removed where after-titles is confident from 0.7", "replaced")
    routes = naming(NAMES).appliance.configuration.routes
    with pytest.raises(ModelError, match="after-titles is not loaded"):
        plan_studies(tmp_path, routes, outgoing)
