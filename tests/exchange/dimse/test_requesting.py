"""A response that comes while a request is under way is never taken by pynetdicom's reactor."""

from pynetdicom import AE, evt

from exchange.dimse.requesting import keep_responses
from tests.support.ports import HOST, wait_until
from tests.support.receiver import Receiver
from tests.support.small_studies import CT, EXPLICIT


def test_the_reactor_takes_nothing_while_a_request_is_under_way() -> None:
    with Receiver() as receiver:
        ae = AE("SENDER")
        ae.add_requested_context(CT, EXPLICIT)
        opened = [(evt.EVT_CONN_OPEN, keep_responses)]
        association = ae.associate(HOST, receiver.port, ae_title="RECEIVER", evt_handlers=opened)
        assert association.is_established
        response = (1, "response")
        association._reactor_checkpoint.clear()
        wait_until(lambda: association._is_paused, "pause of the reactor")
        association.dimse.msg_queue.put(response)
        assert association.dimse.get_msg(block=False) == (None, None)
        assert association.dimse.get_msg(block=True) == response
        association._reactor_checkpoint.set()
        association.release()
