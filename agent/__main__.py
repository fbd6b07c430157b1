"""`python -P -m agent` is `lockgate` (-P: a stray `agent.py` in the working directory must not be run)."""

from agent.cli.main import app

if __name__ == "__main__":
    app(prog_name="lockgate")
