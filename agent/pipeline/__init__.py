"""One module a workflow: what happens to an exchange, step by step."""
