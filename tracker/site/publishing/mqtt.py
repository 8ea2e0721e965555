"""Messages to an MQTT broker (OASIS MQTT 3.1.1), each acknowledged: quality of service 1.

`mqtt://broker/site` makes topics `site/CAMERA/start`, `update`, `end`, `event` and `counts`. `site/status` is `online`
or `offline`, kept by the broker, which says the latter itself where the connection breaks.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tracker.errors import UsageError
from tracker.site.messages.message import Message
from tracker.site.publishing.address import CONNECTS_WITHIN_S, Endpoint, Unreachable
from tracker.system.extras import extra

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_KEEPALIVE = 15  # seconds


class Mqtt:
    """A broker.

    Args:
        address: of it; the path is the topic's beginning, `tracker` where there is none.
        trusted: None: without TLS. timeout_s: that it may take to acknowledge a message.

    Raises:
        UsageError: the topic has a wildcard. MissingExtraError: paho-mqtt is not installed.
    """

    def __init__(self, address: Endpoint, trusted: ssl.SSLContext | None, timeout_s: float) -> None:
        self._mqtt = extra("paho.mqtt.client", "publish")
        self._address = address
        self._trusted, self._timeout_s = trusted, timeout_s
        self._topic = address.path or "tracker"
        if set(self._topic) & set("+#\0"):
            raise UsageError(f"{address.shown} has a wildcard in its topic; give a topic to write to")
        self._client: Any = None

    def deliver(self, messages: Sequence[Message]) -> None:
        """Publish, and wait for the broker's acknowledgements."""
        try:
            if self._client is None or not self._client.is_connected():
                self._connect()
            sent = [
                self._client.publish(f"{self._topic}/{message.camera}/{message.kind}", message.body.encode(), qos=1)
                for message in messages
            ]
            for one in sent:  # as long as it goes on acknowledging: a slow connection is not one that is dead
                one.wait_for_publish(self._timeout_s)
                if not one.is_published():
                    raise Unreachable("it acknowledges nothing")
        except (OSError, RuntimeError, ValueError) as error:  # paho's own, where a connection is gone
            self.close()
            raise Unreachable(f"{error}") from None
        except Unreachable:
            self.close()
            raise

    def close(self) -> None:
        """Say goodbye."""
        client, self._client = self._client, None
        if client is None:
            return
        if client.is_connected():
            with suppress(RuntimeError, ValueError):  # paho's own, where the connection breaks just now
                client.publish(f"{self._topic}/status", b"offline", qos=1, retain=True).wait_for_publish(0.3)
        client.disconnect()
        client.loop_stop()

    def _connect(self) -> None:
        self.close()
        client = self._mqtt.Client(self._mqtt.CallbackAPIVersion.VERSION2)  # a new one: nothing waits in it
        client.max_inflight_messages_set(100)
        client.connect_timeout = CONNECTS_WITHIN_S
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._trusted is not None:
            client.tls_set_context(self._trusted)
        client.will_set(f"{self._topic}/status", b"offline", qos=1, retain=True)
        answered, said = threading.Event(), []

        def connected(client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            """Also where a lost connection is there again, which nobody asked for."""
            if not reason.is_failure:
                client.publish(f"{self._topic}/status", b"online", qos=1, retain=True)
            said.append(reason)
            answered.set()

        client.on_connect = connected
        client.connect(self._address.host, self._address.port or _PORTS[self._address.scheme], _KEEPALIVE)
        client.loop_start()
        self._client = client
        if not answered.wait(CONNECTS_WITHIN_S):
            raise Unreachable("it does not answer")
        if said[0].is_failure:
            raise Unreachable(f"the broker says: {said[0]}")
