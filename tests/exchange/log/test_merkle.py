"""The tree: RFC 6962's vectors, and every size against a tree that is computed the naive way."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    frontier_of,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

# The tree of certificate-transparency's reference implementation: its leaves, and the root of each size.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(naive_root(hashes[:k]), naive_root(hashes[k:]))


class Tree:
    """Every node of a tree, kept as a log's tiles keep them."""

    def __init__(self, count: int) -> None:
        self.rows: list[list[bytes]] = []
        self.frontier = Frontier()
        self.roots = [EMPTY_ROOT]
        for number in range(count):
            for height, node in enumerate(self.frontier.push(leaf_hash(b"%d" % number))):
                while len(self.rows) <= height:
                    self.rows.append([])
                self.rows[height].append(node)
            self.roots.append(self.frontier.root)

    def node(self, height: int, index: int) -> bytes:
        return self.rows[height][index]


TREE = Tree(600)


def test_vectors_of_rfc_6962() -> None:
    frontier = Frontier()
    assert frontier.root.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier.push(leaf_hash(bytes.fromhex(leaf)))
        assert frontier.root.hex() == root


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_proof_vectors_of_rfc_6962(index: int, size: int, path: list[str]) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    rows = [hashes]
    while len(rows[-1]) > 1:
        row = rows[-1]
        rows.append([node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)])
    proof = inclusion_proof(lambda height, at: rows[height][at], index, size)
    assert [one.hex() for one in proof] == path
    assert includes(hashes[index], index, size, proof, bytes.fromhex(ROOTS[size - 1]))


def test_every_size_has_the_root_of_the_naive_tree() -> None:
    for size in range(len(TREE.roots)):
        assert TREE.roots[size] == naive_root(TREE.rows[0][:size])
        assert root_of(TREE.node, size) == TREE.roots[size]
        assert frontier_of(TREE.node, size).size == size


def test_every_leaf_of_every_size_is_included() -> None:
    """All of the small sizes, a few leaves of each further one."""
    for size in range(1, 601):
        indexes = range(size) if size <= 70 else {0, 1, size // 3, size // 2, size - 2, size - 1}
        for index in indexes:
            leaf, path = TREE.rows[0][index], inclusion_proof(TREE.node, index, size)
            assert len(path) <= (size - 1).bit_length()
            assert includes(leaf, index, size, path, TREE.roots[size])
            assert not includes(leaf, index, size, [*path, leaf], TREE.roots[size])
            assert size == 1 or not includes(leaf, index, size, path[:-1], TREE.roots[size])
            assert size == 1 or not includes(leaf, index ^ 1, size, path, TREE.roots[size])


@given(st.integers(1, 600), st.integers(1, 600), st.data())
def test_each_tree_begins_with_each_smaller_one(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    path = consistency_proof(TREE.node, old, new)
    assert extends(old, TREE.roots[old], new, TREE.roots[new], path)
    wrong = TREE.roots[data.draw(st.integers(1, 600).filter(lambda size: size not in (old, new)))]
    assert not extends(old, wrong, new, TREE.roots[new], path)
    assert not extends(old, TREE.roots[old], new, wrong, path)
    assert not extends(old, TREE.roots[old], new, TREE.roots[new], [*path, wrong])
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not extends(old, TREE.roots[old], new, TREE.roots[new], path[:at] + path[at + 1 :])
        path[at] = wrong
        assert not extends(old, TREE.roots[old], new, TREE.roots[new], path)


def test_consistency_of_every_size_with_the_next_ones() -> None:
    for old in range(1, 600):
        for new in {old, old + 1, min(600, old * 2), 600}:
            path = consistency_proof(TREE.node, old, new)
            assert extends(old, TREE.roots[old], new, TREE.roots[new], path)


def test_an_empty_tree_is_the_beginning_of_all() -> None:
    assert extends(0, EMPTY_ROOT, 5, TREE.roots[5], [])
    assert not extends(0, EMPTY_ROOT, 5, TREE.roots[5], [EMPTY_ROOT])
    assert not extends(0, TREE.roots[1], 5, TREE.roots[5], [])
    assert not extends(5, TREE.roots[5], 3, TREE.roots[3], [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_proof(TREE.node, index, size)
    assert not includes(TREE.rows[0][0], index, size, [], TREE.roots[size])
    with pytest.raises(ValueError, match="no such trees"):
        consistency_proof(TREE.node, size, size - 1)
