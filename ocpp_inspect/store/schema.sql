-- The tables of the database. docs/database.md explains every column; a test compares the two.
-- No PRIMARY KEY: an index costs more than the whole insertion, and the writer guarantees the ids itself.

CREATE TABLE IF NOT EXISTS captures (
    capture_id      BIGINT NOT NULL,
    path            VARCHAR,
    absolute_path   VARCHAR,
    fingerprint     VARCHAR,
    format          VARCHAR,
    link_types      VARCHAR[],
    first_ts        TIMESTAMP_NS,
    last_ts         TIMESTAMP_NS,
    packets         BIGINT,
    bytes           BIGINT,
    dropped_packets BIGINT,
    truncated       BOOLEAN,
    comments        VARCHAR[],
    notes           VARCHAR[]
);

CREATE TABLE IF NOT EXISTS counters (
    capture_id BIGINT NOT NULL,
    room       VARCHAR,
    name       VARCHAR,
    number     BIGINT
);

CREATE TABLE IF NOT EXISTS connections (
    connection_id        BIGINT NOT NULL,
    capture_id           BIGINT,
    station              VARCHAR,
    version              VARCHAR,
    client               VARCHAR,
    client_port          INTEGER,
    server               VARCHAR,
    server_port          INTEGER,
    path                 VARCHAR,
    host                 VARCHAR,
    offered_subprotocols VARCHAR[],
    subprotocol          VARCHAR,
    offered_extensions   VARCHAR,
    extensions           VARCHAR,
    upgrade_status       INTEGER,
    tls                  BOOLEAN,
    opened_at            TIMESTAMP_NS,
    closed_at            TIMESTAMP_NS,
    close_kind           VARCHAR,
    closed_by            VARCHAR,
    close_code           INTEGER,
    close_reason         VARCHAR,
    joined_midway        BOOLEAN,
    lost_bytes           BIGINT,
    messages             BIGINT,
    undecodable          BIGINT,
    is_ocpp              BOOLEAN,
    transport            VARCHAR
);

CREATE TABLE IF NOT EXISTS upgrades (
    connection_id        BIGINT NOT NULL,
    capture_id           BIGINT,
    frame_no             BIGINT,
    station              VARCHAR,
    ts                   TIMESTAMP_NS,
    status               INTEGER,
    path                 VARCHAR,
    host                 VARCHAR,
    offered_subprotocols VARCHAR[],
    subprotocol          VARCHAR,
    offered_extensions   VARCHAR,
    extensions           VARCHAR,
    auth_user            VARCHAR,
    has_password         BOOLEAN,
    password_length      INTEGER,
    client               VARCHAR,
    client_port          INTEGER,
    server               VARCHAR,
    server_port          INTEGER,
    forwarded_for        VARCHAR,
    user_agent           VARCHAR,
    server_agent         VARCHAR,
    response_ts          TIMESTAMP_NS,
    response_frame_no    BIGINT,
    body                 VARCHAR,
    tls                  BOOLEAN
);

-- The view messages adds the payload. It is no generated column, since DuckDB computes those on insertion too
-- (0.5 µs a row), and fails when that needs more memory than it has. Left to itself DuckDB tries several ways to
-- compress raw: 2.0 µs a row and a file of 43 MB for 500,000 messages, against 1.4 µs and 23 MB with ZSTD named.
CREATE TABLE IF NOT EXISTS message_records (
    message_id        BIGINT NOT NULL,
    connection_id     BIGINT,
    capture_id        BIGINT,
    station           VARCHAR,
    version           VARCHAR,
    version_inferred  BOOLEAN,
    ts                TIMESTAMP_NS,
    sender            VARCHAR,
    kind              VARCHAR,
    unique_id         VARCHAR,
    action            VARCHAR,
    error_code        VARCHAR,
    error_description VARCHAR,
    raw               VARCHAR USING COMPRESSION ZSTD,
    raw_bytes         BLOB,
    size              BIGINT,
    compressed        BOOLEAN,
    frame_no          BIGINT,
    request_id        BIGINT,
    latency_ms        DOUBLE,
    schema_valid      BOOLEAN,
    transaction       VARCHAR
);

CREATE TABLE IF NOT EXISTS long_texts (
    message_id BIGINT,
    capture_id BIGINT,
    part       INTEGER,
    octets     BLOB
);

