"""Options that name a span of time."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"]

FromOption = Annotated[
    datetime | None,
    typer.Option(
        "--from", metavar="TIME", formats=_FORMATS, help="From this day (UTC) or moment on: 2026-05-04."
    ),
]
ToOption = Annotated[
    datetime | None,
    typer.Option(
        "--to", metavar="TIME", formats=_FORMATS, help="To the end of this day (UTC), or before this moment."
    ),
]


def span(begin: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Both ends with a zone: a day without one is a day of UTC, the last one whole; by default until now."""
    if begin is not None and begin.tzinfo is None:
        begin = begin.replace(tzinfo=UTC)
    if end is not None and end.tzinfo is None:
        end = end.replace(tzinfo=UTC) + timedelta(days=1)
    return begin or datetime(1970, 1, 1, tzinfo=UTC), end or datetime.now(UTC)
