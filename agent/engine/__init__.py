"""The thin port to DBOS: durable workflows whose state is disposable."""
