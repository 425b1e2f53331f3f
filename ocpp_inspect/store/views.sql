-- The views of the database. docs/database.md explains every column; a test compares the two.
-- A payload may hold anything: every value is taken as text and cast by TRY_CAST, so that a wrong type is NULL and
-- never an error. Arithmetic is done on DOUBLE, since hostile integers overflow.

-- A date-time that a station wrote, in UTC; NULL when it is none, or outside 1677–2262. DuckDB's TIMESTAMP ignores an
-- offset and its TIMESTAMPTZ reads a text without one in the zone of the session, so each gets what it can read.
CREATE OR REPLACE MACRO station_time(written) AS CASE
    WHEN regexp_matches(written, '^[0-9]{4}-.*:[0-9.]+ ?[+-][0-9]{2}(:?[0-9]{2})?$')
        THEN TRY_CAST(make_timestamp(epoch_us(TRY_CAST(written AS TIMESTAMPTZ))) AS TIMESTAMP_NS)
    WHEN regexp_matches(written, '^[0-9]{4}-') THEN TRY_CAST(written AS TIMESTAMP_NS)
END;

-- payload is computed when it is asked for: storing it would double the file, reading it costs 0.2 µs a row.
-- DuckDB writes its numbers anew (1.50 becomes 1.5): the exact text is in raw.
-- json_valid guards json_extract, which raises for text that is no JSON. Positions: OCPP-J 1.6 §4.2.
-- Texts of more than 128 KiB lie in pieces; nearly always that table is empty, and joining it costs nothing.
CREATE OR REPLACE VIEW messages AS
WITH whole AS (
    SELECT message_id, unhex(string_agg(hex(octets), '' ORDER BY part)) AS octets FROM long_texts GROUP BY message_id
), texts AS (
    SELECT message_records.* REPLACE (coalesce(TRY(decode(whole.octets)), raw) AS raw)
    FROM message_records LEFT JOIN whole USING (message_id)
)
SELECT
    message_id, connection_id, capture_id, station, version, version_inferred, ts, sender, kind, unique_id, action,
    CASE WHEN kind <> 'INVALID' AND json_valid(raw) THEN CAST(json_extract(raw, CASE kind
        WHEN 'CALL' THEN '$[3]' WHEN 'SEND' THEN '$[3]' WHEN 'CALLRESULT' THEN '$[2]' ELSE '$[4]' END) AS JSON)
    END AS payload,
    error_code, error_description, raw, raw_bytes, size, compressed, frame_no, request_id, latency_ms, schema_valid,
    transaction
FROM texts;

CREATE OR REPLACE VIEW exchanges AS
SELECT
    call.message_id, call.connection_id, call.capture_id, call.station, call.version, call.sender, call.ts,
    call.action, call.unique_id, call.payload AS request,
    CASE WHEN answer.message_id IS NULL THEN 'unanswered' WHEN answer.kind = 'CALLRESULT' THEN 'answered' ELSE 'error' END
        AS outcome,
    answer.payload AS response, answer.error_code, answer.error_description,
    answer.ts AS answer_ts, answer.latency_ms, call.frame_no, answer.frame_no AS answer_frame_no,
    answer.capture_id AS answer_capture_id, answer.message_id AS answer_id, call.transaction,
    call.schema_valid AS request_schema_valid, answer.schema_valid AS response_schema_valid
FROM messages AS call
LEFT JOIN messages AS answer ON answer.request_id = call.message_id
WHERE call.kind = 'CALL';

CREATE OR REPLACE VIEW latency AS
SELECT
    call.action, call.version, call.sender,
    count(*) AS calls,
    count(answer.message_id) AS answered,
    count(*) FILTER (answer.kind IN ('CALLERROR', 'CALLRESULTERROR')) AS errors,
    count(*) - count(answer.message_id) AS unanswered,
    min(answer.latency_ms) AS min_ms,
    quantile_cont(answer.latency_ms, 0.5) AS p50_ms,
    quantile_cont(answer.latency_ms, 0.9) AS p90_ms,
    quantile_cont(answer.latency_ms, 0.95) AS p95_ms,
    quantile_cont(answer.latency_ms, 0.99) AS p99_ms,
    max(answer.latency_ms) AS max_ms
FROM messages AS call
LEFT JOIN messages AS answer ON answer.request_id = call.message_id
WHERE call.kind = 'CALL'
GROUP BY call.action, call.version, call.sender;

