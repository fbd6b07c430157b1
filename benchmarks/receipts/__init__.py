"""What receipts cost, beside the hashing that nobody who checks files can do without."""
