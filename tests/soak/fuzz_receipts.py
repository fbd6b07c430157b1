"""Fuzzing what reads foreign bytes in the verifier: nothing but its own error, no hang, memory below a cap.

python -m tests.soak.fuzz_receipts [--seconds 600] [--seed 1]

With atheris (coverage-guided) where it is installed, else with the seeded mutations of `tests.vectors`. Every
parser gets its share of the time, each in a process of its own with a memory cap and a limit for one input.
"""

import argparse
import multiprocessing
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

try:
    import atheris
except ImportError:
    atheris = None

# Only what is fuzzed is instrumented: the cryptographic library and the standard library are not on trial.
with nullcontext() if atheris is None else atheris.instrument_imports(include=["exchange.receipts.verify"]):
    from exchange.receipts.verify.claims import parse_claims
    from exchange.receipts.verify.cms import check_detached
    from exchange.receipts.verify.container import parse_bundle
    from exchange.receipts.verify.envelope import parse_chain, parse_envelope
    from exchange.receipts.verify.errors import VerificationError
    from exchange.receipts.verify.log import check_logged, parse_vkey
    from exchange.receipts.verify.strictjson import parse_object
    from exchange.receipts.verify.trust import parse_trust
    from exchange.receipts.verify.verifier import check_consistent
    from tests.hostile.chance import Chance
    from tests.vectors.world import PROOF, World
    from tests.vectors.zips import zipped

MEMORY = 1 << 30  # bytes of address space beyond what is mapped at the start
ONE_INPUT = 10  # seconds

Target = Callable[[bytes], object]


def targets() -> dict[str, tuple[Target, bytes]]:
    """Each parser, and a good input to begin with."""
    world = World()
    files = world.bundles[0]
    bundle = zipped(files)
    consistent = check_consistent(parse_bundle(bundle))
    trust = parse_trust(
        {"ca.pem": world.site.trust["general-hospital.pem"]}, None, None, "", {"l": world.site.log.vkeys}
    )
    vkey = world.site.log.vkeys.split(b"\n")[0]
    certificates = [consistent.leaf]
    return {
        "zip": (parse_bundle, bundle),
        "json": (lambda data: parse_object(data, "it"), files["receipt.dsse.json"]),
        "envelope": (parse_envelope, files["receipt.dsse.json"]),
        "claims": (parse_claims, files["receipt.json"]),
        "chain": (parse_chain, files["chain.pem"]),
        "cms": (lambda data: check_detached(data, files["receipt.json"], certificates), files["receipt.p7s"]),
        "proof": (
            lambda data: check_logged(data, consistent.receipt, world.site.key.keyid, trust.log_keys),
            files[PROOF],
        ),
        "vkey": (lambda data: parse_vkey(data.decode("utf-8", "replace")), vkey),
        "trust": (
            lambda data: parse_trust({"a.pem": data}, data, data, "", {"a.vkey": data}),
            world.site.trust["general-hospital.pem"],
        ),
    }


def only_its_own(target: Target, data: bytes) -> None:
    """Run; whatever else comes out is a defect."""
    with suppress(VerificationError):
        target(data)


def mutated(data: bytes, chance: Chance) -> bytes:
    """Some slices changed, doubled or left out."""
    for _ in range(chance.randrange(1, 5)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 1, 2, 8, 64, len(data)]))
        new = chance.choice(
            [b"", data[start:end] * 2, bytes(chance.randrange(256) for _ in range(chance.randrange(9)))]
        )
        data = data[:start] + new + data[end:]
    return data


def cap_memory() -> None:
    """A parser that allocates without bound gets MemoryError, which is none of its own."""
    with open("/proc/self/statm", encoding="ascii") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))


def mutate_for(name: str, seconds: float, seed: int) -> None:
    """The fallback: seeded mutations, a child's main."""
    target, good = targets()[name]
    cap_memory()
    chance, end, count = Chance(f"{seed} {name}"), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        signal.alarm(ONE_INPUT)
        only_its_own(target, mutated(good, chance))
        count += 1
    signal.alarm(0)
    sys.stdout.write(f"{name:10}{count:>10} inputs, seeded mutations\n")


def guide_for(name: str, seconds: float, seed: int) -> None:
    """Coverage-guided, a child's main; libFuzzer ends the process itself."""
    target, good = targets()[name]

    def one(data: bytes) -> None:
        # Half of the inputs begin from a good one: random bytes never get past a signature.
        only_its_own(target, data)
        only_its_own(target, good[: len(good) // 2] + data + good[len(good) // 2 :])

    limits = [f"-max_total_time={int(seconds)}", f"-timeout={ONE_INPUT}", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *limits, f"-seed={seed}", "-verbosity=0", "-print_final_stats=1"], one)
    atheris.Fuzz()


def main() -> int:
    """Each target in a process of its own; status 1 when one did not end well."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    names = list(targets())
    work = mutate_for if atheris is None else guide_for
    sys.stdout.write(f"{len(names)} parsers, {asked.seconds / len(names):.0f} s each, {work.__name__}\n")
    sys.stdout.flush()
    failed = []
    for name in names:
        child = multiprocessing.Process(target=work, args=(name, asked.seconds / len(names), asked.seed))
        child.start()
        child.join()
        if child.exitcode:
            failed.append(name)
    sys.stdout.write(f"not well: {', '.join(failed) or 'none'}\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