-- 1.6: MeterValues.meterValue and StopTransaction.transactionData (OCPP 1.6 §4.7, §6.49);
-- 2.x: MeterValues.meterValue and TransactionEvent.meterValue (OCPP 2.0.1 J part 2, MeterValueType).
-- Defaults of both generations: measurand Energy.Active.Import.Register, context Sample.Periodic is not filled in;
-- unit Wh for energies.
CREATE OR REPLACE VIEW meter_values AS
WITH carriers AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts, action,
        TRY_CAST(coalesce(payload->>'$.evse.id', payload->>'$.evseId') AS BIGINT) AS evse,
        TRY_CAST(coalesce(payload->>'$.evse.connectorId', payload->>'$.connectorId') AS BIGINT) AS connector,
        coalesce(
            payload->>'$.transactionId', payload->>'$.transactionInfo.transactionId', payload->>'$.transactionData.id'
        ) AS transaction_id,
        unnest(CASE action
            WHEN 'StopTransaction' THEN json_extract(payload, '$.transactionData[*]')
            ELSE json_extract(payload, '$.meterValue[*]')
        END) AS meter_value
    FROM messages
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms'
      AND action IN ('MeterValues', 'StopTransaction', 'TransactionEvent')
),
samples AS (
    SELECT
        * EXCLUDE (meter_value),
        station_time(meter_value->>'$.timestamp') AS sampled_at,
        unnest(json_extract(meter_value, '$.sampledValue[*]')) AS sample
    FROM carriers
),
fields AS (
    SELECT
        * EXCLUDE (sample),
        coalesce(sample->>'$.measurand', 'Energy.Active.Import.Register') AS measurand,
        sample->>'$.context' AS context,
        sample->>'$.phase' AS phase,
        sample->>'$.location' AS location,
        sample->>'$.format' AS format,
        sample->>'$.value' AS value_text,
        TRY_CAST(sample->>'$.value' AS DOUBLE) AS number,
        coalesce(sample->>'$.unit', sample->>'$.unitOfMeasure.unit') AS stated_unit,
        TRY_CAST(sample->>'$.unitOfMeasure.multiplier' AS DOUBLE) AS multiplier
    FROM samples
),
units AS (
    SELECT
        * EXCLUDE (number, stated_unit),
        CASE WHEN isfinite(number) AND abs(number) < 1e100 THEN number END AS value,
        coalesce(stated_unit, CASE WHEN starts_with(measurand, 'Energy.') THEN 'Wh' END) AS unit
    FROM fields
)
SELECT
    message_id, connection_id, capture_id, frame_no, station, version, ts, action, evse, connector, transaction_id,
    sampled_at, measurand, context, phase, location, format, value_text, value, unit, multiplier,
    CASE
        WHEN multiplier IS NOT NULL AND NOT (multiplier BETWEEN -30 AND 30) THEN NULL
        WHEN lower(unit) IN ('fahrenheit') THEN (value * pow(10, coalesce(multiplier, 0)) - 32) / 1.8
        WHEN lower(unit) IN ('k', 'kelvin') THEN value * pow(10, coalesce(multiplier, 0)) - 273.15
        WHEN lower(unit) IN ('kwh', 'kw', 'kvarh', 'kvar', 'kva', 'kvah')
            THEN value * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN multiplier IS NOT NULL THEN value * pow(10, multiplier)
        ELSE value
    END AS value_si,
    CASE lower(unit)
        WHEN 'kwh' THEN 'Wh' WHEN 'kw' THEN 'W' WHEN 'kvarh' THEN 'varh' WHEN 'kvar' THEN 'var'
        WHEN 'kva' THEN 'VA' WHEN 'kvah' THEN 'VAh'
        WHEN 'fahrenheit' THEN 'Celsius' WHEN 'k' THEN 'Celsius' WHEN 'kelvin' THEN 'Celsius' WHEN 'celcius' THEN 'Celsius'
        ELSE unit
    END AS unit_si
FROM units;

