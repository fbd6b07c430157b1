"""Domain types, the Stage protocol and the error tree; standard library only."""
