"""Every bound in one place, with its unit and its reason. Reaching one is reported as an Anomaly, never silent.

Long because it is a list: one section a room, which takes its bounds as constructor arguments with these defaults.
"""

from __future__ import annotations

from typing import Final

# --- capture ---------------------------------------------------------------------------------------------------

BATCH_PACKETS: Final = 16_384
"""Packets of one batch. The more a batch has of each station, the longer that station's state stays in the processor's
cache; and numpy's fixed cost is divided by them. Beyond this nothing is gained (21.9 µs a message with 4,096: 25.4)."""

BATCH_OCTETS: Final = 1536 * 1024
"""Octets read at once; several such windows are alive at a time, so it bounds memory together with the above. Buffers
of 2 MiB would be asked of the kernel anew for every batch (`pipeline.workers.LARGE_OCTETS`)."""

LIVE_BATCH_PACKETS: Final = 4_096
"""The same of live capture, which keeps all messages of a batch for its listeners."""

LIVE_BATCH_OCTETS: Final = 1024 * 1024
"""Octets taken out of a ring at once."""

WINDOW_MINIMUM_OCTETS: Final = 128 * 1024
"""Octets read at once from each of many captures that overlap in time."""

OPEN_CAPTURES: Final = 64
"""Captures open at once; more of them overlapping in time are no longer merged packet by packet."""

SORTED_PACKETS: Final = 4_096
"""Packets of a capture among which the order of times is restored. Queues reorder some dozens; tools that shuffle do so
with small captures."""

SORTED_OCTETS: Final = 1024 * 1024
"""Octets of these packets: with every other capture that is open they are held in memory."""

CAPTURED_OCTETS: Final = 1024 * 1024
"""Longest packet believed: four times the longest offloaded (GSO) one; a longer record is taken for garbage."""

BLOCK_OCTETS: Final = 16 * 1024 * 1024
"""Longest pcapng block believed: key logs and name tables of a long capture stay far below it."""

CAPTURE_INTERFACES: Final = 65_536
"""Interfaces of one capture; no machine has more, a forged file does."""

SEARCH_OCTETS: Final = 1024
"""First stretch of garbage searched at once for the next record; it doubles until one is found."""

CAPTURE_SECRETS_OCTETS: Final = 16 * 1024 * 1024
"""Octets of decryption secrets kept for each capture: about 80,000 TLS sessions."""

CAPTURE_COMMENTS: Final = 1_000
"""Comments kept for each capture: nobody reads more."""

CAPTURE_COMMENT_OCTETS: Final = 4_096
"""Octets kept of one comment."""

CAPTURE_NOTES: Final = 100
"""Notes kept for each capture about what could not be read; the anomalies go on."""

CAPTURE_ANOMALIES: Final = 1_000
"""Anomalies of one capture; random garbage must not become a report of a gigabyte."""

ZSTD_WINDOW_OCTETS: Final = 128 * 1024 * 1024
"""Largest history a zstd frame may ask for: what its own command line accepts by default."""

XZ_MEMORY_OCTETS: Final = 128 * 1024 * 1024
"""Memory an xz stream may ask for: preset 9 needs 65 MB."""

LIVE_RING_OCTETS: Final = 64 * 1024 * 1024
"""Memory that the kernel may fill with packets of one interface while we are busy: five seconds of 40,000 packets/s."""

LIVE_BLOCK_OCTETS: Final = 512 * 1024
"""One block of it, which the kernel hands over when it is full or 50 ms old; the largest offloaded packet is 64 KiB."""

# --- network ---------------------------------------------------------------------------------------------------

FLOWS: Final = 200_000
"""Endpoint pairs remembered (about 60 MB); beyond it the one idle for longest is forgotten. A site has hundreds."""

TUNNEL_DEPTH: Final = 16
"""Headers opened inside each other: a mirror of a tunnel of a tunnel stays below it."""

FRAGMENT_PACKETS: Final = 1_024
"""Packets under reassembly; beyond it the oldest is given up."""

FRAGMENT_OCTETS: Final = 16 * 1024 * 1024
"""Octets of all packets under reassembly together."""

FRAGMENTS_PER_PACKET: Final = 2_048
"""Pieces of one packet: 64 KiB in the smallest useful pieces."""