-- 2.x stations report a status by StatusNotification or by NotifyEvent on AvailabilityState (OCPP 2.0.1 G01).
CREATE OR REPLACE VIEW status_changes AS
WITH reports AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        TRY_CAST(payload->>'$.evseId' AS BIGINT) AS evse,
        TRY_CAST(payload->>'$.connectorId' AS BIGINT) AS connector,
        coalesce(payload->>'$.status', payload->>'$.connectorStatus') AS status,
        payload->>'$.errorCode' AS error_code,
        payload->>'$.vendorErrorCode' AS vendor_error_code,
        payload->>'$.info' AS info,
        station_time(payload->>'$.timestamp') AS reported_at
    FROM messages
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action = 'StatusNotification'
),
events AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        unnest(json_extract(payload, '$.eventData[*]')) AS event
    FROM messages
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action = 'NotifyEvent'
),
every_report AS (
    SELECT * FROM reports
    UNION ALL
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        TRY_CAST(event->>'$.component.evse.id' AS BIGINT),
        TRY_CAST(event->>'$.component.evse.connectorId' AS BIGINT),
        event->>'$.actualValue', NULL, event->>'$.techCode', event->>'$.techInfo',
        station_time(event->>'$.timestamp')
    FROM events
    WHERE event->>'$.variable.name' = 'AvailabilityState'
)
SELECT
    message_id, connection_id, capture_id, frame_no, station, version, ts, evse, connector, status,
    lag(status) OVER line AS previous_status,
    status IS DISTINCT FROM lag(status) OVER line AS is_change,
    error_code, vendor_error_code, info, reported_at
FROM every_report
WINDOW line AS (PARTITION BY station, evse, connector ORDER BY ts, message_id);

