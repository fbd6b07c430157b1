"""The whole examination: every check, by its published name."""

import importlib
import time
from datetime import UTC, datetime
from pathlib import Path

from agent.config.firmware import FirmwareProfile, choose_profile, detect_machine, load_firmware_profiles
from agent.config.load import LoadedSite, load_site
from agent.config.problems import MistakesError, Problem
from agent.doctor import box, software, stores, trust, wires
from agent.doctor.results import DoctorAnswer, worst
from agent.doctor.runner import Check, run_checks
from agent.doctor.surroundings import Surroundings
from exchange.domain.errors import ConfigurationError

BUDGET_SECONDS = 5.0
_MARGIN_SECONDS = 0.5  # for starting and printing
_LEAST_SECONDS = 1.0
_PROBE_SECONDS = 3.0

CHECKS = (
    Check("python", box.python_version),
    Check("package-ownership", software.package_ownership),
    Check("shipped-data", software.shipped_data),
    Check("onnxruntime", software.one_runtime),
    Check("models", software.models),
    Check("reading", software.reading),
    Check("names", software.names),
    Check("codecs", software.codecs),
    Check("firmware-profile", box.firmware_profile),
    Check("memory", box.memory),
    Check("open-files", box.open_files),
    Check("clock", box.clock),
    Check("clock-synchronised", box.clock_synchronised),
    Check("time-zone", box.time_zone),
    Check("text-encoding", box.text_encoding),
    Check("configuration", wires.configuration),
    Check("state-folder", stores.state_folder),
    Check("spool-space", stores.spool_space),
    Check("spool-durable", stores.spool_durable),
    Check("database", stores.database),
    Check("log", stores.log),
    Check("signing-key", trust.signing_key),
    Check("domain-keys", trust.domain_keys),
    Check("trust-folder", trust.trust_folder),
    Check("tls-certificates", trust.tls_certificates),
    Check("door-tokens", trust.door_tokens),
    Check("ports", wires.ports),
    Check("control-socket", wires.control_socket),
)


def examine(path: Path | None, now: datetime | None = None) -> DoctorAnswer:
    """Check this box, and the site and peers of the site file when it is valid.

    Args:
        path: The site file; None when there is none.
        now: Timezone-aware; default the clock.
    """
    began = time.monotonic()
    surroundings = _look_around(path, now or datetime.now(UTC))
    peers = wires.peer_checks(surroundings.site) if surroundings.loaded else ()
    if peers:
        # Once, and before the threads: they would queue for the import lock while their peers wait.
        importlib.import_module("agent.pipeline.peers")
    left = max(_LEAST_SECONDS, BUDGET_SECONDS - _MARGIN_SECONDS - (time.monotonic() - began))
    results = run_checks((*CHECKS, *peers), surroundings, left)
    return DoctorAnswer(
        status=worst(results),
        firmwareProfile=surroundings.profile.profile if surroundings.profile else "",
        seconds=round(time.monotonic() - began, 2),
        checks=results,
    )


def _look_around(path: Path | None, now: datetime) -> Surroundings:
    loaded: LoadedSite | None = None
    problems: tuple[Problem, ...] = ()
    if path is not None:
        try:
            loaded = load_site(path, now)
            problems = loaded.warnings
        except MistakesError as error:
            problems = error.problems
    machine = detect_machine()
    profile: FirmwareProfile | None = None
    profile_problem = ""
    try:
        override = loaded.site.firmware_profile if loaded else None
        profile = choose_profile(machine, load_firmware_profiles(), override)
    except ConfigurationError as error:
        profile_problem = str(error)
    return Surroundings(loaded, problems, machine, profile, profile_problem, now, _PROBE_SECONDS)