FRAGMENT_TIMEOUT_NS: Final = 30 * 10**9
"""How long a packet may wait for its pieces: what Linux allows."""

DUPLICATE_WINDOW_NS: Final = 5 * 10**6
"""How much later a copy of a packet may come: mirrors copy within microseconds, TCP repeats after 200 ms."""

DUPLICATE_LOOKBACK: Final = 4_096
"""Segments in which a copy is looked for: 5 ms of a gigabit link in small packets."""

NETWORK_ANOMALIES: Final = 1_000
"""Anomalies of each name reported one by one; the rest is counted and told at the end."""

# --- tcp -------------------------------------------------------------------------------------------------------

CONNECTIONS: Final = 65_000
"""TCP connections tracked at once, closed ones included, per worker. A site has hundreds, a CSMS cluster tens of
thousands; fewer than 2**16, because a 16-bit connection index sorts ten times faster."""

HELD_BYTES: Final = 4 * 1024 * 1024
"""Octets (and their bookkeeping) that one direction may hold behind a hole: the largest common receive window."""

TOTAL_HELD_BYTES: Final = 64 * 1024 * 1024
"""The same for all connections of a worker together: an eighth of the memory the whole tool may use."""

WINDOW_BYTES: Final = 16 * 1024 * 1024
"""How far from the expected octet a segment, RST or acknowledgment is believed: above every default receive window."""

HOLE_NS: Final = 1_000_000_000
"""1 s: how long a hole that the peer acknowledged stays open when octets behind it wait. Capture queues reorder by
milliseconds, tools that shuffle or merge by more; the octets that wait keep their time."""

HOLE_PACKETS: Final = 32
"""Packets of the connection after which the same hole is given up earlier: more are never reordered. Octets of the
other side that answer to what is in the hole wait as long."""

ACKNOWLEDGED_NS: Final = 1_000_000_000
"""1 s: how long octets that the peer acknowledged may be missing when nothing waits behind them. Captures merged
from two places may show an acknowledgment well before its octets. What answers to them waits meanwhile."""

UNHEARD_NS: Final = 3_000_000_000
"""3 s: how long a hole stays open when no packet of the peer was ever captured, so none can acknowledge it."""

STALE_HOLE_NS: Final = 120_000_000_000
"""2 min: how long a hole that the peer never acknowledged stays open: the longest pause between retransmissions."""

IDLE_NS: Final = 26 * 3600 * 1_000_000_000
"""26 h: silence after which an established connection is forgotten. Heartbeats may be a day apart."""

CLOSING_IDLE_NS: Final = 120_000_000_000
"""2 min: the same for half-open and closed connections (twice the usual TIME-WAIT)."""

HALF_CLOSED_IDLE_NS: Final = 3600 * 1_000_000_000
"""1 h: the same after the FIN of one side. Servers that overlook a FIN go on with their pings for long."""

IDLE_FLOWS: Final = 200_000
"""Endpoint pairs remembered without a connection, in case their ports are used again: as many as the network room."""

REMEMBERED_POSITIONS: Final = 4_096
"""Packets back to which a retransmission is compared with what was captured before: keeps their batches alive."""

CLOCK_POSITIONS: Final = 131_072
"""Packets whose times are remembered (5 MB), for connections that a worker gets late because their station was unknown:
20 minutes of a busy site. A hole in what comes later still is given up at the connection's next packet."""

REPEATED_ANOMALIES: Final = 8
"""Times that one connection reports the same anomaly: a hostile peer could repeat it in every packet."""

# --- tls -------------------------------------------------------------------------------------------------------

TLS_SECRETS: Final = 200_000
"""Sessions of key logs that are kept (about 80 MB), the newest: months of a site."""

TLS_RESUMABLE: Final = 20_000
"""Sessions that were opened by a private key and may be resumed by id or ticket; beyond it the oldest is forgotten."""

TLS_CONNECTIONS: Final = 65_536
"""TLS connections followed at once; beyond it the oldest is given up."""

PROXY_HEADERS: Final = 4
"""Headers of the PROXY protocol one behind another, of nested balancers."""

PROXY_HEADER_OCTETS: Final = 536
"""Octets of such headers kept until they are complete: their specification makes one fit into the smallest segment."""

