"""Layer L: a proof that does not show that this receipt is in a trusted log."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable

from tests.hostile.chance import Chance
from tests.vectors import tree
from tests.vectors.logs import Log, key_id, note_line, proof_text
from tests.vectors.mutants import NAMED, Bench, Make, add, named
from tests.vectors.world import PROOF, Case, Files

_FORM, _LEAF, _SIGNATURE = "log-proof", "log-leaf", "log-signature"


def case(bench: Bench, proof: bytes, *codes: str) -> Case:
    """R1 with another proof."""
    return bench.case("L", *codes, bundle={**bench.first, PROOF: proof}, files=None)


def lines(bench: Bench) -> list[str]:
    """Of the true proof: 0 magic, 1 extra, 2 index, then the path, a blank line, the note."""
    return bench.first[PROOF].decode().split("\n")


def _path(found: list[str]) -> slice:
    return slice(3, found.index(""))


def edited(bench: Bench, change: Callable[[list[str]], object]) -> bytes:
    """The true proof with its lines changed."""
    found = lines(bench)
    change(found)
    return "\n".join(found).encode()


def _set(at: int, change: Callable[[str], str]) -> Callable[[list[str]], None]:
    def apply(found: list[str]) -> None:
        found[at] = change(found[at])

    return apply


def _in_path(change: Callable[[list[str]], list[str]]) -> Callable[[list[str]], None]:
    def apply(found: list[str]) -> None:
        found[_path(found)] = change(found[_path(found)])

    return apply


def _in_note(at: int, change: Callable[[str], str]) -> Callable[[list[str]], None]:
    """A line of the note: 0 origin, 1 size, 2 root, 3 blank, 4 the log's signature, 5 the cosignature."""

    def apply(found: list[str]) -> None:
        line = found.index("") + 1 + at
        found[line] = change(found[line])

    return apply


