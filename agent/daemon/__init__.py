"""The running appliance: one task group, control socket, signals."""