TLS_HANDSHAKE_OCTETS: Final = 128 * 1024
"""Octets of handshake messages kept for one direction; chains of certificates stay below 20 kB."""

TLS_RECORD_OCTETS: Final = 16_384 + 2_048
"""Longest fragment of a record (RFC 5246 §6.2.3; TLS 1.3 allows 256 behind 16,384, which is less)."""

TLS_SEQUENCE_SEARCH: Final = 4_096
"""Sequence numbers tried for the first record behind a gap: 100 kB of the smallest records, 3 ms."""

TLS_TRIALS: Final = 200_000
"""Decryptions of one direction that may fail before it is given up: 0.3 s."""

TLS_WAITING_OCTETS: Final = 256 * 1024
"""Octets of one connection kept while a growing key log does not have its key yet; a key comes within milliseconds."""

TLS_WAITING_NS: Final = 10 * 10**9
"""How long they are kept at most, in nanoseconds of the capture's clock."""

TLS_WAITING_TOTAL_OCTETS: Final = 32 * 1024 * 1024
"""The same for all connections together."""

TLS_CERTIFICATES: Final = 10
"""Certificates of one chain that are read."""

TLS_NAMES: Final = 50
"""Names of a certificate (SAN), protocols (ALPN) and cipher suites of a hello that are kept."""

TLS_NAME_CHARACTERS: Final = 255
"""Longest name kept from a hello or a certificate."""

TLS_SIZES: Final = 64
"""Different record sizes of one connection whose rhythm is followed."""

# --- websocket -------------------------------------------------------------------------------------------------

MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Largest WebSocket message kept; a longer one is skipped, its connection is not. Far above any message of OCPP."""

REASSEMBLED_BYTES: Final = 128 * 1024 * 1024
"""Octets of incomplete frames and messages of all connections together; beyond it the message that grows is skipped."""

FRAME_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Longest frame believed; a header that says more is no header, so the next frame is searched."""

CONTROL_BYTES: Final = 65_535
"""Longest control frame believed (legal are 125); a longer one is no frame."""

FRAGMENT_OVERHEAD_BYTES: Final = 48
"""What a kept fragment costs besides its octets, so that empty fragments are bounded too."""

WEBSOCKET_CONNECTIONS: Final = 65_536
"""TCP connections followed at once (about 1 kB each); beyond it the oldest is given up."""

CONNECTION_ANOMALIES: Final = 50
"""Anomalies of one name told one by one for a connection; the rest is counted and told at its end."""

HTTP_HEAD_BYTES: Final = 64 * 1024
"""Longest head of an HTTP message; servers refuse heads above 8 to 16 kB."""

HTTP_EXCERPT_BYTES: Final = 512
"""First octets kept of the body of a refused upgrade: an error text, not a page."""

HTTP_PIPELINE: Final = 64
"""Requests of one connection that may wait for their answers; clients that pipeline at all send a few."""

HTTP_TUNNELS: Final = 8
"""CONNECT requests answered inside each other on one connection; a proxy behind a proxy makes two."""

UPGRADE_HELD_BYTES: Final = 64 * 1024
"""Octets of the client kept while its upgrade is unanswered."""

CLIENT_CHANGES: Final = 4
"""Times that the octets of a connection may change our mind about which end is the client; one is the rule."""

INFLATE_RATIO: Final = 200
"""Times a compressed message may grow: repetitive JSON reaches 50, a bomb 1,032."""

INFLATE_FLOOR_BYTES: Final = 1024 * 1024
"""Inflated size that is allowed whatever the ratio."""

INFLATERS: Final = 4_096
"""Compression windows alive (about 40 kB each); beyond it the longest idle lose their history."""

RESYNC_BYTES: Final = 32 * 1024
"""Octets of one direction in which a frame boundary is searched at a time: several segments, most messages."""

RESYNC_CANDIDATES: Final = 128
"""Places in them that may still turn out to be a frame once more octets have come."""

MIDWAY_BYTES: Final = 128 * 1024
"""Octets of a connection joined midway in which WebSocket frames are searched before it is left alone."""

# --- soap ------------------------------------------------------------------------------------------------------

SOAP_CONNECTIONS: Final = 65_536
"""TCP connections followed at once in search of SOAP (about 0.5 kB each); beyond it the oldest is given up."""

