"""The names of what the network room reports, each with one line for a person."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    "network.unknown_link_type": "Packets of a link type that is not opened; told once for each type.",
    "network.unknown_protocol": "Packets of a network protocol that is not opened; told once for each protocol.",
    "network.truncated_headers": "The capture lacks a part of the headers; the packet cannot be used.",
    "network.bad_ip_header": "An IP header contradicts itself (version or header length); the packet is ignored.",
    "network.bad_ip_length": "An IP header promises fewer octets than its headers or more than were on the wire.",
    "network.bad_tcp_header": "The TCP data offset is below 20 octets or beyond the packet; the packet is ignored.",
    "network.too_deep": "More headers inside each other than are opened; the packet is ignored.",
    "network.fragment_overlap": "Fragments of one IP packet overlap with different octets; the first ones are used.",
    "network.bad_fragment": "A fragment lies beyond its packet's end or beyond 65535 octets; it is ignored.",
    "network.fragments_incomplete": "Fragments of an IP packet are missing; the packet cannot be used.",
    "network.fragment_limit": "More fragmented packets wait for their rest than are kept; the oldest is given up.",
    "network.flow_limit": "More endpoint pairs than are remembered; the one idle for longest is forgotten.",
    "network.suppressed": "More anomalies of one name than are reported one by one.",
}
