"""`lockgate run`: the daemon in the foreground."""

from agent.cli.common import ConfigOption, site_file

EPILOG = """\b
Examples:
  lockgate run -c /etc/lockgate/site.yaml
  systemctl start lockgate            # deploy/lockgate.service runs the same

Signals: SIGTERM stops in order, SIGHUP reads the site file again (with a mistake in it, nothing changes).
"""


def run(config: ConfigOption = None) -> None:
    """Run the daemon in the foreground; logs go to stderr: JSON, or coloured on a terminal."""
    from agent.config.logs import configure_logs
    from agent.daemon.daemon import run_daemon

    configure_logs()
    run_daemon(site_file(config))
