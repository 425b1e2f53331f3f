"""Numbers of link types, ethertypes and IP protocols: what is opened, what is everyday, what they are called."""

from __future__ import annotations

from typing import Final

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
VLAN_TAGS: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
MPLS: Final = frozenset({0x8847, 0x8848})
PPPOE_SESSION: Final = 0x8864
BRIDGED: Final = 0x6558  # Ethernet inside GRE
ERSPAN: Final = 0x88BE  # types I and II
ERSPAN_III: Final = 0x22EB
OPENED_ETHERTYPES: Final = VLAN_TAGS | MPLS | {PPPOE_SESSION, BRIDGED, ERSPAN, ERSPAN_III}
VXLAN_PORTS: Final = frozenset({4789, 8472})  # RFC 7348 §5; what Linux used before it
VXLAN_GPE_PORT: Final = 4790
GENEVE_PORT: Final = 6081  # RFC 8926 §3.3
GTP_PORT: Final = 2152  # user data of mobile networks
TZSP_PORT: Final = 37008  # the mirror of MikroTik routers
TUNNEL_PORTS: Final = VXLAN_PORTS | {VXLAN_GPE_PORT, GENEVE_PORT, GTP_PORT, TZSP_PORT}
RAW_LINKS: Final = frozenset({12, 14, 101, 228, 229})
# IP in IP, IPv6 and its extension headers, GRE, authentication header, MPLS in IP, UDP is looked at apart
EXTENSION_HEADERS: Final = frozenset({0, 43, 44, 51, 60, 135, 139, 140})
OPENED_PROTOCOLS: Final = EXTENSION_HEADERS | {4, 41, 47, 137}

ETHERTYPE_NAMES: Final[dict[int, str]] = {
    0x0806: "ARP",
    0x0842: "Wake-on-LAN",
    0x2000: "CDP",
    0x8035: "RARP",
    0x8137: "IPX",
    0x8863: "PPPoE discovery",
    0x886F: "NLB",
    0x8870: "jumbo frame",
    0x887B: "HomePlug 1.0",
    0x888E: "EAPOL",
    0x8892: "PROFINET",
    0x889A: "HyperSCSI",
    0x88A2: "ATA over Ethernet",
    0x88A4: "EtherCAT",
    0x88B8: "GOOSE",
    0x88CC: "LLDP",
    0x88E1: "HomePlug AV",
    0x88E3: "MRP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
    0x8902: "CFM",
    0x893A: "IEEE 1905",
    0x894F: "NSH",
    0x9000: "loopback test",
}
PROTOCOL_NAMES: Final[dict[int, str]] = {
    1: "ICMP",
    2: "IGMP",
    8: "EGP",
    9: "IGP",
    17: "UDP",
    33: "DCCP",
    46: "RSVP",
    50: "ESP",
    58: "ICMPv6",
    59: "no next header",
    88: "EIGRP",
    89: "OSPF",
    94: "IPIP",
    103: "PIM",
    112: "VRRP",
    115: "L2TP",
    132: "SCTP",
    136: "UDP-Lite",
}
# On every network: counted, never reported.
EVERYDAY: Final = frozenset(
    {
        *(("ethertype", number) for number in (0x0806, 0x8035, 0x8863, 0x888E, 0x88CC, 0x88E1, 0x893A, 0x9000)),
        *(("protocol", number) for number in (1, 2, 17, 58, 59, 89, 103, 112)),
    }
)


def name_of(what: str, number: int) -> str:
    """The name of an ethertype, an IP protocol, or another kind of thing that is counted."""
    if what == "ethertype":
        return ETHERTYPE_NAMES.get(number, f"ethertype {number:#06x}")
    if what == "protocol":
        return PROTOCOL_NAMES.get(number, f"IP protocol {number}")
    if what == "ppp":
        return f"PPP protocol {number:#06x}"
    return f"{what} {number}"
