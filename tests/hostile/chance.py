"""The one source of chance: a generator with a seed, so that the same seed gives the same bytes."""

from random import Random as Chance  # noqa: TID251 - seeded, in tests only

__all__ = ["Chance"]