SOAP_STATIONS: Final = 20_000
"""Stations whose addresses and exchanges are known; beyond it the one silent for longest goes. As many as sessions."""

SOAP_BODY_BYTES: Final = 4 * 1024 * 1024
"""Longest SOAP body decoded, unpacked: a local list of 20,000 entries. A longer one is skipped and told."""

SOAP_UNKNOWN_BYTES: Final = 256 * 1024
"""The same for a body of a connection that is not known to carry OCPP: the namespace stands at its beginning."""

SOAP_TOTAL_BYTES: Final = 64 * 1024 * 1024
"""Octets of incomplete HTTP messages of all connections together; beyond it a connection that grows is given up."""

SOAP_MIDWAY_BYTES: Final = 32 * 1024
"""Octets of a connection joined midway in which HTTP is searched: several messages, for most have 1 to 2 kB."""

SOAP_SEARCH_BYTES: Final = 8 * 1024 * 1024
"""Octets of a connection of OCPP in which the next HTTP message is searched behind a gap: two of the longest."""

XML_DEPTH: Final = 32
"""Deepest nesting of elements: the deepest OCPP message (SetChargingProfile) has 8."""

XML_ELEMENTS: Final = 100_000
"""Elements of one document (about 30 MB as objects, half a second): a local list of 20,000 entries."""

XML_ELEMENTS_PACKED: Final = 1_000
"""Elements of a compressed document, and two more for each of its octets: a kilobyte of gzip can hold a million."""

XML_ATTRIBUTES: Final = 32
"""Attributes of one element; OCPP has none, envelopes have two."""

XML_TAG_BYTES: Final = 8 * 1024
"""Longest start tag, namespaces included: expat writes the one of each attribute out before anybody can count them."""

XML_NAME_CHARACTERS: Final = 512
"""Longest name of an element or attribute with its namespace: each element holds a copy."""

SOAP_UNPACKED_BYTES: Final = 64 * 1024
"""Octets that a compressed body may have when unpacked, however small it is; beyond it INFLATE_RATIO counts."""

# --- ocpp ------------------------------------------------------------------------------------------------------

OCPP_CONNECTIONS: Final = 65_536
"""Connections whose OCPP state is kept at once; beyond it the oldest is forgotten. Far above one site's stations."""

OPEN_CALLS: Final = 256
"""CALLs of one side of one connection that may wait for an answer; one is legal, queues of dozens were seen."""

ANSWERED_CALLS: Final = 64
"""Answered ids remembered for each side of a connection, to tell a second answer from an orphan."""

STATIONS: Final = 20_000
"""Stations whose session is kept; beyond it the one that connected longest ago goes. About 3 kB each."""

LINES_PER_ADDRESS: Final = 16
"""Connections of one client address that are remembered, to tell a reconnect from another station behind it."""

CONFIGURATION_KEYS: Final = 2_000
"""Configuration values learned from one station; a full 2.x device model report has about 1,000."""

SESSION_TRANSACTIONS: Final = 64
"""Transactions remembered for one station, the ended ones included; the oldest goes first."""

SESSION_CONNECTORS: Final = 256
"""Connectors whose last status is remembered for one station."""

STATION_CHARACTERS: Final = 255
"""Longest station identity kept. OCPP 2.x allows 48, 1.6 sets no limit."""

SCHEMA_FAULTS: Final = 20
"""Schema faults explained for one message; the number of the others is reported."""

EXPLAINED_CHARACTERS: Final = 1024 * 1024
"""Longest text that is no JSON and is read again to explain it; of a longer one only the place is told."""

EXCERPT_CHARACTERS: Final = 80
"""Longest piece of captured text quoted in one explanation."""

REVISITED_PACKETS: Final = 1024
"""Packets of one connection whose octets were handed on again behind later packets' (only behind holes)."""

# --- engine ----------------------------------------------------------------------------------------------------

EXPRESSION_CHARACTERS: Final = 2000
"""Longest expression in a rule, in characters: three times the longest that we ever needed."""

EXPRESSION_DEPTH: Final = 30
"""Deepest nesting of a rule's expression: keeps its compilation and evaluation far from Python's recursion limit."""

