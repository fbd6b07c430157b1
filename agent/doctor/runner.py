"""Running all checks at once: whoever has not answered when the time is up counts as failed."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.doctor.results import CheckResult, Finish, Status
from agent.doctor.surroundings import Surroundings
from exchange.domain.errors import LockgateError

Answer = tuple[Status, str] | tuple[Status, str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """A named check. It answers, or ends early by `Finish` or a LockgateError."""

    name: str
    examine: Callable[[Surroundings], Answer]


def run_checks(
    checks: Sequence[Check], surroundings: Surroundings, seconds: float
) -> tuple[CheckResult, ...]:
    """Run every check in a thread of its own and wait no longer than `seconds` for all together.

    Threads that are still waiting for a silent peer are left behind; they are daemon threads and end with the
    process.
    """
    results: dict[str, CheckResult] = {}
    changed = threading.Condition()

    def work(check: Check) -> None:
        result = _examine(check, surroundings)
        with changed:
            results[check.name] = result
            changed.notify_all()

    for check in checks:
        threading.Thread(target=work, args=(check,), name=f"doctor {check.name}", daemon=True).start()
    deadline = time.monotonic() + seconds
    with changed:
        changed.wait_for(lambda: len(results) == len(checks), timeout=max(0.0, deadline - time.monotonic()))
        answered = dict(results)
    return tuple(answered.get(check.name) or _late(check, seconds) for check in checks)


def _late(check: Check, seconds: float) -> CheckResult:
    return CheckResult(
        name=check.name,
        status=Status.FAIL,
        detail=f"no answer within {seconds:g} s",
        fix="see whether the peer, disk or network behind it hangs",
    )


def _examine(check: Check, surroundings: Surroundings) -> CheckResult:
    try:
        status, detail, *fix = check.examine(surroundings)
    except Finish as end:
        status, detail, fix = end.status, end.detail, [end.fix]
    except LockgateError as error:
        status, detail, fix = Status.FAIL, error.message, [error.hint]
    except OSError as error:
        status, detail, fix = Status.FAIL, f"cannot look: {error.strerror or type(error).__name__}", []
    except Exception as error:  # noqa: BLE001 - the boundary of one check: a broken one must not hide the others
        status, detail, fix = Status.FAIL, f"cannot check: {type(error).__name__}", ["reinstall lockgate"]
    return CheckResult(name=check.name, status=status, detail=detail, fix="".join(fix))
