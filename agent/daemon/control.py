"""The daemon's HTTP/JSON interface: what the verbs ask over the control socket.

Every answer is free of PHI: ids, states, codes, counts and UIDs as sent; never an original UID. The two
exceptions are an opening of the crosswalk, for a person with the role for it, and the pictures of a hold, for
a person of the site file; each logged before it is answered.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import anyio.to_thread
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.config.key_answers import InstalledAnswer, MadeKeyAnswer, RevokedAnswer
from agent.config.people_answers import ReportAnswer
from agent.custody.holds import list_holds
from agent.custody.listings import find_exchange, list_exchanges, show_exchange
from agent.custody.records import ExchangeRecord
from agent.daemon.answers import (
    AuditAnswer,
    ExchangeAnswer,
    ExchangeDetailAnswer,
    ExchangesAnswer,
    HoldAnswer,
    HoldPictureAnswer,
    HoldPicturesAnswer,
    HoldsAnswer,
    PrioritiseAnswer,
    ReidentifyAnswer,
    ReloadAnswer,
    RetryAnswer,
    RotateAnswer,
    StatusAnswer,
)
from agent.daemon.audit import audit_event
from agent.daemon.metrics import metrics_endpoint
from agent.daemon.overview import forecasts_of, steps_of, with_overview
from agent.pipeline.activity import report
from agent.pipeline.appliance import Appliance
from agent.pipeline.decide import Verdict, cancel_exchange, decide_hold, find_hold
from agent.pipeline.hold_pictures import pictures_of
from agent.pipeline.people import actor_reference
from agent.pipeline.receipt_keys import install, make_key, revoke, running
from agent.pipeline.reidentify import Question, Resolved, reidentify
from agent.pipeline.rotate import rotate_pseudonyms
from agent.pipeline.urge import retry, set_priority
from exchange.crosswalk.rows import UidEntry
from exchange.domain.errors import DeniedError, LockgateError
from exchange.domain.exchange import (
    DecisionKind,
    DecisionReason,
    ExchangeState,
    HoldState,
    OpeningReason,
    Priority,
    Role,
)
from exchange.keys.revoking import RevocationReason
from exchange.log.events import Event, EventKind, Outcome


class ControlInterface:
    """The handlers, bound to one appliance."""

    def __init__(self, appliance: Appliance, status: Callable[[], StatusAnswer], reload: Callable[[], None]):
        self._appliance = appliance
        self._status = status
        self._reload = reload

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/status", self._blocking(self._get_status)),
            metrics_endpoint(self._appliance),
            Route("/reload", self._blocking(self._post_reload), methods=["POST"]),
            Route("/exchanges", self._blocking(self._exchanges)),
            Route("/exchanges/{id}", self._blocking(self._exchange)),
            Route("/exchanges/{id}/retry", self._blocking(self._retry), methods=["POST"]),
            Route("/exchanges/{id}/priority", self._prioritise, methods=["POST"]),
            Route("/exchanges/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/report", self._blocking(self._report)),
            Route("/holds", self._blocking(self._holds)),
            Route("/holds/{id}", self._blocking(self._hold)),
            Route("/holds/{id}/pictures", self._hold_pictures, methods=["POST"]),
            Route("/holds/{id}/{decision}", self._decide, methods=["POST"]),
            Route("/crosswalk/openings", self._open_crosswalk, methods=["POST"]),
            Route("/log/audit", self._audit, methods=["POST"]),
            Route("/keys/pseudonyms/rotate", self._rotate, methods=["POST"]),
            Route("/keys/receipts/init", self._make_key, methods=["POST"]),
            Route("/keys/receipts/install", self._install, methods=["POST"]),
            Route("/keys/receipts/revoke", self._revoke, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _blocking(self, handler: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._answered(request, lambda: handler(request))

        return endpoint

    async def _answered(self, request: Request, work: Callable[[], BaseModel]) -> Response:
        """Run a handler off the loop; our errors become 400 with message and hint, a denial is logged."""
        try:
            answer = await anyio.to_thread.run_sync(work)
        except LockgateError as error:
            if isinstance(error, DeniedError):
                await anyio.to_thread.run_sync(self._log_denial, request)
            return JSONResponse({"message": error.message, "hint": error.hint}, status_code=400)
        except (KeyError, ValueError):
            return JSONResponse({"message": "cannot read the request", "hint": "see --help"}, status_code=400)
        return Response(answer.model_dump_json(), media_type="application/json")

    def _log_denial(self, request: Request) -> None:
        user: str = request.state.local_user
        what = request.scope["endpoint"].__name__.strip("_")
        self._appliance.log.append(
            Event(
                EventKind.USER_DENIED,
                {"verb": what},
                Outcome.DENIED,
                actor_reference(self._appliance, user),
                private={"localUser": user},
            )
        )

    def _get_status(self, _request: Request) -> StatusAnswer:
        return with_overview(self._appliance, self._status())

    def _post_reload(self, _request: Request) -> ReloadAnswer:
        self._reload()
        return ReloadAnswer(config_sha256=self._appliance.configuration.loaded.sha256)

    def _exchanges(self, request: Request) -> ExchangesAnswer:
        states = {ExchangeState(one) for one in request.query_params.getlist("state")}
        limit = int(request.query_params.get("limit", "100"))
        after = request.query_params.get("after")
        last = find_exchange(self._appliance.custody, after).exchange_id if after else None
        listed = list_exchanges(self._appliance.custody, states, limit, last)
        return ExchangesAnswer(tuple(ExchangeAnswer.model_validate(one) for one in listed))

    def _report(self, request: Request) -> ReportAnswer:
        begin, end = (datetime.fromisoformat(request.query_params[name]) for name in ("begin", "end"))
        answer = report(self._appliance.custody, self._appliance.configuration.site, begin, end)
        keys, user = self._appliance.domain_keys, request.state.local_user
        said = {"exchanges": len(answer.exchanges)}
        self._appliance.log.append(audit_event(keys, EventKind.AUDIT_READ, said, user))
        return answer

    def _found(self, request: Request) -> ExchangeRecord:
        return find_exchange(self._appliance.custody, request.path_params["id"])

    def _exchange(self, request: Request) -> ExchangeDetailAnswer:
        detail = show_exchange(self._appliance.custody, self._found(request).exchange_id)
        summary = ExchangeAnswer.model_validate(detail.exchange)
        lists = {
            "progress": steps_of(self._appliance, detail.exchange),
            "forecasts": forecasts_of(self._appliance, detail.exchange),
            "attempts": detail.attempts,
            "findings": detail.findings,
            "holds": detail.holds,
            "decisions": detail.decisions,
            "deliveries": detail.deliveries,
            "instances": detail.effects,
            "receipts": detail.receipts,
        }
        return ExchangeDetailAnswer.model_validate({**dict(summary), **lists})

    def _retry(self, request: Request) -> RetryAnswer:
        one = self._found(request)
        return RetryAnswer(exchange_id=one.exchange_id, deliveries=retry(self._appliance, one.exchange_id))

    async def _prioritise(self, request: Request) -> Response:
        body = await request.json()

        def work() -> PrioritiseAnswer:
            priority = Priority[str(body["priority"]).upper()]
            one, user = self._found(request), request.state.local_user
            count = set_priority(self._appliance, one.exchange_id, priority, user)
            return PrioritiseAnswer(
                exchange_id=one.exchange_id, priority=priority.name.lower(), deliveries=count
            )

        return await self._answered(request, work)

    def _holds(self, request: Request) -> HoldsAnswer:
        state = None if request.query_params.get("all") else HoldState.OPEN
        listed = list_holds(self._appliance.custody, state)
        return HoldsAnswer(tuple(HoldAnswer.model_validate(one) for one in listed))

    def _hold(self, request: Request) -> HoldAnswer:
        return HoldAnswer.model_validate(find_hold(self._appliance, request.path_params["id"]))

    async def _hold_pictures(self, request: Request) -> Response:
        body = await request.json()

        def work() -> HoldPicturesAnswer:
            held = find_hold(self._appliance, request.path_params["id"])
            found = pictures_of(self._appliance, held.hold_id, str(body["by"]))
            pictures = (HoldPictureAnswer(frame=one.frame, png=b64encode(one.png).decode()) for one in found)
            return HoldPicturesAnswer(hold_id=held.hold_id, pictures=tuple(pictures))

        return await self._answered(request, work)

    async def _cancel(self, request: Request) -> Response:
        body = await request.json()

        def work() -> ExchangeAnswer:
            verdict = _verdict(DecisionKind.REJECT, request, body)
            ended = cancel_exchange(self._appliance, self._found(request).exchange_id, verdict)
            return ExchangeAnswer.model_validate(ended)

        return await self._answered(request, work)

    async def _decide(self, request: Request) -> Response:
        body = await request.json()

        def work() -> ExchangeAnswer:
            verdict = _verdict(DecisionKind(request.path_params["decision"]), request, body)
            found = decide_hold(self._appliance, request.path_params["id"], verdict)
            return ExchangeAnswer.model_validate(found)

        return await self._answered(request, work)

    async def _open_crosswalk(self, request: Request) -> Response:
        body = await request.json()

        def work() -> ReidentifyAnswer:
            question = Question(
                pseudonym=str(body["pseudonym"]),
                domain=str(body.get("domain", "")),
                by=str(body["by"]),
                local_user=request.state.local_user,
                role=Role(body["role"]),
                reason=OpeningReason(body["reason"]),
            )
            return _original(reidentify(self._appliance, question))

        return await self._answered(request, work)

    async def _audit(self, request: Request) -> Response:
        body = await request.json()

        def work() -> AuditAnswer:
            keys, user = self._appliance.domain_keys, request.state.local_user
            ref = self._appliance.log.append(audit_event(keys, str(body["kind"]), body["said"], user))
            return AuditAnswer(leaf=ref.seq)

        return await self._answered(request, work)

    async def _rotate(self, request: Request) -> Response:
        body = await request.json()

        def work() -> RotateAnswer:
            return RotateAnswer(key="pseudonyms", epoch=rotate_pseudonyms(self._appliance, str(body["by"])))

        return await self._answered(request, work)

    async def _make_key(self, request: Request) -> Response:
        body = await request.json()

        def work() -> MadeKeyAnswer:
            with running(self._appliance) as keys:
                return make_key(keys, str(body["by"]))

        return await self._answered(request, work)

    async def _install(self, request: Request) -> Response:
        body = await request.json()

        def work() -> InstalledAnswer:
            chain, anchors = str(body["chain"]).encode(), str(body.get("anchors", "")).encode()
            with running(self._appliance) as keys:
                return install(keys, str(body["by"]), chain, anchors)

        return await self._answered(request, work)

    async def _revoke(self, request: Request) -> Response:
        body = await request.json()

        def work() -> RevokedAnswer:
            since, reason = datetime.fromisoformat(body["invalidFrom"]), RevocationReason(body["reason"])
            with running(self._appliance) as keys:
                return revoke(keys, str(body["by"]), str(body["keyid"]), since, reason)

        return await self._answered(request, work)


def _original(found: Resolved) -> ReidentifyAnswer:
    entry = found.entry
    if isinstance(entry, UidEntry):
        return ReidentifyAnswer(
            domain=found.domain,
            kind="uid",
            pseudonym=entry.pseudonym,
            uid=entry.original,
            revision=entry.revision,
        )
    return ReidentifyAnswer(
        domain=found.domain,
        kind="patient",
        pseudonym=entry.pseudonym,
        issuer=entry.issuer,
        patient_id=entry.patient_id,
    )


def _verdict(kind: DecisionKind, request: Request, body: dict[str, Any]) -> Verdict:
    return Verdict(
        kind,
        by=str(body["by"]),
        local_user=request.state.local_user,
        reason=DecisionReason(body["reason"]),
        text=str(body.get("text", "")),
    )
