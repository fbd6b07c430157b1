"""Column types that behave the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

EnumT = TypeVar("EnumT", bound=StrEnum)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcTime(sa.TypeDecorator[datetime]):
    """A moment, kept as whole microseconds since 1970 UTC: exact, sortable, free of a server's time zone."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Refuse naive times: in an audit trail they mean nothing."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("cannot store a time without a time zone; pass datetime.now(UTC)")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """Back to an aware UTC time."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Coded(sa.TypeDecorator[EnumT]):
    """A StrEnum of the domain, kept as its text: readable by hand, no ALTER TYPE when a code is added."""

    impl = sa.String
    cache_ok = True

    def __init__(self, codes: type[EnumT]) -> None:
        super().__init__(40)
        self.codes = codes

    def process_bind_param(self, value: EnumT | None, _dialect: Dialect) -> str | None:
        """Only a member of the enum may be written."""
        return None if value is None else str(self.codes(value))

    def process_result_value(self, value: str | None, _dialect: Dialect) -> EnumT | None:
        """Back to the member; an unknown text means a newer writer and raises ValueError."""
        return None if value is None else self.codes(value)
