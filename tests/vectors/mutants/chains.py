"""Layer C: receipts that really were signed, one by one, and contradict each other."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.hostile.chance import Chance
from tests.vectors.mutants import NAMED, Bench, add, named
from tests.vectors.statements import Document, canonical, digest
from tests.vectors.studies import Instance
from tests.vectors.world import Case
from tests.vectors.zips import zipped

R1, R2, R2B, R3 = range(4)
Change = Callable[[dict[str, Any]], object]


def _document(bench: Bench, which: int) -> Document:
    document: Document = json.loads(bench.world.bundles[which]["receipt.json"])
    return document


def _case(bench: Bench, documents: Sequence[Document], *codes: str) -> Case:
    """All of them signed by the real key, in any content."""
    bundles = tuple(zipped(bench.site.sign(canonical(document))) for document in documents)
    return bench.case("C", *codes, bundles=bundles, files=None)


def _with(bench: Bench, which: int, change: Change) -> list[Document]:
    """The exchange, one of its receipts changed and nothing after it adapted."""
    documents = [_document(bench, at) for at in range(4)]
    change(documents[which])
    return documents


def _link(document: Document) -> str:
    return digest(canonical(document))


@named("chain: replay, one receipt twice")
def _replay(bench: Bench, _: Chance) -> Case:
    bundle = zipped(bench.first)
    return bench.case("C", "chain-replay", bundles=(bundle, bundle), files=None)


@named("chain: replay among others")
def _replay_among(bench: Bench, _: Chance) -> Case:
    bundles = tuple(zipped(bench.world.bundles[at]) for at in (R1, R2, R2B, R3, R2))
    return bench.case("C", "chain-replay", bundles=bundles, files=None)


@named("chain: two receipts of one id")
def _fork(bench: Bench, _: Chance) -> Case:
    one, two = _document(bench, R1), _document(bench, R1)
    two["predicate"]["deidentification"]["removed"] = 99
    return _case(bench, [one, two], "chain-fork")


@named("chain: previous is the closing receipt")
def _after_end(bench: Bench, _: Chance) -> Case:
    documents = [_document(bench, at) for at in range(4)]
    documents[R2]["predicate"]["id"]["previous"] = _link(documents[R3])
    return _case(bench, documents, "chain-order")


@named("chain: an R2 follows an R2")
def _r2_after_r2(bench: Bench, _: Chance) -> Case:
    documents = [_document(bench, at) for at in range(3)]
    documents[R2B]["predicate"]["id"]["previous"] = _link(documents[R2])
    return _case(bench, documents, "chain-order")


@named("chain: an R1 follows an R1")
def _r1_after_r1(bench: Bench, _: Chance) -> Case:
    one = _document(bench, R1)
    two = bench.author().write("deidentified", bench.world.study, previous=_link(one))
    return _case(bench, [one, two], "chain-order")


@named("chain: an R3 that lists a receipt that is no delivery")
def _r3_lists_r1(bench: Bench, _: Chance) -> Case:
    documents = [_document(bench, at) for at in range(3)]
    links = [{"stage": "forwarded", "paeSha256": _link(documents[at])} for at in (R1, R2)]
    last = bench.author().write("closed", bench.world.study, previous=links[1]["paeSha256"], deliveries=links)
    return _case(bench, [*documents, last], "chain-order")


@named("chain: a delivery that the R3 does not list")
def _unlisted(bench: Bench, _: Chance) -> Case:
    documents = [_document(bench, at) for at in range(4)]
    extra = bench.author().write("forwarded", bench.world.study, previous=_link(documents[R1]))
    return _case(bench, [*documents, extra], "chain-link")


@named("chain: closed twice")
def _closed_twice(bench: Bench, _: Chance) -> Case:
    documents = [_document(bench, at) for at in range(4)]
    group = documents[R3]["predicate"]["id"]
    again = bench.author().write(
        "closed", bench.world.study, previous=group["previous"], deliveries=group["deliveries"]
    )
    return _case(bench, [*documents, again], "chain-fork")


@named("chain: closed twice without a delivery")
def _closed_twice_bare(bench: Bench, _: Chance) -> Case:
    author = bench.author()
    first = author.write("deidentified", bench.world.study)
    ends = [author.write("closed", (), previous=_link(first), deliveries=[]) for _ in range(2)]
    return _case(bench, [first, *ends], "chain-fork")


@named("chain: one R3 closes two exchanges")
def _two_exchanges(bench: Bench, _: Chance) -> Case:
    author = bench.author()
    firsts = [author.write("deidentified", bench.world.study) for _ in range(2)]
    seconds = [author.write("forwarded", bench.world.study, previous=_link(first)) for first in firsts]
    links = [{"stage": "forwarded", "paeSha256": _link(second)} for second in seconds]
    last = author.write("closed", bench.world.study, previous=links[1]["paeSha256"], deliveries=links)
    return _case(bench, [*firsts, *seconds, last], "chain-fork")


@named("chain: an instance that the R1 did not have")
def _more(bench: Bench, _: Chance) -> Case:
    first = _document(bench, R1)
    study = (*bench.world.study, Instance("2.25.9999"))
    return _case(
        bench, [first, bench.author().write("forwarded", study, previous=_link(first))], "chain-subjects"
    )


@named("chain: another study")
def _other_study(bench: Bench, _: Chance) -> Case:
    first = _document(bench, R1)
    second = bench.author().write("forwarded", bench.world.study, previous=_link(first))
    second["predicate"]["study"]["studyInstanceUID"] = "2.25.2"
    return _case(bench, [first, second], "chain-study")


@named("chain: the other edition follows")
def _other_edition(bench: Bench, _: Chance) -> Case:
    first = _document(bench, R1)
    second = bench.author().write("forwarded", bench.world.study, previous=_link(first), edition="site")
    return _case(bench, [first, second], "chain-edition")


def _contradicting(change: Change) -> Callable[[Bench, Chance], Case]:
    def make(bench: Bench, _: Chance) -> Case:
        both = bench.author().editions("deidentified", bench.world.study)
        change(both[1])
        return _case(bench, both, "chain-edition")

    return make


for _name, _change in [
    ("stage", lambda d: d["predicate"]["id"].update(stage="accepted")),
    ("time", lambda d: d["predicate"]["id"].update(issuedAt="2026-05-04T12:00:00.000Z")),
    ("subjects", lambda d: d["subject"].pop()),
    ("digests", lambda d: d["subject"][0]["digest"].update(sha256="ab" * 32)),
    ("study", lambda d: d["predicate"]["study"].update(studyInstanceUID="2.25.2")),
]:
    add(NAMED, f"chain: the editions differ in their {_name}", _contradicting(_change))
