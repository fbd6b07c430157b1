"""Asking the running daemon over its control socket, and showing its answers as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.cli.common import site_file
from exchange.domain.errors import LockgateError

_SECONDS = 60.0


class Daemon:
    """The running daemon, as the verbs see it."""

    def __init__(self, config: Path | None) -> None:
        from agent.config.load import load_site

        self._socket = load_site(site_file(config)).site.control_socket

    def get(self, path: str, **query: str | int | Sequence[str]) -> Any:
        """The answer to a GET, as JSON.

        Raises:
            LockgateError: Nobody answers, or the daemon refuses; with its own words.
        """
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a POST, as JSON.

        Raises:
            LockgateError: Nobody answers, or the daemon refuses; with its own words.
        """
        return self._ask("POST", path, json=body or {})

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        import httpx

        transport = httpx.HTTPTransport(uds=str(self._socket))
        try:
            with httpx.Client(transport=transport, base_url="http://lockgate", timeout=_SECONDS) as client:
                response = client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise LockgateError(
                f"cannot reach the daemon at {self._socket}", "is it running, and may you open its socket?"
            ) from error
        answer = response.json()
        if response.is_error:
            raise LockgateError(
                answer.get("message", f"status {response.status_code}"), answer.get("hint", "")
            )
        return answer


def show_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print rows as a table.

    Args:
        columns: Key of a row to heading.
        rows: Answers of the daemon.
        empty: What to say when there is none.
    """
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print(empty)
        return
    table = Table(*columns.values(), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(key, row.get(key)) for key in columns))
    Console().print(table)


def _cell(key: str, value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return text[:8] if key.endswith("_id") else text


def show_facts(facts: Mapping[str, Any], indent: str = "") -> None:
    """Print a record, one fact a line; empty ones are left out."""
    width = max((len(key) for key in facts), default=0)
    for key, value in facts.items():
        if value in ("", None, [], {}):
            continue
        if isinstance(value, Mapping):
            print(f"{indent}{key}:")
            show_facts(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            print(f"{indent}{key}:")
            for one in value:
                print(
                    f"{indent}  - "
                    + "  ".join(f"{k}={v}" for k, v in one.items() if v not in ("", None, {}, []))
                )
        else:
            print(f"{indent}{key:<{width}}  {value}")