EXPRESSION_ITEMS: Final = 1000
"""Array elements that one `for` inside an expression looks at; a MeterValues of a day's backlog has fewer."""

EXPRESSION_PAIRS: Final = 20_000
"""Elements of all inner arrays (sampled values of all meter values) that rules share; with more they cannot decide."""

EXPRESSION_TEXT_CHARACTERS: Final = 1000
"""Longest captured text that a regular expression of a rule is tried on; longer is unknown. Bounds its cost."""

RULE_FILE_BYTES: Final = 256 * 1024
"""Largest rule file: a rule is a page, not a book."""

YAML_DEPTH: Final = 20
"""Nesting of a rule or scenario file; ours have 6."""

RULE_STATIONS: Final = 20_000
"""Stations with rule state in one process; beyond it the quietest loses its state. Twice the largest site we know of: a
station costs 30 kB after its first transaction, and 300 kB when it had `RULE_KEYS` of them."""

RULE_KEYS: Final = 64
"""Keys with registers, per rule and station: connectors, transactions, reservations. Beyond it the oldest goes: it is
unknown then. A transaction costs about 4 kB in all rules; 64 are days of a busy station, and rules ask for those
that run or have just ended. With 500 a worker grew by 20 MB for each hundred stations."""

RULE_WAITS: Final = 1000
"""Open expectations per rule and station; a conforming peer has one CALL open at a time."""

RULE_WITHIN_NS: Final = 30 * 24 * 3600 * 10**9
"""Longest time limit, in nanoseconds, that an expectation takes from traffic (30 days): longer is never waited for."""

RULE_COUNT: Final = 1000
"""Largest `count.max`: its time-stamps are kept."""

RULE_CAUSE_NS: Final = 600 * 10**9
"""10 min: how long ago a finding may be that explains another one: as long as most time limits of the protocol."""

ACCEPTANCES: Final = 10_000
"""Entries of a baseline and of quirks together: each finding is compared with all of them."""

FINDINGS_PER_RULE: Final = 200
"""Findings of one rule about one station that are told one by one; the rest is counted in a last one."""

FINDING_TEXT_CHARACTERS: Final = 400
"""Longest finding text in characters; captured values inside it are cut to 80."""

# --- logs ------------------------------------------------------------------------------------------------------

LOG_LINE_OCTETS: Final = 4 * 1024 * 1024
"""Longest line of a log: the largest messages seen have some hundred kB."""

LOG_MESSAGE_CHARACTERS: Final = 4 * 1024 * 1024
"""Characters of one message over all its lines."""

LOG_MESSAGE_LINES: Final = 100_000
"""Lines of one message that was written indented."""

LOG_DETECTION_LINES: Final = 5_000
"""Lines by which the format, the owner and the zone of a log are decided."""

LOG_CONNECTIONS: Final = 20_000
"""Stations and sessions of one log at once."""

LOG_DOCUMENT_OCTETS: Final = 256 * 1024 * 1024
"""Largest HAR or flow file, which has to be read whole."""

FLOW_DEPTH: Final = 32
"""Nesting of a flow file; mitmproxy's own have 6."""

LOG_BATCH: Final = 4_096
"""Items handed on at a time."""

# --- catalogue -------------------------------------------------------------------------------------------------

SUMMARY_CHARACTERS: Final = 320
"""Longest one-line summary of a message: two lines of a wide terminal; hostile payloads cannot make it longer."""

# --- store, report ---------------------------------------------------------------------------------------------

STORE_BATCH_ROWS: Final = 10_000
"""Rows that a worker collects before it hands them on: 20,000 insert no faster and cost each process 15 MB more."""

STORE_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Octets of message text after which a worker hands its rows on, however few they are."""

STORE_MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Memory that DuckDB may use while a run is written: 64 MiB write no faster."""

STORE_GROUP_ROWS: Final = 30_720
"""Rows of a row group, which is in memory until it is full; a quarter of DuckDB's default writes a tenth faster into
that little memory, for a file that is 6 % larger."""

STORE_LOG_BYTES: Final = 16 * 1024 * 1024
"""Log beside a database that is being recorded, before it is folded in: opening the database reads it in 50 ms."""

STORE_MEMORY_MAXIMUM_BYTES: Final = 1024 * 1024 * 1024
"""What that grows to when the messages are huge: DuckDB handles 2,048 rows at once, whatever their size."""