CREATE TABLE IF NOT EXISTS soap_messages (
    message_id        BIGINT NOT NULL,
    connection_id     BIGINT,
    capture_id        BIGINT,
    frame_no          BIGINT,
    station           VARCHAR,
    ts                TIMESTAMP_NS,
    tcp_connection_id BIGINT,
    client            VARCHAR,
    client_port       INTEGER,
    server            VARCHAR,
    server_port       INTEGER,
    path              VARCHAR,
    host              VARCHAR,
    http_status       INTEGER,
    content_type      VARCHAR,
    content_encoding  VARCHAR,
    soap_version      VARCHAR,
    namespace         VARCHAR,
    identity          VARCHAR,
    wsa_action        VARCHAR,
    wsa_message_id    VARCHAR,
    wsa_relates_to    VARCHAR,
    wsa_from          VARCHAR,
    wsa_reply_to      VARCHAR,
    wsa_to            VARCHAR,
    xml               VARCHAR
);

CREATE TABLE IF NOT EXISTS tls_sessions (
    connection_id            BIGINT NOT NULL,
    capture_id               BIGINT,
    frame_no                 BIGINT,
    station                  VARCHAR,
    ts                       TIMESTAMP_NS,
    client                   VARCHAR,
    client_port              INTEGER,
    server                   VARCHAR,
    server_port              INTEGER,
    outcome                  VARCHAR,
    ended_by                 VARCHAR,
    alert                    VARCHAR,
    alert_meaning            VARCHAR,
    alert_by                 VARCHAR,
    alert_frame_no           BIGINT,
    version                  VARCHAR,
    offered_versions         VARCHAR[],
    suite                    VARCHAR,
    offered_suites           VARCHAR[],
    server_name              VARCHAR,
    offered_protocols        VARCHAR[],
    protocol                 VARCHAR,
    certificate_subject      VARCHAR,
    certificate_issuer       VARCHAR,
    certificate_not_before   TIMESTAMP_NS,
    certificate_not_after    TIMESTAMP_NS,
    certificate_key          VARCHAR,
    certificate_names        VARCHAR[],
    chain                    VARCHAR[],
    name_matches             BOOLEAN,
    client_certificate_asked BOOLEAN,
    client_certificate       VARCHAR,
    resumed                  BOOLEAN,
    early_data               BOOLEAN,
    handshake_ms             DOUBLE,
    opened_by                VARCHAR,
    closed_because           VARCHAR,
    records_up               BIGINT,
    records_down             BIGINT,
    octets_up                BIGINT,
    octets_down              BIGINT,
    largest_record           BIGINT,
    lost_records             BIGINT,
    last_ts                  TIMESTAMP_NS,
    rhythm                   VARCHAR
);

CREATE TABLE IF NOT EXISTS controls (
    connection_id BIGINT,
    capture_id    BIGINT,
    frame_no      BIGINT,
    station       VARCHAR,
    ts            TIMESTAMP_NS,
    sender        VARCHAR,
    kind          VARCHAR,
    code          INTEGER,
    reason        VARCHAR,
    payload       BLOB
);

CREATE TABLE IF NOT EXISTS losses (
    connection_id BIGINT,
    capture_id    BIGINT,
    frame_no      BIGINT,
    station       VARCHAR,
    ts            TIMESTAMP_NS,
    sender        VARCHAR,
    cause         VARCHAR,
    bytes         BIGINT,
    messages      BIGINT
);

CREATE TABLE IF NOT EXISTS anomalies (
    name          VARCHAR,
    layer         VARCHAR,
    connection_id BIGINT,
    capture_id    BIGINT,
    frame_no      BIGINT,
    station       VARCHAR,
    ts            TIMESTAMP_NS,
    sender        VARCHAR,
    detail        VARCHAR,
    message_id    BIGINT,
    path          VARCHAR
);

CREATE TABLE IF NOT EXISTS findings (
    finding_id        BIGINT NOT NULL,
    rule              VARCHAR,
    name              VARCHAR,
    axis              VARCHAR,
    severity          VARCHAR,
    verdict           VARCHAR,
    blame             VARCHAR,
    station           VARCHAR,
    connection_id     BIGINT,
    capture_id        BIGINT,
    frame_no          BIGINT,
    ts                TIMESTAMP_NS,
    text              VARCHAR,
    evidence          BIGINT[],
    evidence_captures BIGINT[],
    reference         VARCHAR,
    message_id        BIGINT,
    accepted          VARCHAR,
    cause             VARCHAR
);
