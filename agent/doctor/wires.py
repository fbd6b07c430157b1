"""Checks of the wires: our ports, the control socket, each peer."""

import errno
import socket
from pathlib import Path

from agent.config.models import Site
from agent.doctor.results import Finish, Status
from agent.doctor.runner import Answer, Check
from agent.doctor.surroundings import Surroundings

_SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without the final zero
_ANSWER_SECONDS = 1.0


def configuration(surroundings: Surroundings) -> Answer:
    """The site file is valid."""
    errors = [problem for problem in surroundings.problems if problem.severity == "error"]
    if errors:
        return Status.FAIL, f"{len(errors)} mistakes, first: {errors[0]}", "lockgate check shows all"
    if surroundings.loaded is None:
        return Status.FAIL, "no site file", "lockgate init DIR makes one; -c names one"
    if surroundings.problems:
        count = len(surroundings.problems)
        return Status.WARN, f"{count} warnings, first: {surroundings.problems[0]}", "lockgate check shows all"
    return Status.PASS, str(surroundings.loaded.file)


def ports(surroundings: Surroundings) -> Answer:
    """Each listener's port is free, or ours: the daemon runs."""
    site = surroundings.site
    listen = site.listen
    wanted = [
        (one.host, one.port)
        for one in (listen.dicom, listen.dicom_tls, listen.dicomweb, listen.metrics)
        if one is not None
    ]
    ours = daemon_answers(site.control_socket)
    told = []
    for host, port in wanted:
        problem = _bind(host, port)
        if problem == errno.EADDRINUSE and ours:
            told.append(f"{port} ours")
        elif problem == errno.EADDRINUSE:
            return (
                Status.FAIL,
                f"port {port} is used by another process",
                f"ss -ltnp 'sport = :{port}' names it",
            )
        elif problem == errno.EACCES:
            return (
                Status.FAIL,
                f"port {port} is not allowed to us",
                "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            )
        elif problem:
            return (
                Status.FAIL,
                f"cannot listen on {host}:{port}: {errno.errorcode.get(problem, problem)}",
                ("listen on an address that this box has"),
            )
        else:
            told.append(f"{port} free")
    return Status.PASS, ", ".join(told)


def _bind(host: str, port: int) -> int:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is not in use
            probe.bind(address)
            probe.listen(1)  # SO_REUSEADDR lets bind pass beside a listener bound to a wildcard
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def daemon_answers(path: Path) -> bool:
    """Whether somebody accepts connections on the control socket."""
    if len(str(path).encode()) > _SOCKET_PATH_BYTES:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except OSError:
            return False
    return True


def control_socket(surroundings: Surroundings) -> Answer:
    """The running daemon can be spoken to."""
    path = surroundings.site.control_socket
    if len(str(path).encode()) > _SOCKET_PATH_BYTES:
        return (
            Status.FAIL,
            f"the path of {path.name} is too long for a socket",
            "choose a shorter state folder",
        )
    if not path.exists():
        raise Finish(Status.SKIP, "the daemon does not run")
    if not daemon_answers(path):
        return (
            Status.WARN,
            "nobody answers: the daemon was killed, or we may not speak to it",
            "systemctl status lockgate",
        )
    return Status.PASS, "the daemon answers"


def peer_checks(site: Site) -> tuple[Check, ...]:
    """One check a peer: C-ECHO, an HTTP answer, or a file in the folder."""
    return tuple(Check(f"peer:{name}", _Probe(name)) for name in site.peers)


class _Probe:
    """Asks one peer whether it is there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, surroundings: Surroundings) -> Answer:
        from agent.pipeline.peers import destination_for

        site = surroundings.site
        calling = site.listen.dicom.ae_titles[0] if site.listen.dicom else "LOCKGATE"
        destination = destination_for(site.peers[self._name], calling)
        return Status.PASS, destination.probe(surroundings.probe_seconds)
