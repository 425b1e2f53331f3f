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

-- What a message says at each of some paths: the text is parsed once. TRY, since json_extract raises for no JSON.
CREATE OR REPLACE MACRO said_in(raw, paths) AS TRY(json_extract_string(raw, paths));

-- payload is computed when it is asked for: storing it would double the file, reading it costs 0.2 µs a row.
-- DuckDB writes its numbers anew (1.50 becomes 1.5): the exact text is in raw.
-- json_valid guards json_extract, which raises for text that is no JSON. Positions: OCPP-J 1.6 §4.2.
-- Texts of more than 128 KiB lie in pieces; nearly always that table is empty, and joining it costs nothing.
-- What came over SOAP stands here as OCPP-J would have written it; `messages` has its XML.
CREATE OR REPLACE VIEW frames AS
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

CREATE OR REPLACE VIEW messages AS
SELECT frames.* REPLACE (coalesce(soap_messages.xml, raw) AS raw)
FROM frames LEFT JOIN (SELECT message_id, xml FROM soap_messages) AS soap_messages USING (message_id);

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
FROM frames AS call
LEFT JOIN frames AS answer ON answer.request_id = call.message_id
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
FROM message_records AS call
LEFT JOIN message_records AS answer ON answer.request_id = call.message_id
WHERE call.kind = 'CALL'
GROUP BY call.action, call.version, call.sender;

-- What both generations write in meterValue and transactionData, read in one pass: 0.4 µs a message, where unnesting
-- JSON and asking each piece for each member took 2.
CREATE OR REPLACE MACRO meter_values_at(raw, path) AS TRY(from_json(json_extract(raw, path),
    '[{"timestamp": "VARCHAR", "sampledValue": [{"value": "VARCHAR", "measurand": "VARCHAR", "context": "VARCHAR",
       "phase": "VARCHAR", "location": "VARCHAR", "format": "VARCHAR", "unit": "VARCHAR",
       "unitOfMeasure": {"unit": "VARCHAR", "multiplier": "VARCHAR"}}]}]'));

CREATE OR REPLACE MACRO finite(written) AS
    CASE WHEN isfinite(TRY_CAST(written AS DOUBLE)) AND abs(TRY_CAST(written AS DOUBLE)) < 1e100
    THEN TRY_CAST(written AS DOUBLE) END;

CREATE OR REPLACE MACRO unit_of(sample) AS coalesce(sample.unit, sample.unitOfMeasure.unit,
    CASE WHEN starts_with(coalesce(sample.measurand, 'Energy.'), 'Energy.') THEN 'Wh' END);

-- More than five words in IN would become a join.
CREATE OR REPLACE MACRO in_si(number, unit, multiplier) AS CASE
    WHEN multiplier IS NOT NULL AND NOT (multiplier BETWEEN -30 AND 30) THEN NULL
    ELSE CASE lower(unit)
        WHEN 'fahrenheit' THEN (number * pow(10, coalesce(multiplier, 0)) - 32) / 1.8
        WHEN 'k' THEN number * pow(10, coalesce(multiplier, 0)) - 273.15
        WHEN 'kelvin' THEN number * pow(10, coalesce(multiplier, 0)) - 273.15
        WHEN 'kwh' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN 'kw' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN 'kvarh' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN 'kvar' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN 'kva' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        WHEN 'kvah' THEN number * pow(10, coalesce(multiplier, 0)) * 1000
        ELSE CASE WHEN multiplier IS NULL THEN number ELSE number * pow(10, multiplier) END
    END
END;

CREATE OR REPLACE MACRO si_of(unit) AS CASE lower(unit)
    WHEN 'kwh' THEN 'Wh' WHEN 'kw' THEN 'W' WHEN 'kvarh' THEN 'varh' WHEN 'kvar' THEN 'var'
    WHEN 'kva' THEN 'VA' WHEN 'kvah' THEN 'VAh'
    WHEN 'fahrenheit' THEN 'Celsius' WHEN 'k' THEN 'Celsius' WHEN 'kelvin' THEN 'Celsius' WHEN 'celcius' THEN 'Celsius'
    ELSE unit
END;

