"""The durable record from acceptance to retirement; all SQL is here."""