-- 1.6: StartTransaction and its answer open one, StopTransaction closes it (OCPP 1.6 §4.8, §4.10). Ids may be used
-- again, so that (station, id) is cut into runs: each new start begins one; what comes before the first start belongs to
-- a transaction that began before the capture. A start that is sent again word for word is the same start.
-- 2.x: TransactionEvent names the transaction from beginning to end (OCPP 2.0.1 E01–E06).
CREATE OR REPLACE VIEW transactions AS
WITH starts AS (
    SELECT
        call.*, call.payload->>'$.idTag' AS token,
        answer.payload->>'$.transactionId' AS id,
        answer.payload->>'$.idTagInfo.status' AS token_status,
        concat_ws('|', call.payload->>'$.connectorId', call.payload->>'$.idTag', call.payload->>'$.meterStart',
            call.payload->>'$.timestamp') AS words
    FROM messages AS call
    LEFT JOIN messages AS answer ON answer.request_id = call.message_id AND answer.kind = 'CALLRESULT'
    WHERE call.kind = 'CALL' AND call.action = 'StartTransaction' AND call.sender <> 'csms'
),
known_starts AS (  -- of a start sent again, those that were never answered say nothing more
    SELECT * FROM starts
    QUALIFY id IS NOT NULL
         OR (NOT bool_or(id IS NOT NULL) OVER (PARTITION BY station, words)
             AND row_number() OVER (PARTITION BY station, words ORDER BY ts, message_id) = 1)
),
marks AS (
    SELECT
        coalesce(id, 'unanswered ' || message_id) AS run_key, id, 'start' AS mark, words,
        message_id, connection_id, capture_id, frame_no, station, version, ts, token, token_status,
        TRY_CAST(payload->>'$.connectorId' AS BIGINT) AS connector,
        TRY_CAST(payload->>'$.meterStart' AS DOUBLE) AS meter_wh,
        station_time(payload->>'$.timestamp') AS reported_at,
        NULL AS reason
    FROM known_starts
    UNION ALL
    SELECT
        payload->>'$.transactionId', payload->>'$.transactionId', 'stop', NULL,
        message_id, connection_id, capture_id, frame_no, station, version, ts, payload->>'$.idTag', NULL,
        NULL, TRY_CAST(payload->>'$.meterStop' AS DOUBLE), station_time(payload->>'$.timestamp'),
        payload->>'$.reason'
    FROM messages
    WHERE kind = 'CALL' AND action = 'StopTransaction' AND sender <> 'csms'
      AND payload->>'$.transactionId' IS NOT NULL
),
fresh AS (
    SELECT *, mark = 'start' AND words IS DISTINCT FROM
        last_value(words IGNORE NULLS) OVER (
            PARTITION BY station, run_key ORDER BY ts, message_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_new
    FROM marks
),
runs AS (
    SELECT *, count(*) FILTER (is_new) OVER (PARTITION BY station, run_key ORDER BY ts, message_id) AS run FROM fresh
),
first_generation AS (
    SELECT
        station, any_value(version) AS version, any_value(id) AS transaction_id,
        NULL::BIGINT AS evse,
        any_value(connector) AS connector,
        coalesce(arg_min(token, ts) FILTER (mark = 'start'), arg_min(token, ts)) AS token,
        arg_min(token_status, ts) FILTER (mark = 'start') AS token_status,
        min(ts) FILTER (mark = 'start') AS start,
        min(ts) FILTER (mark = 'stop') AS stop,
        arg_min(reported_at, ts) FILTER (mark = 'start') AS start_reported,
        arg_min(reported_at, ts) FILTER (mark = 'stop') AS stop_reported,
        arg_min(meter_wh, ts) FILTER (mark = 'start') AS meter_start_wh,
        arg_min(meter_wh, ts) FILTER (mark = 'stop') AS meter_stop_wh,
        arg_min(reason, ts) FILTER (mark = 'stop') AS reason,
        arg_min(connection_id, ts) AS connection_id,
        arg_min(capture_id, ts) AS capture_id,
        arg_min(message_id, ts) FILTER (mark = 'start') AS start_message_id,
        arg_min(message_id, ts) FILTER (mark = 'stop') AS stop_message_id,
        arg_min(frame_no, ts) FILTER (mark = 'start') AS start_frame_no,
        arg_min(frame_no, ts) FILTER (mark = 'stop') AS stop_frame_no
    FROM runs
    GROUP BY station, run_key, run
),
events AS (
    SELECT
        event.*, coalesce(event.payload->>'$.transactionInfo.transactionId', event.payload->>'$.transactionData.id') AS id,
        event.payload->>'$.eventType' AS event_type,
        TRY_CAST(event.payload->>'$.evse.id' AS BIGINT) AS evse,
        TRY_CAST(event.payload->>'$.evse.connectorId' AS BIGINT) AS connector,
        event.payload->>'$.idToken.idToken' AS token,
        answer.payload->>'$.idTokenInfo.status' AS token_status,
        station_time(event.payload->>'$.timestamp') AS reported_at,
        coalesce(event.payload->>'$.transactionInfo.stoppedReason', event.payload->>'$.transactionData.stoppedReason')
            AS reason
    FROM messages AS event
    LEFT JOIN messages AS answer ON answer.request_id = event.message_id AND answer.kind = 'CALLRESULT'
    WHERE event.kind IN ('CALL', 'SEND') AND event.action = 'TransactionEvent' AND event.sender <> 'csms'
),
registers AS (  -- the energy register of the outlet, all phases together
    SELECT station, transaction_id, coalesce(sampled_at, ts) AS sampled_at, ts, value_si AS wh
    FROM meter_values
    WHERE measurand = 'Energy.Active.Import.Register' AND phase IS NULL AND coalesce(location, 'Outlet') = 'Outlet'
      AND value_si IS NOT NULL AND unit_si = 'Wh' AND transaction_id IS NOT NULL
),
second_generation AS (
    SELECT
        station, any_value(version) AS version, id AS transaction_id,
        arg_min(evse, ts) AS evse,
        arg_min(connector, ts) AS connector,
        arg_min(token, ts) AS token,
        arg_min(token_status, ts) AS token_status,
        min(ts) FILTER (event_type = 'Started') AS start,
        min(ts) FILTER (event_type = 'Ended') AS stop,
        arg_min(reported_at, ts) FILTER (event_type = 'Started') AS start_reported,
        arg_min(reported_at, ts) FILTER (event_type = 'Ended') AS stop_reported,
        any_value(first_wh) AS meter_start_wh,
        any_value(last_wh) AS meter_stop_wh,
        arg_min(reason, ts) FILTER (event_type = 'Ended') AS reason,
        arg_min(connection_id, ts) AS connection_id,
        arg_min(capture_id, ts) AS capture_id,
        arg_min(message_id, ts) FILTER (event_type = 'Started') AS start_message_id,
        arg_min(message_id, ts) FILTER (event_type = 'Ended') AS stop_message_id,
        arg_min(frame_no, ts) FILTER (event_type = 'Started') AS start_frame_no,
        arg_min(frame_no, ts) FILTER (event_type = 'Ended') AS stop_frame_no
    FROM events
    LEFT JOIN (
        SELECT station, transaction_id AS id, arg_min(wh, sampled_at) AS first_wh, arg_max(wh, sampled_at) AS last_wh
        FROM registers
        GROUP BY station, transaction_id
    ) AS energy USING (station, id)
    WHERE id IS NOT NULL
    GROUP BY station, id
),
latest AS (  -- 1.6: how far an open transaction has come
    SELECT any_value(run.station) AS station, run.start_message_id, arg_max(wh, sampled_at) AS wh
    FROM first_generation AS run
    JOIN registers ON registers.station = run.station AND registers.transaction_id = run.transaction_id
     AND registers.ts >= run.start
    WHERE run.stop IS NULL
    GROUP BY run.start_message_id
),
every_transaction AS (
    SELECT first_generation.* REPLACE (coalesce(meter_stop_wh, latest.wh) AS meter_stop_wh)
    FROM first_generation
    LEFT JOIN latest ON latest.start_message_id = first_generation.start_message_id
    UNION ALL
    SELECT * FROM second_generation
)
SELECT
    station, version, transaction_id, evse, connector, token, token_status, start, stop,
    CASE
        WHEN start IS NULL AND stop IS NULL THEN 'middle only'
        WHEN start IS NULL THEN 'started before the capture'
        WHEN stop IS NULL THEN 'open'
        ELSE 'closed'
    END AS state,
    meter_stop_wh - meter_start_wh AS energy_wh,
    reason, start_reported, stop_reported, meter_start_wh, meter_stop_wh, connection_id, capture_id,
    start_message_id, stop_message_id, start_frame_no, stop_frame_no
FROM every_transaction;

CREATE OR REPLACE VIEW stations AS
WITH boots AS (
    SELECT
        station, count(*) AS boots,
        arg_max(coalesce(payload->>'$.chargePointVendor', payload->>'$.chargingStation.vendorName'), ts) AS vendor,
        arg_max(coalesce(payload->>'$.chargePointModel', payload->>'$.chargingStation.model'), ts) AS model,
        arg_max(coalesce(payload->>'$.firmwareVersion', payload->>'$.chargingStation.firmwareVersion'), ts) AS firmware,
        arg_max(coalesce(payload->>'$.chargePointSerialNumber', payload->>'$.chargeBoxSerialNumber',
            payload->>'$.chargingStation.serialNumber'), ts) AS serial_number
    FROM messages
    WHERE kind = 'CALL' AND action = 'BootNotification' AND sender <> 'csms'
    GROUP BY station
),
traffic AS (
    SELECT
        station, count(*) AS messages, min(ts) AS first_ts, max(ts) AS last_ts,
        list_sort(list(DISTINCT version) FILTER (version IS NOT NULL)) AS versions
    FROM messages
    GROUP BY station
),
links AS (
    SELECT
        station, count(*) AS connections,
        count(*) FILTER (upgrade_status = 101 OR (upgrade_status IS NULL AND messages > 0)) AS sessions,
        min(opened_at) AS first_ts, max(closed_at) AS last_ts,
        sum(CASE WHEN upgrade_status = 101 OR messages > 0
            THEN (epoch_ns(closed_at) - epoch_ns(opened_at)) / 1e9 ELSE 0 END) AS connected_s
    FROM connections
    WHERE is_ocpp
    GROUP BY station
),
faults AS (
    SELECT station, count(*) AS findings FROM findings WHERE verdict = 'violation' GROUP BY station
),
names AS (
    SELECT station FROM traffic WHERE station IS NOT NULL
    UNION
    SELECT station FROM links WHERE station IS NOT NULL
)
SELECT
    names.station, vendor, model, firmware, serial_number, versions,
    least(traffic.first_ts, links.first_ts) AS first_seen,
    greatest(traffic.last_ts, links.last_ts) AS last_seen,
    coalesce(links.connections, 0) AS connections,
    coalesce(links.sessions, 0) AS sessions,
    links.connected_s,
    coalesce(traffic.messages, 0) AS messages,
    coalesce(boots.boots, 0) AS boots,
    coalesce(faults.findings, 0) AS findings
FROM names
LEFT JOIN traffic USING (station)
LEFT JOIN links USING (station)
LEFT JOIN boots USING (station)
LEFT JOIN faults USING (station);