CREATE OR REPLACE VIEW meter_values AS
WITH carriers AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts, action,
        said_in(raw, ['$[3].evse.id', '$[3].evseId', '$[3].evse.connectorId', '$[3].connectorId', '$[3].transactionId',
            '$[3].transactionInfo.transactionId', '$[3].transactionData.id']) AS said,
        unnest(CASE action
            WHEN 'StopTransaction' THEN meter_values_at(raw, '$[3].transactionData')
            ELSE meter_values_at(raw, '$[3].meterValue')
        END) AS meter_value
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms'
      AND action IN ('MeterValues', 'StopTransaction', 'TransactionEvent')
),
samples AS (
    SELECT
        * EXCLUDE (said, meter_value),
        TRY_CAST(coalesce(said[1], said[2]) AS BIGINT) AS evse,
        TRY_CAST(coalesce(said[3], said[4]) AS BIGINT) AS connector,
        coalesce(said[5], said[6], said[7]) AS transaction_id,
        station_time(meter_value.timestamp) AS sampled_at,
        unnest(meter_value.sampledValue) AS sample
    FROM carriers
),
fields AS (
    SELECT
        * EXCLUDE (sample),
        coalesce(sample.measurand, 'Energy.Active.Import.Register') AS measurand,
        sample.context AS context,
        sample.phase AS phase,
        sample.location AS location,
        sample.format AS format,
        sample.value AS value_text,
        finite(sample.value) AS value,
        unit_of(sample) AS unit,
        TRY_CAST(sample.unitOfMeasure.multiplier AS DOUBLE) AS multiplier
    FROM samples
)
SELECT
    message_id, connection_id, capture_id, frame_no, station, version, ts, action, evse, connector, transaction_id,
    sampled_at, measurand, context, phase, location, format, value_text, value, unit, multiplier,
    in_si(value, unit, multiplier) AS value_si, si_of(unit) AS unit_si
FROM fields;

