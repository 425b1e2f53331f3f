"""A LINKTYPE number in, its name out (the names of tcpdump.org/linktypes.html)."""

from __future__ import annotations

from typing import Final

LINK_NAMES: Final[dict[int, str]] = {
    0: "NULL",
    1: "EN10MB",
    6: "IEEE802_5",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "RAW",  # DLT_RAW of most systems, found in files that skipped the mapping
    14: "RAW",  # DLT_RAW of OpenBSD
    50: "PPP_HDLC",
    51: "PPP_ETHER",
    100: "ATM_RFC1483",
    101: "RAW",
    104: "C_HDLC",
    105: "IEEE802_11",
    107: "FRELAY",
    108: "LOOP",
    113: "LINUX_SLL",
    114: "LTALK",
    117: "PFLOG",
    119: "IEEE802_11_PRISM",
    127: "IEEE802_11_RADIOTAP",
    147: "USER0",
    166: "PPP_PPPD",
    177: "LINUX_LAPD",
    187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX",
    192: "PPI",
    195: "IEEE802_15_4_WITHFCS",
    204: "PPP_WITH_DIR",
    220: "USB_LINUX_MMAPPED",
    227: "CAN_SOCKETCAN",
    228: "IPV4",
    229: "IPV6",
    230: "IEEE802_15_4_NOFCS",
    231: "DBUS",
    239: "NFLOG",
    240: "NETANALYZER",
    249: "USBPCAP",
    252: "WIRESHARK_UPPER_PDU",
    253: "NETLINK",
    274: "ETHERNET_MPACKET",
    276: "LINUX_SLL2",
}


def link_name(link: int) -> str:
    """The name of a link type, or its number in words."""
    return LINK_NAMES.get(link, f"LINKTYPE_{link}")
