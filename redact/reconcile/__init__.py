"""Whose patient an inbound study is: its quarantine identity, and the check that it has one."""