def _turn(text: str) -> str:
    """Base64 with one bit of its bytes turned."""
    data = bytearray(b64decode(text))
    data[len(data) // 2] ^= 1
    return b64encode(data).decode()


def _signature_turned(line: str) -> str:
    dash, name, text = line.split(" ")
    return f"{dash} {name} {_turn(text)}"


def _drop(at: int) -> Callable[[list[str]], None]:
    def apply(found: list[str]) -> None:
        del found[found.index("") + 1 + at]

    return apply


_TABLE: list[tuple[str, tuple[str, ...], Callable[[list[str]], object]]] = [
    ("another magic", (_FORM,), _set(0, lambda _: "c2sp.org/tlog-proof@v2")),
    ("no leaf", (_FORM,), lambda f: f.pop(1)),
    ("an empty leaf", (_FORM, _LEAF), _set(1, lambda _: "extra ")),
    ("a leaf with stray bits", (_FORM,), _set(1, lambda _: "extra QR==")),
    ("no index", (_FORM,), lambda f: f.pop(2)),
    ("the next index", (_FORM, _LEAF), _set(2, lambda t: f"index {int(t[6:]) + 1}")),
    ("the index before", (_FORM, _LEAF), _set(2, lambda t: f"index {int(t[6:]) - 1}")),
    ("an index beyond the tree", (_FORM, _LEAF), _set(2, lambda _: "index 100000")),
    ("a negative index", (_FORM,), _set(2, lambda t: t.replace("index ", "index -"))),
    ("an index with a leading zero", (_FORM,), _set(2, lambda t: t.replace("index ", "index 0"))),
    ("an index with a plus", (_FORM,), _set(2, lambda t: t.replace("index ", "index +"))),
    ("an index of fifty digits", (_FORM,), _set(2, lambda _: "index " + "9" * 50)),
    ("a path that is short at the leaf", (_FORM,), _in_path(lambda p: p[1:])),
    ("a path that is short at the root", (_FORM,), _in_path(lambda p: p[:-1])),
    ("a path that is long", (_FORM,), _in_path(lambda p: [*p, p[-1]])),
    ("an empty path", (_FORM,), _in_path(lambda _: [])),
    ("a path of seventy", (_FORM,), _in_path(lambda p: p[:1] * 70)),
    ("a path in another order", (_FORM,), _in_path(lambda p: p[::-1])),
    ("a path with a bit turned", (_FORM,), _in_path(lambda p: [_turn(p[0]), *p[1:]])),
    ("a path with a short hash", (_FORM,), _in_path(lambda p: [b64encode(bytes(31)).decode(), *p[1:]])),
    ("another origin", (_SIGNATURE,), _in_note(0, lambda t: t[:-1] + "2")),
    ("an origin with a space", (_FORM, _SIGNATURE), _in_note(0, lambda t: t + " x")),
    ("a larger size", (_FORM, _SIGNATURE), _in_note(1, lambda t: str(int(t) + 1))),
    ("a far larger size", (_FORM,), _in_note(1, lambda t: str(int(t) * 64))),
    ("a smaller size", (_FORM,), _in_note(1, lambda _: "1")),
    ("size zero", (_FORM,), _in_note(1, lambda _: "0")),
    ("a size that is none", (_FORM,), _in_note(1, lambda t: t + "x")),
    ("another root", (_FORM,), _in_note(2, _turn)),
    ("a line more in the checkpoint", (_SIGNATURE,), _in_note(2, lambda t: t + "\nextra")),
    ("the log's signature with a bit turned", (_SIGNATURE,), _in_note(4, _signature_turned)),
    ("the log's signature removed", (_SIGNATURE,), _drop(4)),
    ("both signatures removed", (_FORM, _SIGNATURE), lambda f: f.__delitem__(slice(-3, -1))),
    ("no checkpoint", (_FORM,), lambda f: f.__delitem__(slice(f.index("") + 1, None))),
    ("a signature line without a dash", (_FORM,), _in_note(4, lambda t: t[2:])),
    ("lines that end in CR LF", (_FORM,), lambda f: f.__setitem__(slice(None), [line + "\r" for line in f])),
    ("text behind it", (_FORM,), lambda f: f.append("more")),
    ("no newline at the end", (_FORM,), lambda f: f.pop()),
]


def _with_lines(change: Callable[[list[str]], object], *codes: str) -> Make:
    return lambda bench, _: case(bench, edited(bench, change), *codes)


def _bytes(data: bytes) -> Make:
    return lambda bench, _: case(bench, data, _FORM)


for _name, _codes, _change in _TABLE:
    add(NAMED, f"log: {_name}", _with_lines(_change, *_codes))
for _name, _data in [
    ("nothing", b""),
    ("bytes that are no text", b"\xff\xfe\0"),
    ("only a magic", b"c2sp.org/tlog-proof@v1\n"),
]:
    add(NAMED, f"log: a proof of {_name}", _bytes(_data))


def _fork(bench: Bench) -> Log:
    return Log(bench.site.seed, leaves=list(bench.site.log.leaves))


def _relogged(bench: Bench, log: Log, obj: dict[str, object], kind: str = "receipt.issued") -> bytes:
    index = log.add(kind, obj)
    log.add("instance.sent", {"count": 1})
    return log.proof(index)


def _document(bench: Bench) -> dict[str, object]:
    document: dict[str, object] = json.loads(bench.first["receipt.json"])
    return document


def _logged_with(fields: dict[str, object]) -> Make:
    return lambda bench, _: case(
        bench, _relogged(bench, _fork(bench), bench.site.leaf(_document(bench), **fields)), _LEAF
    )


_FIELDS: list[tuple[str, dict[str, object]]] = [
    ("another receipt id", {"receipt": "019df2f7-c0ba-7c08-af65-7f0b4a9905a8"}),
    ("another digest", {"paeSha256": "0" * 64}),
    ("another edition", {"edition": "site"}),
    ("another stage", {"stage": "accepted"}),
    ("another signer", {"signer": "0" * 64}),
    ("a signer that is a number", {"signer": 1}),
]
for _name, _fields in _FIELDS:
    add(NAMED, f"log: really logged with {_name}", _logged_with(_fields))


@named("log: the true proof of another leaf")
def _other_leaf(bench: Bench, _: Chance) -> Case:
    return case(bench, bench.world.bundles[1][PROOF], _LEAF)


@named("log: the true proof of a leaf of another kind")
def _other_kind(bench: Bench, _: Chance) -> Case:
    return case(bench, bench.site.log.proof(0), _LEAF)


@named("log: really logged as another kind")
def _as_kind(bench: Bench, _: Chance) -> Case:
    return case(
        bench, _relogged(bench, _fork(bench), bench.site.leaf(_document(bench)), "receipt.seen"), _LEAF
    )


@named("log: a leaf edited under its proof")
def _leaf_edited(bench: Bench, _: Chance) -> Case:
    index = bench.site.index_of(bench.first)
    log = _fork(bench)
    way = tree.path(index, [tree.leaf_hash(leaf) for leaf in log.leaves])
    leaf = log.leaves[index].replace(b'"outcome":"ok"', b'"outcome":"ko"')
    return case(bench, proof_text(leaf, index, way, log.checkpoint(len(log.leaves))), _FORM)


def _bytes_leaf(change: Callable[[bytes], bytes]) -> Callable[[Bench, Chance], Case]:
    """A leaf of other bytes, with a true proof by the real log."""

    def make(bench: Bench, _: Chance) -> Case:
        log = _fork(bench)
        index = log.add("receipt.issued", bench.site.leaf(_document(bench)))
        log.leaves[index] = change(log.leaves[index])
        return case(bench, log.proof(index), _LEAF)

    return make


for _name, _into in [
    ("that is not canonical", lambda leaf: leaf.replace(b'"v":2', b'"v": 2')),
    ("with a key twice", lambda leaf: leaf.replace(b'"v":2', b'"v":2,"v":2')),
    ("with a float", lambda leaf: leaf.replace(b'"v":2', b'"v":2.0')),
    ("of another number", lambda leaf: leaf.replace(b'"seq":', b'"seq":1')),
    ("that is no JSON", lambda _: b"receipt"),
    ("that is a list", lambda leaf: b"[" + leaf + b"]"),
    (
        "whose object is a text",
        lambda leaf: leaf[: leaf.index(b'"obj":')] + b'"obj":"x"' + leaf[leaf.index(b',"outcome"') :],
    ),
]:
    add(NAMED, f"log: really logged, a leaf {_name}", _bytes_leaf(_into))


@named("log: a fresh log")
def _fresh(bench: Bench, _: Chance) -> Case:
    log = Log("fresh")
    log.add("boot", {})
    return case(bench, _relogged(bench, log, bench.site.leaf(_document(bench))), _SIGNATURE)


@named("log: a fresh log under the real origin")
def _fresh_named(bench: Bench, _: Chance) -> Case:
    log = Log("fresh")
    log.origin = bench.site.log.origin
    return case(bench, _relogged(bench, log, bench.site.leaf(_document(bench))), _SIGNATURE)


@named("log: a fresh log under the real origin and key id")
def _fresh_key_id(bench: Bench, _: Chance) -> Case:
    class Forged(Log):
        def sign(self, text: str) -> str:
            return note_line(
                real.origin, key_id(real.origin, 1, real.public), self.ed25519.sign(text.encode())
            )

    real, log = bench.site.log, Forged("fresh")
    log.origin = real.origin
    return case(bench, _relogged(bench, log, bench.site.leaf(_document(bench))), _SIGNATURE)


@named("log: a fresh log whose key comes with the bundle")
def _fresh_inside(bench: Bench, _: Chance) -> Case:
    log = Log("fresh")
    proof = _relogged(bench, log, bench.site.leaf(_document(bench)))
    files = {**bench.first, PROOF: proof, "log.vkey": log.vkeys, "trust/log.vkey": log.vkeys}
    return bench.case("L", _SIGNATURE, bundle=files, files=None)


@named("log: a cosignature alone, by the real log")
def _cosigned_only(bench: Bench, _: Chance) -> Case:
    return case(bench, edited(bench, _drop(4)), _SIGNATURE)


@named("log: the signature of an older checkpoint")
def _older(bench: Bench, _: Chance) -> Case:
    older = bench.site.log.checkpoint(2).split("\n")[4]
    return case(bench, edited(bench, _in_note(4, lambda _: older)), _SIGNATURE)


@named("log: another log's checkpoint over a true path")
def _other_checkpoint(bench: Bench, _: Chance) -> Case:
    text = bench.first[PROOF].decode()
    other = bench.forger.log.checkpoint(1)
    return case(bench, (text[: text.index("\n\n") + 2] + other).encode(), _FORM)


@named("log: the trusted key of another log signed it")
def _trusted_other(bench: Bench, _: Chance) -> Case:
    """A key vouches for the log of its own name only."""
    fresh, real = Log("fresh"), bench.site.log
    fresh.add("boot", {})
    index = fresh.add("receipt.issued", bench.site.leaf(_document(bench)))
    root = fresh.root(2)
    text = f"{fresh.origin}\n2\n{b64encode(root).decode()}\n"
    way = tree.path(index, [tree.leaf_hash(leaf) for leaf in fresh.leaves])
    return case(bench, proof_text(fresh.leaves[index], index, way, text + "\n" + real.sign(text)), _SIGNATURE)


def cosigned(bench: Bench, change: Callable[[list[str]], object]) -> Case:
    """Only the ML-DSA-44 cosignature is wrong: seen by those who have the algorithm."""
    files: Files = {**bench.first, PROOF: edited(bench, change)}
    return bench.case("K", _SIGNATURE, bundle=files, files=None)


def _stamp_turned(line: str) -> str:
    dash, name, text = line.split(" ")
    data = bytearray(b64decode(text))
    data[11] ^= 1
    return f"{dash} {name} {b64encode(data).decode()}"


add(
    NAMED,
    "log: a cosignature with a bit turned",
    lambda bench, _: cosigned(bench, _in_note(5, _signature_turned)),
)
add(NAMED, "log: a cosignature of another time", lambda bench, _: cosigned(bench, _in_note(5, _stamp_turned)))
add(
    NAMED,
    "log: a cosignature of another checkpoint",
    lambda bench, _: cosigned(bench, _in_note(5, lambda _: bench.site.log.checkpoint(2).split("\n")[5])),
)
add(
    NAMED,
    "log: a cosignature cut short",
    lambda bench, _: cosigned(bench, _in_note(5, lambda line: line[:-8])),
)