STORE_TEXT_BYTES: Final = 128 * 1024
"""Message text kept in its row; the whole of a longer one goes in pieces into `long_texts`, so that 2,048 rows fit."""

STORE_PIECE_BYTES: Final = 16 * 1024
"""Octets of one such piece: 2,048 of them are 32 MB."""

STORE_CAPTURES: Final = 9_000
"""Captures in one database: a message_id begins with the capture's number and must fit in 63 bits."""

FINGERPRINT_BYTES: Final = 64 * 1024
"""Octets at the head and at the tail of a capture that tell it from others: many packets, read in a millisecond."""

QUERY_TABLE_ROWS: Final = 1_000
"""Rows that `query` prints as a table before it stops and says so; the other formats print all."""

QUERY_CELL_CHARACTERS: Final = 2_000
"""Characters of one cell of that table; a message may have 16 MiB."""

QUERY_MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Memory that DuckDB may use for one query before it uses the disk."""

REPORT_ROWS: Final = 1_000
"""Events of a timeline in memory at a time."""

REPORT_WINDOW_ROWS: Final = 20_000
"""Messages that a timeline sorts at a time: 16 MB, sorted in 10 ms."""

REPORT_WINDOW_BYTES: Final = 32 * 1024 * 1024
"""The same in octets of message text."""

REPORT_MEMORY_BYTES: Final = 256 * 1024 * 1024
"""Memory that DuckDB may use for a report before it uses the disk: 160,000 transactions in 4 million messages, summed
up in 3.4 s, keep the process at 340 MB. With two threads; each more wants its own buffers."""

REPORT_RAW_BYTES: Final = 128 * 1024
"""Largest message text that a timeline reads by windows; that of a longer one, which the store keeps in pieces, is read
when its line is written."""

REPORT_LONG_BYTES: Final = 4 * 1024 * 1024
"""Largest message that a timeline decodes to say it, one at a time (about 30 MB as Python objects); of a longer one it
says the size."""

LIVE_STATIONS: Final = 1_000
"""Stations on the live screen; beyond it the one silent for longest leaves the screen, not the database."""

LIVE_HAPPENINGS: Final = 2_000
"""Latest lines of the live timeline, for the filter to search: what scrolled by in a minute or two."""

LIVE_FINDINGS: Final = 500
"""Latest findings on the live screen."""

LIVE_PAYLOAD_BYTES: Final = 8 * 1024
"""Largest message whose payload the live screen keeps to say it, so that the worst peer costs 150 MB; usual ones have
300 bytes. Of a larger one it says the size."""

# --- pipeline --------------------------------------------------------------------------------------------------

NAMED_CONNECTIONS: Final = 65_536
"""Connections whose endpoints are remembered, closed ones included (16 MB), to name what is told about them late."""

BURST_MESSAGES: Final = 24
"""Messages of each station, on average, that wait to be decoded and judged together: what of its state is in the
processor's cache then serves them all. Of twice as many nothing is gained."""

BURST_TOTAL_MESSAGES: Final = 32_768
"""Messages that wait for that at most, 0.4 kB each."""

BURST_TOTAL_OCTETS: Final = 8 * 1024 * 1024
"""Octets of their payloads."""

HELD_CONNECTIONS: Final = 4096
"""Connections whose worker is not decided yet; beyond it the oldest goes to the worker of its address."""

HELD_SEGMENTS: Final = 64
"""Segments that one such connection may wait with: a split request line needs a few, a scan none."""

HELD_OCTETS: Final = 16 * 1024
"""Payload octets that one such connection may wait with: twice the usual limit on a request head."""

HELD_TLS_OCTETS: Final = 64 * 1024
"""The same of TLS for which there are keys: its handshake, with the certificates of both sides, goes first."""

PEEKS: Final = 512
"""Such connections at a time (50 kB each); beyond it the address decides at once."""

RECORDING_ROWS: Final = 20_000
"""Rows after which a recording commits, though its second is not over: 8 MB."""

RECORDING_HELD_BYTES: Final = 64 * 1024 * 1024
"""Rows (as Arrow columns) that a recording holds while its database cannot be written: the disk is full, or somebody
reads. Hours of a site of a hundred stations; beyond it rows are lost, counted and told."""