-- 2.x stations report a status by StatusNotification or by NotifyEvent on AvailabilityState (OCPP 2.0.1 G01).
CREATE OR REPLACE VIEW status_changes AS
WITH reports AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        said_in(raw, ['$[3].evseId', '$[3].connectorId', '$[3].status', '$[3].connectorStatus', '$[3].errorCode',
            '$[3].vendorErrorCode', '$[3].info', '$[3].timestamp']) AS said
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action = 'StatusNotification'
),
events AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        unnest(TRY(json_extract(raw, '$[3].eventData[*]'))) AS event
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action = 'NotifyEvent'
),
told_events AS (
    SELECT
        * EXCLUDE (event),
        json_extract_string(event, ['$.variable.name', '$.component.evse.id', '$.component.evse.connectorId',
            '$.actualValue', '$.techCode', '$.techInfo', '$.timestamp']) AS said
    FROM events
),
every_report AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        TRY_CAST(said[1] AS BIGINT) AS evse,
        TRY_CAST(said[2] AS BIGINT) AS connector,
        coalesce(said[3], said[4]) AS status,
        said[5] AS error_code,
        said[6] AS vendor_error_code,
        said[7] AS info,
        station_time(said[8]) AS reported_at
    FROM reports
    UNION ALL
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        TRY_CAST(said[2] AS BIGINT), TRY_CAST(said[3] AS BIGINT), said[4], NULL, said[5], said[6],
        station_time(said[7])
    FROM told_events
    WHERE said[1] = 'AvailabilityState'
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
WITH calls AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts, action,
        said_in(raw, ['$[3].connectorId', '$[3].idTag', '$[3].meterStart', '$[3].timestamp', '$[3].transactionId',
            '$[3].meterStop', '$[3].reason']) AS said
    FROM frames
    WHERE kind = 'CALL' AND sender <> 'csms' AND action IN ('StartTransaction', 'StopTransaction')
),
start_answers AS (
    SELECT request_id, said_in(raw, ['$[2].transactionId', '$[2].idTagInfo.status']) AS said
    FROM frames
    WHERE kind = 'CALLRESULT' AND action = 'StartTransaction'
),
starts AS (
    SELECT
        call.*, answer.said[1] AS id, answer.said[2] AS token_status,
        concat_ws('|', call.said[1], call.said[2], call.said[3], call.said[4]) AS words
    FROM calls AS call
    LEFT JOIN start_answers AS answer ON answer.request_id = call.message_id
    WHERE call.action = 'StartTransaction'
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
        message_id, connection_id, capture_id, frame_no, station, version, ts, said[2] AS token, token_status,
        TRY_CAST(said[1] AS BIGINT) AS connector,
        TRY_CAST(said[3] AS DOUBLE) AS meter_wh,
        station_time(said[4]) AS reported_at,
        NULL AS reason
    FROM known_starts
    UNION ALL
    SELECT
        said[5], said[5], 'stop', NULL,
        message_id, connection_id, capture_id, frame_no, station, version, ts, said[2], NULL,
        NULL, TRY_CAST(said[6] AS DOUBLE), station_time(said[4]), said[7]
    FROM calls
    WHERE action = 'StopTransaction' AND said[5] IS NOT NULL
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
-- Events are most of what a station of 2.x says. A condition on what was said would parse each twice, a second use or a
-- join would keep each in memory: hence no WHERE, and the answers find their event by number, among those of its run.
events AS (
    SELECT
        message_id, connection_id, capture_id, frame_no, station, version, ts,
        said_in(raw, ['$[3].transactionInfo.transactionId', '$[3].transactionData.id', '$[3].eventType', '$[3].evse.id',
            '$[3].evse.connectorId', '$[3].idToken.idToken', '$[3].timestamp', '$[3].transactionInfo.stoppedReason',
            '$[3].transactionData.stoppedReason']) AS said,
        coalesce(said[1], said[2]) AS id,
        said[3] AS event_type,
        CASE WHEN event_type IN ('Started', 'Ended') THEN station_time(said[7]) END AS reported_at,
        coalesce(said[8], said[9]) AS reason
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND action = 'TransactionEvent' AND sender <> 'csms'
),
event_runs AS (
    SELECT
        station, any_value(version) AS version, id,
        arg_min(TRY_CAST(said[4] AS BIGINT), ts) AS evse,
        arg_min(TRY_CAST(said[5] AS BIGINT), ts) AS connector,
        arg_min(said[6], ts) AS token,
        min(ts) FILTER (event_type = 'Started') AS start,
        min(ts) FILTER (event_type = 'Ended') AS stop,
        arg_min(reported_at, ts) FILTER (event_type = 'Started') AS start_reported,
        arg_min(reported_at, ts) FILTER (event_type = 'Ended') AS stop_reported,
        arg_min(reason, ts) FILTER (event_type = 'Ended') AS reason,
        arg_min(connection_id, ts) AS connection_id,
        arg_min(capture_id, ts) AS capture_id,
        arg_min(message_id, ts) FILTER (event_type = 'Started') AS start_message_id,
        arg_min(message_id, ts) FILTER (event_type = 'Ended') AS stop_message_id,
        arg_min(frame_no, ts) FILTER (event_type = 'Started') AS start_frame_no,
        arg_min(frame_no, ts) FILTER (event_type = 'Ended') AS stop_frame_no,
        min(message_id) AS run,
        list({'message_id': message_id, 'ts': ts}) AS sent
    FROM events
    GROUP BY station, id
    HAVING any_value(id) IS NOT NULL
),
event_answers AS (  -- few of them say anything about a token
    SELECT request_id, said_in(raw, '$[2].idTokenInfo.status') AS token_status
    FROM frames
    WHERE kind = 'CALLRESULT' AND action = 'TransactionEvent' AND token_status IS NOT NULL
),
judgements AS (
    SELECT run, arg_min(token_status, sent.ts) AS token_status
    FROM (SELECT run, unnest(sent) AS sent FROM event_runs)
    JOIN event_answers ON request_id = sent.message_id
    GROUP BY run
),
-- The meter is read for transactions of 2.x, and for those of 1.6 that are open. The column transaction is what the
-- payload names, cut at 64 characters; where it is NULL the payload has to be asked.
open_runs AS (
    SELECT station, transaction_id, left(transaction_id, 64) AS transaction, start, start_message_id
    FROM first_generation
    WHERE start IS NOT NULL AND stop IS NULL AND transaction_id IS NOT NULL
),
open_carriers AS (
    SELECT
        station, ts, said_in(raw, '$[3].transactionId') AS transaction_id,
        meter_values_at(raw, '$[3].meterValue') AS meter_values
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action = 'MeterValues'
      AND NOT starts_with(coalesce(version, ''), '2')
      AND (transaction IS NULL OR (station, transaction) IN (SELECT station, transaction FROM open_runs))
),
carriers AS (
    SELECT
        station, NULL AS start_message_id, ts,
        CASE WHEN length(transaction) < 64 THEN transaction ELSE coalesce(
            said_in(raw, '$[3].transactionId'), said_in(raw, '$[3].transactionInfo.transactionId'),
            said_in(raw, '$[3].transactionData.id')) END AS transaction_id,
        unnest(meter_values_at(raw, '$[3].meterValue')) AS meter_value
    FROM frames
    WHERE kind IN ('CALL', 'SEND') AND sender <> 'csms' AND action IN ('MeterValues', 'TransactionEvent')
      AND (action = 'TransactionEvent' OR version <> '1.6')
    UNION ALL
    SELECT station, start_message_id, ts, transaction_id, unnest(meter_values)
    FROM open_carriers JOIN open_runs USING (station, transaction_id)
    WHERE ts >= start
),
samples AS (
    SELECT
        station, start_message_id, transaction_id,
        coalesce(station_time(meter_value.timestamp), ts) AS sampled_at,
        unnest(meter_value.sampledValue) AS sample
    FROM carriers
),
registers AS (  -- the energy register of the outlet, all phases together
    SELECT
        station, start_message_id, transaction_id, sampled_at, unit_of(sample) AS unit,
        CASE WHEN si_of(unit) = 'Wh'
            THEN in_si(finite(sample.value), unit, TRY_CAST(sample.unitOfMeasure.multiplier AS DOUBLE)) END AS wh
    FROM samples
    WHERE coalesce(sample.measurand, 'Energy.Active.Import.Register') = 'Energy.Active.Import.Register'
      AND sample.phase IS NULL AND coalesce(sample.location, 'Outlet') = 'Outlet'
),
energies AS (
    SELECT
        station, transaction_id, start_message_id,
        arg_min(wh, sampled_at) AS first_wh, arg_max(wh, sampled_at) AS last_wh
    FROM registers
    GROUP BY ALL
),
every_transaction AS (
    SELECT first_generation.* REPLACE (coalesce(meter_stop_wh, energies.last_wh) AS meter_stop_wh)
    FROM first_generation
    LEFT JOIN energies ON energies.start_message_id = first_generation.start_message_id
    UNION ALL
    SELECT
        event_runs.station, version, id, evse, connector, token, token_status, start, stop, start_reported,
        stop_reported, first_wh, last_wh, reason, connection_id, capture_id,
        event_runs.start_message_id, stop_message_id, start_frame_no, stop_frame_no
    FROM event_runs
    LEFT JOIN judgements USING (run)
    LEFT JOIN energies ON energies.station = event_runs.station AND energies.transaction_id = id
        AND energies.start_message_id IS NULL
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
WITH boot_calls AS (
    SELECT
        station, ts,
        said_in(raw, ['$[3].chargePointVendor', '$[3].chargingStation.vendorName', '$[3].chargePointModel',
            '$[3].chargingStation.model', '$[3].firmwareVersion', '$[3].chargingStation.firmwareVersion',
            '$[3].chargePointSerialNumber', '$[3].chargeBoxSerialNumber', '$[3].chargingStation.serialNumber']) AS said
    FROM frames
    WHERE kind = 'CALL' AND action = 'BootNotification' AND sender <> 'csms'
),
boots AS (
    SELECT
        station, count(*) AS boots,
        arg_max(coalesce(said[1], said[2]), ts) AS vendor,
        arg_max(coalesce(said[3], said[4]), ts) AS model,
        arg_max(coalesce(said[5], said[6]), ts) AS firmware,
        arg_max(coalesce(said[7], said[8], said[9]), ts) AS serial_number
    FROM boot_calls
    GROUP BY station
),
traffic AS (
    SELECT
        station, count(*) AS messages, min(ts) AS first_ts, max(ts) AS last_ts,
        list_sort(list(DISTINCT version) FILTER (version IS NOT NULL)) AS versions
    FROM message_records
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
    SELECT station, count(*) AS findings FROM findings WHERE verdict = 'violation' AND accepted IS NULL GROUP BY station
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
