"""The PostgreSQL server of custody's tests serves the engine's, too."""

from tests.agent.custody.conftest import postgresql as postgresql  # a fixture, found by its name here
