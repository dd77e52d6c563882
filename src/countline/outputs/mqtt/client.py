"""paho's client, mended where it calls a message delivered that the broker has refused."""

from __future__ import annotations

from typing import Any

__all__ = ["make_client"]


def make_client(client_id: str, *, version5: bool) -> Any:
    """A paho client that does not reconnect by itself, not connected."""
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    class Client(paho.Client):  # type: ignore[misc]
        def _handle_pubrec(self) -> Any:
            """With QoS 2 a broker refuses in its first answer (MQTT 5, section 4.3.3). paho passes that over, and would report
            the message as delivered when the hand-shake is over."""
            packet = bytes(self._in_packet["packet"])
            number = int.from_bytes(packet[:2], "big")
            if not version5 or len(packet) < 3 or packet[2] < 0x80 or number not in self._out_messages:
                return super()._handle_pubrec()
            reason = ReasonCode(PacketTypes.PUBREC, identifier=packet[2])
            with self._out_message_mutex:
                return self._do_on_publish(number, reason, Properties(PacketTypes.PUBREC))

    protocol = paho.MQTTv5 if version5 else paho.MQTTv311
    return Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False)
