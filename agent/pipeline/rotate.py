"""A person begins a new epoch of the pseudonym keys."""

from threading import Lock

from agent.pipeline.appliance import Appliance
from agent.pipeline.people import actor_reference, roles_of
from exchange.domain.errors import DeniedError
from exchange.domain.exchange import Role
from exchange.keys.site import rotate_domain_keys
from exchange.log.events import Event, EventKind, Outcome

_one_at_a_time = Lock()


def rotate_pseudonyms(appliance: Appliance, by: str) -> int:
    """Give new patients pseudonyms of new keys from now on; the number of the epoch that begins.

    Who was pseudonymised before stays as he is: patients, studies and what comes late to them. What is being
    cleaned at the moment is cleaned with the keys that it began with.

    Raises:
        DeniedError: The person is not known, or has not the role `administrator`.
        KeysError: The present keys cannot be used; nothing was changed.
        OSError: The new key cannot be written; nothing was changed.
    """
    actor = actor_reference(appliance, by)
    if Role.ADMINISTRATOR not in roles_of(appliance, by):
        _log_rotation(appliance, actor, Outcome.DENIED, appliance.domain_keys.epoch)
        raise DeniedError(
            "cannot rotate the pseudonym keys: this person may not",
            "somebody with the role `administrator` in the site file must do it",
        )
    with _one_at_a_time:
        appliance.domain_keys = rotate_domain_keys(appliance.configuration.site.keys)
        epoch = appliance.domain_keys.epoch
        _log_rotation(appliance, actor, Outcome.OK, epoch)
    return epoch


def _log_rotation(appliance: Appliance, actor: str, outcome: Outcome, epoch: int) -> None:
    appliance.log.append(Event(EventKind.KEY_ROTATED, {"key": "domain.root", "epoch": epoch}, outcome, actor))
