"""The real readers, built once per test process."""

from functools import cache

import pytest

from agent.inference.readers import open_reader, open_store
from exchange.domain.errors import ModelError
from redact.stage import Readers


@cache
def readers() -> Readers:
    """The cleaner's and the prover's readers; the test is skipped, loudly, where weights are absent."""
    store = open_store()
    try:
        return Readers(open_reader(store, "cleaner")[0], open_reader(store, "prover")[0])
    except ModelError as error:
        pytest.skip(f"no model weights: {error}")