RECORDING_SCRATCH_BYTES: Final = 1024 * 1024 * 1024
"""Size of the temporary database of a recording that was given none; then it stops growing, and says so."""

# --- proxy -----------------------------------------------------------------------------------------------------

PROXY_CONNECTIONS: Final = 20_000
"""Connections of stations at once; each takes two file descriptors and about 20 kB. More are refused."""

PROXY_HANDSHAKE_S: Final = 15.0
"""How long a station may take for TLS and the head of its first request; modems with 2 s of latency need 8."""

PROXY_CONNECT_S: Final = 15.0
"""How long the upstream may take to accept TCP and TLS."""

PROXY_ANSWER_S: Final = 120.0
"""How long the upstream may take to answer a request: longer than every CSMS's own limit."""

PROXY_LINGER_S: Final = 1.0
"""When one side has gone, how long the other one has left to say goodbye."""

PROXY_DRAIN_S: Final = 30.0
"""How long octets of a side that has gone may take to reach a slow reader, as long as it reads at all."""

PROXY_DEAD_S: Final = 60
"""How long a peer may acknowledge nothing before its socket is taken for dead: a pulled cable, a modem that is gone."""

PROXY_IDLE_S: Final = 26 * 3600.0
"""Silence of both sides after which a WebSocket is ended. Heartbeats may be a day apart."""

PROXY_HTTP_IDLE_S: Final = 300.0
"""The same for connections of plain HTTP between two requests."""

PROXY_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Longest WebSocket frame that is forwarded; real ones of OCPP stay below 1 MB. Its connection is ended."""

PROXY_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Longest message that is put together to be held or changed; a longer one is forwarded as it comes."""

PROXY_HELD_BYTES: Final = 32 * 1024 * 1024
"""Octets that wait behind held messages of one sender before nothing more is read from it."""

PROXY_HELD_MESSAGES: Final = 10_000
"""Messages that may do so: an empty message costs memory too."""

PROXY_QUEUE_BYTES: Final = 64 * 1024 * 1024
"""Octets that wait for the analysis; beyond it they are forwarded without being looked at, counted and told."""

PROXY_MIRROR_BYTES: Final = 4 * 1024 * 1024
"""Octets that wait for a mirror that does not read; beyond it that mirror is given up."""

PROXY_MARK_CHARACTERS: Final = 64 * 1024
"""Characters told of each version of a message that was changed; the message itself is stored whole."""

PROXY_MARKED_MESSAGES: Final = 2_000
"""Latest messages remembered, so that what was done to one of them is told beside it."""

PROXY_CERTIFICATES: Final = 1_000
"""Server names for which certificates are made: a hostile client may ask for any number."""

# --- replay ----------------------------------------------------------------------------------------------------

REPLAY_MESSAGES: Final = 200_000
"""Messages of a recording that is replayed: a busy station's month. They are in memory as a whole."""

REPLAY_BYTES: Final = 256 * 1024 * 1024
"""The same in octets of message text."""

REPLAY_NOTES: Final = 10_000
"""CALLs of the peer, and other events, that one replay tells one by one: a peer that floods must not fill memory."""

# --- scenarios -------------------------------------------------------------------------------------------------

SCENARIO_STEPS: Final = 200
"""Steps of one scenario: each may look at every message before it is forwarded."""

SCENARIO_COPIES: Final = 100
"""How often one message may be duplicated, or how many others it may be put behind."""

SCENARIO_COUNT: Final = 1_000_000
"""Largest number in nth, every, after and times."""

SCENARIO_SCOPES: Final = 65_536
"""Stations or connections for which steps count at the same time; beyond it the longest unseen begins anew."""

MEDDLER_HELD: Final = 1000
"""Messages that wait for a person at the same time; beyond it the next ones go on."""

MEDDLER_INJECTED: Final = 1000
"""Injected CALLs that wait for their answers; beyond it the answer to the oldest is forwarded like any other."""

CONSOLE_CLIENTS: Final = 8
"""Consoles on one Unix socket at the same time."""

CONSOLE_LINE_BYTES: Final = 40 * 1024 * 1024
"""One line of that socket: an edited message of 16 MiB, as JSON."""
