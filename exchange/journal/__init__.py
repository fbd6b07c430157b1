"""The append-only, fsynced, hash-chained journal: events, entries, its one writer."""
