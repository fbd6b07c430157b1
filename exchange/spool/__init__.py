"""The spool: every accepted instance as it came, encrypted, durable before anyone is told so."""
