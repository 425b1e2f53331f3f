-- OCPP 1.6, 2.0, 2.0.1 and 2.1 (JSON over WebSocket) for Wireshark and tshark 4.0 or later. One file, nothing else to install.
--
-- Copy it into the folder that "Help > About > Folders > Personal Lua Plugins" names, or run `ocpp-inspect wireshark install`.
-- Fields: ocpp.type ocpp.id ocpp.action ocpp.version ocpp.station ocpp.sender ocpp.summary ocpp.payload ocpp.error.code
-- ocpp.error.description ocpp.error.details ocpp.request_in ocpp.response_in ocpp.response_time; filters such as
--     ocpp.action == "StartTransaction"     ocpp.station == "CP1" && ocpp.type == 4     ocpp.response_time > 5     ocpp.expert
--
-- The tables between the two marks are generated from dissectors/catalogue/ by docs/generate.py; all else is written by hand.
-- Lua 5.2 to 5.4. State is kept for each TCP stream and side, so that chargers which count from 1 do not mix.

-- generated tables: begin
local PHRASES = {
  ["1.6"] = {
    certificate = "serial {serialNumber:short}",
    outcome = "{status:word}",
    profile = "{chargingProfilePurpose}[ {chargingSchedule.chargingSchedulePeriod.0.limit:n} {chargingSchedule.chargingRateUnit}][, {chargingSchedule.chargingSchedulePeriod:count step}][, stack level {stackLevel}]",
    setting = "{key} = {value:quote}|{key} (no value)",
    where = "{?connectorId=0}the station|connector {connectorId}",
  },
  ["2.0"] = {
    at = "{?evse.id=0}the station|EVSE {evse.id}[ connector {evse.connectorId}]",
    certificate = "serial {serialNumber:short}",
    event = "{@named} = {actualValue:quote}[{?cleared=true} (cleared)][ {techCode:quote}]",
    evse = "{?evseId=0}the station|EVSE {evseId}[ connector {connectorId}]",
    got = "{?attributeStatus=Accepted}{@named} = {attributeValue:quote}|{@named} {attributeStatus:word}",
    message = "{id} ({priority:word}): {message.content:quote}",
    monitor = "{@named} {type} {value:n}, severity {severity}",
    monitored = "{@named} {status:word}[ as monitor {id}]",
    named = "{component.name}[({component.instance})][ of {component.evse*place}].{variable.name}[({variable.instance})]|{component.name}[ of {component.evse*place}]",
    outcome = "{status:word}[ ({statusInfo.reasonCode}[: {statusInfo.additionalInfo:short}])]",
    place = "{?id=0}the station|EVSE {id}[ connector {connectorId}]",
    profile = "{chargingProfilePurpose}[ {chargingSchedule.0.chargingSchedulePeriod.0.limit:n} {chargingSchedule.0.chargingRateUnit}][, {chargingSchedule.0.chargingSchedulePeriod:count step}][, stack level {stackLevel}]",
    reported = "{@named} = {variableAttribute.0.value:quote}|{@named}",
    schedule = "{chargingSchedulePeriod:count step}, first {chargingSchedulePeriod.0.limit:n} {chargingRateUnit}|{chargingSchedulePeriod:count step}",
    set = "{@named} = {attributeValue:quote}",
    was_set = "{@named} {attributeStatus:word}",
  },
  ["2.0.1"] = {
    at = "{?evse.id=0}the station|EVSE {evse.id}[ connector {evse.connectorId}]",
    certificate = "serial {serialNumber:short}",
    event = "{@named} = {actualValue:quote}[{?cleared=true} (cleared)][ {techCode:quote}]",
    evse = "{?evseId=0}the station|EVSE {evseId}[ connector {connectorId}]",
    got = "{?attributeStatus=Accepted}{@named} = {attributeValue:quote}|{@named} {attributeStatus:word}",
    message = "{id} ({priority:word}): {message.content:quote}",
    monitor = "{@named} {type} {value:n}, severity {severity}",
    monitored = "{@named} {status:word}[ as monitor {id}]",
    named = "{component.name}[({component.instance})][ of {component.evse*place}].{variable.name}[({variable.instance})]|{component.name}[ of {component.evse*place}]",
    outcome = "{status:word}[ ({statusInfo.reasonCode}[: {statusInfo.additionalInfo:short}])]",
    place = "{?id=0}the station|EVSE {id}[ connector {connectorId}]",
    profile = "{chargingProfilePurpose}[ {chargingSchedule.0.chargingSchedulePeriod.0.limit:n} {chargingSchedule.0.chargingRateUnit}][, {chargingSchedule.0.chargingSchedulePeriod:count step}][, stack level {stackLevel}]",
    reported = "{@named} = {variableAttribute.0.value:quote}|{@named}",
    schedule = "{chargingSchedulePeriod:count step}, first {chargingSchedulePeriod.0.limit:n} {chargingRateUnit}|{chargingSchedulePeriod:count step}",
    set = "{@named} = {attributeValue:quote}",
    was_set = "{@named} {attributeStatus:word}",
  },
  ["2.1"] = {
    assigned = "{tariffId} ({tariffKind})",
    at = "{?evse.id=0}the station|EVSE {evse.id}[ connector {evse.connectorId}]",
    battery = "{serialNumber:short} at {soC:n} %[ on EVSE {evseId}]",
    certificate = "serial {serialNumber:short}",
    chain = "serial {certificateHashData.serialNumber:short} {status:word}",
    cleared = "{tariffId} {status:word}|{status:word}",
    event = "{@named} = {actualValue:quote}[{?cleared=true} (cleared)][ {techCode:quote}]",
    evse = "{?evseId=0}the station|EVSE {evseId}[ connector {connectorId}]",
    got = "{?attributeStatus=Accepted}{@named} = {attributeValue:quote}|{@named} {attributeStatus:word}",
    message = "{id} ({priority:word}): {message.content:quote}",
    monitor = "{@named} {type} {value:n}, severity {severity}",
    monitored = "{@named} {status:word}[ as monitor {id}]",
    named = "{component.name}[({component.instance})][ of {component.evse*place}].{variable.name}[({variable.instance})]|{component.name}[ of {component.evse*place}]",
    outcome = "{status:word}[ ({statusInfo.reasonCode}[: {statusInfo.additionalInfo:short}])]",
    place = "{?id=0}the station|EVSE {id}[ connector {connectorId}]",
    profile = "{chargingProfilePurpose}[ {chargingSchedule.0.chargingSchedulePeriod.0.limit:n} {chargingSchedule.0.chargingRateUnit}][, {chargingSchedule.0.chargingSchedulePeriod:count step}][, stack level {stackLevel}]",
    reported = "{@named} = {variableAttribute.0.value:quote}|{@named}",
    schedule = "{chargingSchedulePeriod:count step}, first {chargingSchedulePeriod.0.limit:n} {chargingRateUnit}|{chargingSchedulePeriod:count step}",
    set = "{@named} = {attributeValue:quote}",
    stream = "{id} of monitor {variableMonitoringId}[ every {params.interval:duration}][ or {params.values} values]",
    tariff = "{tariffId}[ in {currency}][, {energy.prices.0.priceKwh:n} per kWh]",
    update = "limit {limit:n}|setpoint {setpoint:n}|discharge limit {dischargeLimit:n}",
    was_set = "{@named} {attributeStatus:word}",
  },
}
local ACTIONS = {
  ["1.6"] = {
    Authorize = { by = "station", request = "tag {idTag:tag} asks to charge", response = "{?idTagInfo.status=Accepted}tag[ {request.idTag:tag}] accepted[ until {idTagInfo.expiryDate:time}]|tag[ {request.idTag:tag}] refused: {idTagInfo.status}" },
    BootNotification = { by = "station", request = "boots: {chargePointVendor} {chargePointModel}[ fw {firmwareVersion}][ (serial {chargePointSerialNumber|chargeBoxSerialNumber})]", response = "{?status=Accepted}accepted, heartbeat every {interval:duration}|{status:word}, retry in {interval:duration}|{status:word}" },
    CancelReservation = { by = "csms", request = "cancels reservation {reservationId}", response = "{@outcome}" },
    CertificateSigned = { by = "csms", request = "delivers the signed certificate ({certificateChain:size})", response = "{@outcome}" },
    ChangeAvailability = { by = "csms", request = "makes {@where} {type}", response = "{@outcome}" },
    ChangeConfiguration = { by = "csms", request = "sets {key} = {value:quote}", response = "[{request.key} ]{@outcome}", secret_request = { "value when key" } },
    ClearCache = { by = "csms", request = "clears the authorization cache", response = "{@outcome}" },
    ClearChargingProfile = { by = "csms", request = "{?id}clears charging profile {id}|clears[ {chargingProfilePurpose}] charging profiles[ of {@where}][, stack level {stackLevel}]", response = "{@outcome}" },
    DataTransfer = { by = "both", request = "vendor message {vendorId}[/{messageId}][: {data:quote}]", response = "{@outcome}[: {data:quote}]" },
    DeleteCertificate = { by = "csms", request = "deletes the certificate with {certificateHashData*certificate}", response = "{@outcome}" },
    DiagnosticsStatusNotification = { by = "station", request = "diagnostics: {status}", response = "noted" },
    ExtendedTriggerMessage = { by = "csms", request = "asks for {requestedMessage}[ of {@where}]", response = "{@outcome}" },
    FirmwareStatusNotification = { by = "station", request = "firmware: {status}", response = "noted" },
    GetCompositeSchedule = { by = "csms", request = "asks for the schedule of {@where} over {duration:duration}[ in {chargingRateUnit}]", response = "{?status=Accepted}schedule[ of {@where}][: {chargingSchedule.chargingSchedulePeriod:count step}[, first {chargingSchedule.chargingSchedulePeriod.0.limit:n} {chargingSchedule.chargingRateUnit}]]|{status:word}" },
    GetConfiguration = { by = "csms", request = "asks for {key:list}|asks for the whole configuration", response = "{?configurationKey}{configurationKey*setting}[, unknown: {unknownKey:list}]|unknown: {unknownKey:list}|nothing", secret_response = { "configurationKey.*.value when configurationKey.*.key" } },
    GetDiagnostics = { by = "csms", request = "asks for diagnostics to {location:url}[ since {startTime:time}][ until {stopTime:time}]", response = "will upload {fileName:quote}|has nothing to upload", secret_request = { "location as url" } },
    GetInstalledCertificateIds = { by = "csms", request = "asks for installed {certificateType} certificates", response = "{?certificateHashData}{certificateHashData:count certificate}|{status:word}" },
    GetLocalListVersion = { by = "csms", request = "asks for the version of the local list", response = "{?listVersion=-1}local list not supported|{?listVersion=0}local list is empty|local list version {listVersion}" },
    GetLog = { by = "csms", request = "asks for the {logType} to {log.remoteLocation:url}, request {requestId}", response = "{@outcome}[: {filename:quote}]", secret_request = { "log.remoteLocation as url" } },
    Heartbeat = { by = "station", request = "alive", response = "time is {currentTime:time}" },
    InstallCertificate = { by = "csms", request = "installs a {certificateType} ({certificate:size})", response = "{@outcome}" },
    LogStatusNotification = { by = "station", request = "log upload[ {requestId}]: {status}", response = "noted" },
    MeterValues = { by = "station", request = "meter: {meterValue:meter} on {@where}[ in transaction {transactionId}]|meter on {@where}[ in transaction {transactionId}]: no values", response = "noted" },
    RemoteStartTransaction = { by = "csms", request = "starts for tag {idTag:tag}[ on {@where}][ with {chargingProfile*profile}]", response = "{@outcome}" },
    RemoteStopTransaction = { by = "csms", request = "stops transaction {transactionId}", response = "{@outcome}" },
    ReserveNow = { by = "csms", request = "reserves {@where} for tag {idTag:tag} until {expiryDate:time}, reservation {reservationId}", response = "{@outcome}" },
    Reset = { by = "csms", request = "{type:word} reset", response = "{@outcome}" },
    SecurityEventNotification = { by = "station", request = "security event {type}[: {techInfo:quote}]", response = "noted" },
    SendLocalList = { by = "csms", request = "{updateType:word} local list version {listVersion}, {localAuthorizationList:count tag}|{updateType:word} local list version {listVersion}, no tags", response = "{@outcome}" },
    SetChargingProfile = { by = "csms", request = "limits {@where}: {csChargingProfiles*profile}[ in transaction {csChargingProfiles.transactionId}]", response = "{@outcome}" },
    SignCertificate = { by = "station", request = "asks to sign a certificate request ({csr:size})", response = "{@outcome}" },
    SignedFirmwareStatusNotification = { by = "station", request = "firmware update[ {requestId}]: {status}", response = "noted" },
    SignedUpdateFirmware = { by = "csms", request = "update firmware from {firmware.location:url} at {firmware.retrieveDateTime:time}, request {requestId}", response = "{@outcome}", secret_request = { "firmware.location as url" } },
    StartTransaction = { by = "station", request = "tag {idTag:tag} starts on {@where} at {meterStart:Wh}[, reservation {reservationId}]", response = "{?idTagInfo.status=Accepted}accepted as transaction {transactionId}|tag refused: {idTagInfo.status}[, transaction {transactionId}]" },
    StatusNotification = { by = "station", request = "{@where} is {status}[{?errorCode!=NoError}: {errorCode}[ {vendorErrorCode:quote}]][ ({info:short})]", response = "noted" },
    StopTransaction = { by = "station", request = "[tag {idTag:tag} ]stops transaction {transactionId} at {meterStop:Wh}[ ({reason:word})][, {transactionData:count sample}]", response = "{?idTagInfo.status=Accepted}accepted|tag refused: {idTagInfo.status}|noted" },
    TriggerMessage = { by = "csms", request = "asks for {requestedMessage}[ of {@where}]", response = "{@outcome}" },
    UnlockConnector = { by = "csms", request = "unlocks {@where}", response = "{@outcome}" },
    UpdateFirmware = { by = "csms", request = "update firmware from {location:url} at {retrieveDate:time}", response = "noted", secret_request = { "location as url" } },
  },
  ["2.0"] = {
    Authorize = { by = "station", request = "token {idToken.idToken:tag}[ ({idToken.type})] asks to charge|a contract certificate asks to charge", response = "{?idTokenInfo.status=Accepted}token[ {request.idToken.idToken:tag}] accepted[ until {idTokenInfo.cacheExpiryDateTime:time}]|token[ {request.idToken.idToken:tag}] refused: {idTokenInfo.status}[, certificate {certificateStatus}]" },
    BootNotification = { by = "station", request = "boots ({reason:word}): {chargingStation.vendorName} {chargingStation.model}[ fw {chargingStation.firmwareVersion}][ (serial {chargingStation.serialNumber})]", response = "{?status=Accepted}accepted, heartbeat every {interval:duration}|{@outcome}, retry in {interval:duration}|{@outcome}" },
    CancelReservation = { by = "csms", request = "cancels reservation {reservationId}", response = "{@outcome}" },
    CertificateSigned = { by = "csms", request = "delivers {cert:count certificate}[ ({typeOfCertificate})]", response = "{@outcome}" },
    ChangeAvailability = { by = "csms", request = "makes {@evse} {operationalStatus}", response = "{@outcome}" },
    ClearCache = { by = "csms", request = "clears the authorization cache", response = "{@outcome}" },
    ClearChargingProfile = { by = "csms", request = "{?chargingProfile.chargingProfileId}clears charging profile {chargingProfile.chargingProfileId}|clears[ {chargingProfile.chargingProfilePurpose}] charging profiles[ of {@evse}][, stack level {chargingProfile.stackLevel}]", response = "{@outcome}" },
    ClearDisplayMessage = { by = "csms", request = "clears display message {id}", response = "{@outcome}" },
    ClearVariableMonitoring = { by = "csms", request = "clears {id:count monitor}: {id:list}", response = "{clearMonitoringResult:count result}, first {clearMonitoringResult.0.status:word}" },
    ClearedChargingLimit = { by = "station", request = "limit of {chargingLimitSource} released[ on {@evse}]", response = "noted" },
    CostUpdated = { by = "csms", request = "transaction {transactionId:id} costs {totalCost:n} so far", response = "noted" },
    CustomerInformation = { by = "csms", request = "[{?report=true}reports ][{?clear=true}clears ]customer data[ of {customerIdentifier:short}][ of token {idToken.idToken:tag}], request {requestId}", response = "{@outcome}" },
    DataTransfer = { by = "both", request = "vendor message {vendorId}[/{messageId}][: {data:quote}]", response = "{@outcome}[: {data:quote}]" },
    DeleteCertificate = { by = "csms", request = "deletes the certificate with {certificateHashData*certificate}", response = "{@outcome}" },
    FirmwareStatusNotification = { by = "station", request = "firmware update[ {requestId}]: {status}", response = "noted" },
    Get15118EVCertificate = { by = "station", request = "EV asks for a contract certificate ({exiRequest:size})", response = "{@outcome}[, {exiResponse:size}]" },
    GetBaseReport = { by = "csms", request = "asks for the {reportBase}, request {requestId}", response = "{@outcome}" },
    GetCertificateStatus = { by = "station", request = "asks for the OCSP status of the certificate with serial {ocspRequestData.serialNumber:short}", response = "{@outcome}[, {ocspResult:size}]" },
    GetChargingProfiles = { by = "csms", request = "asks for[ {chargingProfile.chargingProfilePurpose}] charging profiles[ of {@evse}], request {requestId}", response = "{@outcome}" },
    GetCompositeSchedule = { by = "csms", request = "asks for the schedule of {@evse} over {duration:duration}[ in {chargingRateUnit}]", response = "{?status=Accepted}schedule of EVSE {schedule.evseId}: {schedule*schedule}|{@outcome}" },
    GetDisplayMessages = { by = "csms", request = "asks for display messages[ {id:list}][, {priority:word}][, {state:word}], request {requestId}", response = "{@outcome}" },
    GetInstalledCertificateIds = { by = "csms", request = "asks for installed {typeOfCertificate} certificates", response = "{certificateHashData:count certificate}|{@outcome}" },
    GetLocalListVersion = { by = "csms", request = "asks for the version of the local list", response = "{?versionNumber=0}local list is empty|local list version {versionNumber}" },
    GetLog = { by = "csms", request = "asks for the {logType} to {log.remoteLocation:url}, request {requestId}", response = "{@outcome}[: {filename:quote}]", secret_request = { "log.remoteLocation as url" } },
    GetMonitoringReport = { by = "csms", request = "asks for monitors[ of {componentVariable*named}][: {monitoringCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetReport = { by = "csms", request = "asks for a report[ of {componentVariable*named}][: {componentCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetTransactionStatus = { by = "csms", request = "asks about transaction {transactionId:id}|asks about queued messages", response = "[{?ongoingIndicator=true}ongoing, ][{?ongoingIndicator=false}ended, ][{?messagesInQueue=true}messages are queued|nothing is queued]" },
    GetVariables = { by = "csms", request = "asks for {getVariableData*named}", response = "{getVariableResult*got}", secret_response = { "getVariableResult.*.attributeValue when getVariableResult.*.variable.name" } },
    Heartbeat = { by = "station", request = "alive", response = "time is {currentTime:time}" },
    InstallCertificate = { by = "csms", request = "installs a {certificateType} ({certificate:size})", response = "{@outcome}" },
    LogStatusNotification = { by = "station", request = "log upload[ {requestId}]: {status}", response = "noted" },
    MeterValues = { by = "station", request = "meter: {meterValue:meter} on {@evse}|meter on {@evse}: no values", response = "noted" },
    NotifyCentralChargingNeeds = { by = "csms", request = "offers EVSE {evseId} {saSchedule:count schedule}", response = "{@outcome}|noted" },
    NotifyChargingLimit = { by = "station", request = "{chargingLimit.chargingLimitSource} limits[ {@evse}][{?chargingLimit.isGridCritical=true} (grid critical)][: {chargingSchedule.0*schedule}]", response = "noted" },
    NotifyCustomerInformation = { by = "station", request = "customer data for request {requestId}, part {seqNo}[{?tbc=true}, more to come]", response = "noted" },
    NotifyDisplayMessages = { by = "station", request = "display messages for request {requestId}[: {messageInfo*message}][{?tbc=true}, more to come]", response = "noted" },
    NotifyEVChargingNeeds = { by = "station", request = "EV needs {chargingNeeds.requestedEnergyTransfer}[ {chargingNeeds.acChargingParameters.energyAmount:Wh}][ up to {chargingNeeds.dcChargingParameters.evMaxPower:W}][ at {chargingNeeds.dcChargingParameters.stateOfCharge:n} %][ by {chargingNeeds.departureTime:time}] on {@evse}", response = "{@outcome}" },
    NotifyEVChargingSchedule = { by = "station", request = "EV plans {chargingSchedule*schedule} on {@evse}", response = "{@outcome}" },
    NotifyEvent = { by = "station", request = "{eventData*event}[{?tbc=true}, more to come]", response = "noted", secret_request = { "eventData.*.actualValue when eventData.*.variable.name" } },
    NotifyMonitoringReport = { by = "station", request = "monitors for request {requestId}, part {seqNo}[: {monitor.0.variableMonitoring:count monitor} on {monitor*named}][{?tbc=true}, more to come]", response = "noted" },
    NotifyReport = { by = "station", request = "report {requestId}, part {seqNo}[: {reportData*reported}][{?tbc=true}, more to come]", response = "noted", secret_request = { "reportData.*.variableAttribute.*.value when reportData.*.variable.name" } },
    PublishFirmware = { by = "csms", request = "publish firmware from {location:url} locally", response = "{@outcome}", secret_request = { "location as url" } },
    PublishFirmwareStatusNotification = { by = "station", request = "local firmware: {status}[ at {location:url}]", response = "noted" },
    Renegotiate15118Schedule = { by = "csms", request = "asks to renegotiate the schedule of {@at}", response = "{@outcome}" },
    ReportChargingProfiles = { by = "station", request = "charging profiles of {@evse} by {chargingLimitSource}, request {requestId}[: {chargingProfile*profile}][{?tbc=true}, more to come]", response = "noted" },
    RequestStartTransaction = { by = "csms", request = "starts for token {idToken.idToken:tag}[ on {@evse}], remote start {remoteStartId}[ with {chargingProfile*profile}]", response = "{@outcome}[, transaction {transactionId:id}]" },
    RequestStopTransaction = { by = "csms", request = "stops transaction {transactionId:id}", response = "{@outcome}" },
    ReservationStatusUpdate = { by = "station", request = "reservation {reservationId} is {reservationUpdateStatus}", response = "noted" },
    ReserveNow = { by = "csms", request = "reserves EVSE {reservation.evse.id} for token {idToken.idToken:tag} until {reservation.expiryDateTime:time}, reservation {reservation.id}", response = "{@outcome}" },
    Reset = { by = "csms", request = "{type:word} reset[ of {@evse}]", response = "{@outcome}" },
    SecurityEventNotification = { by = "station", request = "security event {type}[: {techInfo:quote}]", response = "noted" },
    SendLocalList = { by = "csms", request = "{updateType:word} local list version {versionNumber}, {localAuthorizationList:count token}|{updateType:word} local list version {versionNumber}, no tokens", response = "{@outcome}" },
    SetChargingProfile = { by = "csms", request = "limits {@evse}: {chargingProfile*profile}[ in transaction {chargingProfile.transactionId:id}]", response = "{@outcome}" },
    SetDisplayMessage = { by = "csms", request = "shows message {message*message}", response = "{@outcome}" },
    SetMonitoringBase = { by = "csms", request = "sets monitoring to {monitoringBase}", response = "{@outcome}" },
    SetMonitoringLevel = { by = "csms", request = "monitors severity {severity} and worse", response = "{@outcome}" },
    SetNetworkProfile = { by = "csms", request = "network profile {configurationSlot}: {connectionData.ocppCsmsUrl:url} by {connectionData.ocppInterface}, security profile {connectionData.securityProfile}", response = "{@outcome}", secret_request = { "connectionData.apn.apnPassword", "connectionData.apn.simPin", "connectionData.vpn.password", "connectionData.vpn.key", "connectionData.ocppCsmsUrl as url" } },
    SetVariableMonitoring = { by = "csms", request = "monitors {setMonitoringData*monitor}", response = "{setMonitoringResult*monitored}" },
    SetVariables = { by = "csms", request = "sets {setVariableData*set}", response = "{setVariableResult*was_set}", secret_request = { "setVariableData.*.attributeValue when setVariableData.*.variable.name" } },
    SignCertificate = { by = "station", request = "asks to sign a[ {typeOfCertificate}] request ({csr:size})", response = "{@outcome}" },
    StatusNotification = { by = "station", request = "{@evse} is {connectorStatus}", response = "noted" },
    TransactionEvent = { by = "station", request = "[{?eventType=Started}starts|{?eventType=Ended}ends|updates] transaction {transactionData.id:id} #{seqNo}[ on {@at}] ({triggerReason:word})[, token {idToken.idToken:tag}][, {transactionData.chargingState:word}][, stopped: {transactionData.stoppedReason:word}][, {meterValue:meter}][{?offline=true}, was offline]", response = "{?idTokenInfo.status!=Accepted}token refused: {idTokenInfo.status}[, cost {totalCost:n}]|[{?idTokenInfo.status=Accepted}token accepted|noted][, cost {totalCost:n}]" },
    TriggerMessage = { by = "csms", request = "asks for {requestedMessage}[ of {@at}]", response = "{@outcome}" },
    UnlockConnector = { by = "csms", request = "unlocks {@evse}", response = "{@outcome}" },
    UnpublishFirmware = { by = "csms", request = "stops publishing firmware {checksum:short}", response = "{status:word}" },
    Update15118EVCertificate = { by = "station", request = "EV asks to renew its contract certificate ({exiRequest:size})", response = "{@outcome}[, {exiResponse:size}]" },
    UpdateFirmware = { by = "csms", request = "update firmware from {firmware.location:url} at {firmware.retrieveDateTime:time}, request {requestId}", response = "{@outcome}", secret_request = { "firmware.location as url" } },
  },
  ["2.0.1"] = {
    Authorize = { by = "station", request = "token {idToken.idToken:tag}[ ({idToken.type})] asks to charge|a contract certificate asks to charge", response = "{?idTokenInfo.status=Accepted}token[ {request.idToken.idToken:tag}] accepted[ until {idTokenInfo.cacheExpiryDateTime:time}]|token[ {request.idToken.idToken:tag}] refused: {idTokenInfo.status}[, certificate {certificateStatus}]" },
    BootNotification = { by = "station", request = "boots ({reason:word}): {chargingStation.vendorName} {chargingStation.model}[ fw {chargingStation.firmwareVersion}][ (serial {chargingStation.serialNumber})]", response = "{?status=Accepted}accepted, heartbeat every {interval:duration}|{@outcome}, retry in {interval:duration}|{@outcome}" },
    CancelReservation = { by = "csms", request = "cancels reservation {reservationId}", response = "{@outcome}" },
    CertificateSigned = { by = "csms", request = "delivers the signed[ {certificateType}] ({certificateChain:size})", response = "{@outcome}" },
    ChangeAvailability = { by = "csms", request = "makes {@at} {operationalStatus}|makes the station {operationalStatus}", response = "{@outcome}" },
    ClearCache = { by = "csms", request = "clears the authorization cache", response = "{@outcome}" },
    ClearChargingProfile = { by = "csms", request = "clears charging profile {chargingProfileId}|clears[ {chargingProfileCriteria.chargingProfilePurpose}] charging profiles[ of EVSE {chargingProfileCriteria.evseId}][, stack level {chargingProfileCriteria.stackLevel}]", response = "{@outcome}" },
    ClearDisplayMessage = { by = "csms", request = "clears display message {id}", response = "{@outcome}" },
    ClearVariableMonitoring = { by = "csms", request = "clears {id:count monitor}: {id:list}", response = "{clearMonitoringResult:count result}, first {clearMonitoringResult.0.status:word}" },
    ClearedChargingLimit = { by = "station", request = "limit of {chargingLimitSource} released[ on {@evse}]", response = "noted" },
    CostUpdated = { by = "csms", request = "transaction {transactionId:id} costs {totalCost:n} so far", response = "noted" },
    CustomerInformation = { by = "csms", request = "[{?report=true}reports ][{?clear=true}clears ]customer data[ of {customerIdentifier:short}][ of token {idToken.idToken:tag}], request {requestId}", response = "{@outcome}" },
    DataTransfer = { by = "both", request = "vendor message {vendorId}[/{messageId}][: {data:quote}]", response = "{@outcome}[: {data:quote}]" },
    DeleteCertificate = { by = "csms", request = "deletes the certificate with {certificateHashData*certificate}", response = "{@outcome}" },
    FirmwareStatusNotification = { by = "station", request = "firmware update[ {requestId}]: {status}", response = "noted" },
    Get15118EVCertificate = { by = "station", request = "EV asks to {action:word} its contract certificate ({exiRequest:size})", response = "{@outcome}[, {exiResponse:size}]" },
    GetBaseReport = { by = "csms", request = "asks for the {reportBase}, request {requestId}", response = "{@outcome}" },
    GetCertificateStatus = { by = "station", request = "asks for the OCSP status of the certificate with serial {ocspRequestData.serialNumber:short}", response = "{@outcome}[, {ocspResult:size}]" },
    GetChargingProfiles = { by = "csms", request = "asks for[ {chargingProfile.chargingProfilePurpose}] charging profiles[ of {@evse}], request {requestId}", response = "{@outcome}" },
    GetCompositeSchedule = { by = "csms", request = "asks for the schedule of {@evse} over {duration:duration}[ in {chargingRateUnit}]", response = "{?status=Accepted}schedule of EVSE {schedule.evseId}: {schedule*schedule}|{@outcome}" },
    GetDisplayMessages = { by = "csms", request = "asks for display messages[ {id:list}][, {priority:word}][, {state:word}], request {requestId}", response = "{@outcome}" },
    GetInstalledCertificateIds = { by = "csms", request = "asks for installed certificates[: {certificateType:list}]", response = "{certificateHashDataChain:count certificate}|{@outcome}" },
    GetLocalListVersion = { by = "csms", request = "asks for the version of the local list", response = "{?versionNumber=0}local list is empty|local list version {versionNumber}" },
    GetLog = { by = "csms", request = "asks for the {logType} to {log.remoteLocation:url}, request {requestId}", response = "{@outcome}[: {filename:quote}]", secret_request = { "log.remoteLocation as url" } },
    GetMonitoringReport = { by = "csms", request = "asks for monitors[ of {componentVariable*named}][: {monitoringCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetReport = { by = "csms", request = "asks for a report[ of {componentVariable*named}][: {componentCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetTransactionStatus = { by = "csms", request = "asks about transaction {transactionId:id}|asks about queued messages", response = "[{?ongoingIndicator=true}ongoing, ][{?ongoingIndicator=false}ended, ][{?messagesInQueue=true}messages are queued|nothing is queued]" },
    GetVariables = { by = "csms", request = "asks for {getVariableData*named}", response = "{getVariableResult*got}", secret_response = { "getVariableResult.*.attributeValue when getVariableResult.*.variable.name" } },
    Heartbeat = { by = "station", request = "alive", response = "time is {currentTime:time}" },
    InstallCertificate = { by = "csms", request = "installs a {certificateType} ({certificate:size})", response = "{@outcome}" },
    LogStatusNotification = { by = "station", request = "log upload[ {requestId}]: {status}", response = "noted" },
    MeterValues = { by = "station", request = "meter: {meterValue:meter} on {@evse}|meter on {@evse}: no values", response = "noted" },
    NotifyChargingLimit = { by = "station", request = "{chargingLimit.chargingLimitSource} limits[ {@evse}][{?chargingLimit.isGridCritical=true} (grid critical)][: {chargingSchedule.0*schedule}]", response = "noted" },
    NotifyCustomerInformation = { by = "station", request = "customer data for request {requestId}, part {seqNo}[{?tbc=true}, more to come]", response = "noted" },
    NotifyDisplayMessages = { by = "station", request = "display messages for request {requestId}[: {messageInfo*message}][{?tbc=true}, more to come]", response = "noted" },
    NotifyEVChargingNeeds = { by = "station", request = "EV needs {chargingNeeds.requestedEnergyTransfer}[ {chargingNeeds.acChargingParameters.energyAmount:Wh}][ up to {chargingNeeds.dcChargingParameters.evMaxPower:W}][ at {chargingNeeds.dcChargingParameters.stateOfCharge:n} %][ by {chargingNeeds.departureTime:time}] on {@evse}", response = "{@outcome}" },
    NotifyEVChargingSchedule = { by = "station", request = "EV plans {chargingSchedule*schedule} on {@evse}", response = "{@outcome}" },
    NotifyEvent = { by = "station", request = "{eventData*event}[{?tbc=true}, more to come]", response = "noted", secret_request = { "eventData.*.actualValue when eventData.*.variable.name" } },
    NotifyMonitoringReport = { by = "station", request = "monitors for request {requestId}, part {seqNo}[: {monitor.0.variableMonitoring:count monitor} on {monitor*named}][{?tbc=true}, more to come]", response = "noted" },
    NotifyReport = { by = "station", request = "report {requestId}, part {seqNo}[: {reportData*reported}][{?tbc=true}, more to come]", response = "noted", secret_request = { "reportData.*.variableAttribute.*.value when reportData.*.variable.name" } },
    PublishFirmware = { by = "csms", request = "publish firmware from {location:url} locally, request {requestId}", response = "{@outcome}", secret_request = { "location as url" } },
    PublishFirmwareStatusNotification = { by = "station", request = "local firmware[ {requestId}]: {status}[ at {location:list}]", response = "noted" },
    ReportChargingProfiles = { by = "station", request = "charging profiles of {@evse} by {chargingLimitSource}, request {requestId}[: {chargingProfile*profile}][{?tbc=true}, more to come]", response = "noted" },
    RequestStartTransaction = { by = "csms", request = "starts for token {idToken.idToken:tag}[ on {@evse}], remote start {remoteStartId}[ with {chargingProfile*profile}]", response = "{@outcome}[, transaction {transactionId:id}]" },
    RequestStopTransaction = { by = "csms", request = "stops transaction {transactionId:id}", response = "{@outcome}" },
    ReservationStatusUpdate = { by = "station", request = "reservation {reservationId} is {reservationUpdateStatus}", response = "noted" },
    ReserveNow = { by = "csms", request = "reserves[ {@evse}] for token {idToken.idToken:tag} until {expiryDateTime:time}, reservation {id}", response = "{@outcome}" },
    Reset = { by = "csms", request = "{type:word} reset[ of {@evse}]", response = "{@outcome}" },
    SecurityEventNotification = { by = "station", request = "security event {type}[: {techInfo:quote}]", response = "noted" },
    SendLocalList = { by = "csms", request = "{updateType:word} local list version {versionNumber}, {localAuthorizationList:count token}|{updateType:word} local list version {versionNumber}, no tokens", response = "{@outcome}" },
    SetChargingProfile = { by = "csms", request = "limits {@evse}: {chargingProfile*profile}[ in transaction {chargingProfile.transactionId:id}]", response = "{@outcome}" },
    SetDisplayMessage = { by = "csms", request = "shows message {message*message}", response = "{@outcome}" },
    SetMonitoringBase = { by = "csms", request = "sets monitoring to {monitoringBase}", response = "{@outcome}" },
    SetMonitoringLevel = { by = "csms", request = "monitors severity {severity} and worse", response = "{@outcome}" },
    SetNetworkProfile = { by = "csms", request = "network profile {configurationSlot}: {connectionData.ocppCsmsUrl:url} by {connectionData.ocppInterface}, security profile {connectionData.securityProfile}", response = "{@outcome}", secret_request = { "connectionData.apn.apnPassword", "connectionData.apn.simPin", "connectionData.vpn.password", "connectionData.vpn.key", "connectionData.ocppCsmsUrl as url" } },
    SetVariableMonitoring = { by = "csms", request = "monitors {setMonitoringData*monitor}", response = "{setMonitoringResult*monitored}" },
    SetVariables = { by = "csms", request = "sets {setVariableData*set}", response = "{setVariableResult*was_set}", secret_request = { "setVariableData.*.attributeValue when setVariableData.*.variable.name" } },
    SignCertificate = { by = "station", request = "asks to sign a[ {certificateType}] request ({csr:size})", response = "{@outcome}" },
    StatusNotification = { by = "station", request = "{@evse} is {connectorStatus}", response = "noted" },
    TransactionEvent = { by = "station", request = "[{?eventType=Started}starts|{?eventType=Ended}ends|updates] transaction {transactionInfo.transactionId:id} #{seqNo}[ on {@at}] ({triggerReason:word})[, token {idToken.idToken:tag}][, {transactionInfo.chargingState:word}][, stopped: {transactionInfo.stoppedReason:word}][, {meterValue:meter}][{?offline=true}, was offline]", response = "{?idTokenInfo.status!=Accepted}token refused: {idTokenInfo.status}[, cost {totalCost:n}]|[{?idTokenInfo.status=Accepted}token accepted|noted][, cost {totalCost:n}]" },
    TriggerMessage = { by = "csms", request = "asks for {requestedMessage}[ of {@at}]", response = "{@outcome}" },
    UnlockConnector = { by = "csms", request = "unlocks {@evse}", response = "{@outcome}" },
    UnpublishFirmware = { by = "csms", request = "stops publishing firmware {checksum:short}", response = "{status:word}" },
    UpdateFirmware = { by = "csms", request = "update firmware from {firmware.location:url} at {firmware.retrieveDateTime:time}, request {requestId}", response = "{@outcome}", secret_request = { "firmware.location as url" } },
  },
  ["2.1"] = {
    AFRRSignal = { by = "csms", request = "frequency signal {signal} at {timestamp:time}", response = "{@outcome}" },
    AdjustPeriodicEventStream = { by = "csms", request = "adjusts stream {id}[: every {params.interval:duration}][ or {params.values} values]", response = "{@outcome}" },
    Authorize = { by = "station", request = "token {idToken.idToken:tag}[ ({idToken.type})] asks to charge|a contract certificate asks to charge", response = "{?idTokenInfo.status=Accepted}token[ {request.idToken.idToken:tag}] accepted[ until {idTokenInfo.cacheExpiryDateTime:time}]|token[ {request.idToken.idToken:tag}] refused: {idTokenInfo.status}[, certificate {certificateStatus}]" },
    BatterySwap = { by = "station", request = "{eventType}: {batteryData*battery}, token {idToken.idToken:tag}, request {requestId}", response = "noted" },
    BootNotification = { by = "station", request = "boots ({reason:word}): {chargingStation.vendorName} {chargingStation.model}[ fw {chargingStation.firmwareVersion}][ (serial {chargingStation.serialNumber})]", response = "{?status=Accepted}accepted, heartbeat every {interval:duration}|{@outcome}, retry in {interval:duration}|{@outcome}" },
    CancelReservation = { by = "csms", request = "cancels reservation {reservationId}", response = "{@outcome}" },
    CertificateSigned = { by = "csms", request = "delivers the signed[ {certificateType}] ({certificateChain:size})", response = "{@outcome}" },
    ChangeAvailability = { by = "csms", request = "makes {@at} {operationalStatus}|makes the station {operationalStatus}", response = "{@outcome}" },
    ChangeTransactionTariff = { by = "csms", request = "transaction {transactionId:id} gets tariff {tariff*tariff}", response = "{@outcome}" },
    ClearCache = { by = "csms", request = "clears the authorization cache", response = "{@outcome}" },
    ClearChargingProfile = { by = "csms", request = "clears charging profile {chargingProfileId}|clears[ {chargingProfileCriteria.chargingProfilePurpose}] charging profiles[ of EVSE {chargingProfileCriteria.evseId}][, stack level {chargingProfileCriteria.stackLevel}]", response = "{@outcome}" },
    ClearDERControl = { by = "csms", request = "clears[{?isDefault=true} default|{?isDefault=false} scheduled] grid control[ {controlType}][ {controlId:id}]", response = "{@outcome}" },
    ClearDisplayMessage = { by = "csms", request = "clears display message {id}", response = "{@outcome}" },
    ClearTariffs = { by = "csms", request = "clears tariffs[ {tariffIds:list}][ of {@evse}]", response = "{clearTariffsResult*cleared}" },
    ClearVariableMonitoring = { by = "csms", request = "clears {id:count monitor}: {id:list}", response = "{clearMonitoringResult:count result}, first {clearMonitoringResult.0.status:word}" },
    ClearedChargingLimit = { by = "station", request = "limit of {chargingLimitSource} released[ on {@evse}]", response = "noted" },
    ClosePeriodicEventStream = { by = "station", request = "closes stream {id}", response = "noted" },
    CostUpdated = { by = "csms", request = "transaction {transactionId:id} costs {totalCost:n} so far", response = "noted" },
    CustomerInformation = { by = "csms", request = "[{?report=true}reports ][{?clear=true}clears ]customer data[ of {customerIdentifier:short}][ of token {idToken.idToken:tag}], request {requestId}", response = "{@outcome}" },
    DataTransfer = { by = "both", request = "vendor message {vendorId}[/{messageId}][: {data:quote}]", response = "{@outcome}[: {data:quote}]" },
    DeleteCertificate = { by = "csms", request = "deletes the certificate with {certificateHashData*certificate}", response = "{@outcome}" },
    FirmwareStatusNotification = { by = "station", request = "firmware update[ {requestId}]: {status}", response = "noted" },
    Get15118EVCertificate = { by = "station", request = "EV asks to {action:word} its contract certificate ({exiRequest:size})", response = "{@outcome}[, {exiResponse:size}]" },
    GetBaseReport = { by = "csms", request = "asks for the {reportBase}, request {requestId}", response = "{@outcome}" },
    GetCertificateChainStatus = { by = "station", request = "asks for the status of {certificateStatusRequests:count certificate}", response = "{certificateStatus*chain}" },
    GetCertificateStatus = { by = "station", request = "asks for the OCSP status of the certificate with serial {ocspRequestData.serialNumber:short}", response = "{@outcome}[, {ocspResult:size}]" },
    GetChargingProfiles = { by = "csms", request = "asks for[ {chargingProfile.chargingProfilePurpose}] charging profiles[ of {@evse}], request {requestId}", response = "{@outcome}" },
    GetCompositeSchedule = { by = "csms", request = "asks for the schedule of {@evse} over {duration:duration}[ in {chargingRateUnit}]", response = "{?status=Accepted}schedule of EVSE {schedule.evseId}: {schedule*schedule}|{@outcome}" },
    GetDERControl = { by = "csms", request = "asks for[{?isDefault=true} default|{?isDefault=false} scheduled] grid controls[ {controlType}][ {controlId:id}], request {requestId}", response = "{@outcome}" },
    GetDisplayMessages = { by = "csms", request = "asks for display messages[ {id:list}][, {priority:word}][, {state:word}], request {requestId}", response = "{@outcome}" },
    GetInstalledCertificateIds = { by = "csms", request = "asks for installed certificates[: {certificateType:list}]", response = "{certificateHashDataChain:count certificate}|{@outcome}" },
    GetLocalListVersion = { by = "csms", request = "asks for the version of the local list", response = "{?versionNumber=0}local list is empty|local list version {versionNumber}" },
    GetLog = { by = "csms", request = "asks for the {logType} to {log.remoteLocation:url}, request {requestId}", response = "{@outcome}[: {filename:quote}]", secret_request = { "log.remoteLocation as url" } },
    GetMonitoringReport = { by = "csms", request = "asks for monitors[ of {componentVariable*named}][: {monitoringCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetPeriodicEventStream = { by = "csms", request = "asks for event streams", response = "{constantStreamData*stream}|no streams" },
    GetReport = { by = "csms", request = "asks for a report[ of {componentVariable*named}][: {componentCriteria:list}], request {requestId}", response = "{@outcome}" },
    GetTariffs = { by = "csms", request = "asks for tariffs of {@evse}", response = "{tariffAssignments*assigned}|{@outcome}" },
    GetTransactionStatus = { by = "csms", request = "asks about transaction {transactionId:id}|asks about queued messages", response = "[{?ongoingIndicator=true}ongoing, ][{?ongoingIndicator=false}ended, ][{?messagesInQueue=true}messages are queued|nothing is queued]" },
    GetVariables = { by = "csms", request = "asks for {getVariableData*named}", response = "{getVariableResult*got}", secret_response = { "getVariableResult.*.attributeValue when getVariableResult.*.variable.name" } },
    Heartbeat = { by = "station", request = "alive", response = "time is {currentTime:time}" },
    InstallCertificate = { by = "csms", request = "installs a {certificateType} ({certificate:size})", response = "{@outcome}" },
    LogStatusNotification = { by = "station", request = "log upload[ {requestId}]: {status}", response = "noted" },
    MeterValues = { by = "station", request = "meter: {meterValue:meter} on {@evse}|meter on {@evse}: no values", response = "noted" },
    NotifyAllowedEnergyTransfer = { by = "csms", request = "transaction {transactionId:id} may use {allowedEnergyTransfer:list}", response = "{@outcome}" },
    NotifyChargingLimit = { by = "station", request = "{chargingLimit.chargingLimitSource} limits[ {@evse}][{?chargingLimit.isGridCritical=true} (grid critical)][: {chargingSchedule.0*schedule}]", response = "noted" },
    NotifyCustomerInformation = { by = "station", request = "customer data for request {requestId}, part {seqNo}[{?tbc=true}, more to come]", response = "noted" },
    NotifyDERAlarm = { by = "station", request = "grid alarm {controlType}[: {gridEventFault}][{?alarmEnded=true} (over)][ {extraInfo:quote}]", response = "noted" },
    NotifyDERStartStop = { by = "station", request = "grid control {controlId:id} [{?started=true}started|stopped][, replaces {supersededIds:list}]", response = "noted" },
    NotifyDisplayMessages = { by = "station", request = "display messages for request {requestId}[: {messageInfo*message}][{?tbc=true}, more to come]", response = "noted" },
    NotifyEVChargingNeeds = { by = "station", request = "EV needs {chargingNeeds.requestedEnergyTransfer}[ {chargingNeeds.acChargingParameters.energyAmount:Wh}][ up to {chargingNeeds.dcChargingParameters.evMaxPower:W}][ at {chargingNeeds.dcChargingParameters.stateOfCharge:n} %][ by {chargingNeeds.departureTime:time}] on {@evse}", response = "{@outcome}" },
    NotifyEVChargingSchedule = { by = "station", request = "EV plans {chargingSchedule*schedule} on {@evse}", response = "{@outcome}" },
    NotifyEvent = { by = "station", request = "{eventData*event}[{?tbc=true}, more to come]", response = "noted", secret_request = { "eventData.*.actualValue when eventData.*.variable.name" } },
    NotifyMonitoringReport = { by = "station", request = "monitors for request {requestId}, part {seqNo}[: {monitor.0.variableMonitoring:count monitor} on {monitor*named}][{?tbc=true}, more to come]", response = "noted" },
    NotifyPeriodicEventStream = { by = "station", request = "stream {id}: {data:count value}, last {data.-1.v:quote}[, {pending} pending]" },
    NotifyPriorityCharging = { by = "station", request = "priority charging of transaction {transactionId:id} is [{?activated=true}on|off]", response = "noted" },
    NotifyReport = { by = "station", request = "report {requestId}, part {seqNo}[: {reportData*reported}][{?tbc=true}, more to come]", response = "noted", secret_request = { "reportData.*.variableAttribute.*.value when reportData.*.variable.name" } },
    NotifySettlement = { by = "station", request = "payment {pspRef:short} {status:word}: {settlementAmount:n}[, transaction {transactionId:id}]", response = "noted[, receipt {receiptId:short}]" },
    NotifyWebPaymentStarted = { by = "csms", request = "web payment started on {@evse}, {timeout:duration} to finish", response = "noted" },
    OpenPeriodicEventStream = { by = "station", request = "opens stream {constantStreamData*stream}", response = "{@outcome}" },
    PublishFirmware = { by = "csms", request = "publish firmware from {location:url} locally, request {requestId}", response = "{@outcome}", secret_request = { "location as url" } },
    PublishFirmwareStatusNotification = { by = "station", request = "local firmware[ {requestId}]: {status}[ at {location:list}]", response = "noted" },
    PullDynamicScheduleUpdate = { by = "station", request = "asks for an update of charging profile {chargingProfileId}", response = "{@outcome}[: {scheduleUpdate*update}]" },
    ReportChargingProfiles = { by = "station", request = "charging profiles of {@evse} by {chargingLimitSource}, request {requestId}[: {chargingProfile*profile}][{?tbc=true}, more to come]", response = "noted" },
    ReportDERControl = { by = "station", request = "grid controls for request {requestId}[, {curve:count curve}][, {limitMaxDischarge:count limit}][{?tbc=true}, more to come]", response = "noted" },
    RequestBatterySwap = { by = "csms", request = "swaps the battery for token {idToken.idToken:tag}, request {requestId}", response = "{@outcome}" },
    RequestStartTransaction = { by = "csms", request = "starts for token {idToken.idToken:tag}[ on {@evse}], remote start {remoteStartId}[ with {chargingProfile*profile}]", response = "{@outcome}[, transaction {transactionId:id}]" },
    RequestStopTransaction = { by = "csms", request = "stops transaction {transactionId:id}", response = "{@outcome}" },
    ReservationStatusUpdate = { by = "station", request = "reservation {reservationId} is {reservationUpdateStatus}", response = "noted" },
    ReserveNow = { by = "csms", request = "reserves[ {@evse}] for token {idToken.idToken:tag} until {expiryDateTime:time}, reservation {id}", response = "{@outcome}" },
    Reset = { by = "csms", request = "{type:word} reset[ of {@evse}]", response = "{@outcome}" },
    SecurityEventNotification = { by = "station", request = "security event {type}[: {techInfo:quote}]", response = "noted" },
    SendLocalList = { by = "csms", request = "{updateType:word} local list version {versionNumber}, {localAuthorizationList:count token}|{updateType:word} local list version {versionNumber}, no tokens", response = "{@outcome}" },
    SetChargingProfile = { by = "csms", request = "limits {@evse}: {chargingProfile*profile}[ in transaction {chargingProfile.transactionId:id}]", response = "{@outcome}" },
    SetDERControl = { by = "csms", request = "sets[{?isDefault=true} default] grid control {controlId:id}: {controlType}", response = "{@outcome}[, replaces {supersededIds:list}]" },
    SetDefaultTariff = { by = "csms", request = "default tariff of {@evse}: {tariff*tariff}", response = "{@outcome}" },
    SetDisplayMessage = { by = "csms", request = "shows message {message*message}", response = "{@outcome}" },
    SetMonitoringBase = { by = "csms", request = "sets monitoring to {monitoringBase}", response = "{@outcome}" },
    SetMonitoringLevel = { by = "csms", request = "monitors severity {severity} and worse", response = "{@outcome}" },
    SetNetworkProfile = { by = "csms", request = "network profile {configurationSlot}: {connectionData.ocppCsmsUrl:url} by {connectionData.ocppInterface}, security profile {connectionData.securityProfile}", response = "{@outcome}", secret_request = { "connectionData.apn.apnPassword", "connectionData.apn.simPin", "connectionData.basicAuthPassword", "connectionData.vpn.password", "connectionData.vpn.key", "connectionData.ocppCsmsUrl as url" } },
    SetVariableMonitoring = { by = "csms", request = "monitors {setMonitoringData*monitor}", response = "{setMonitoringResult*monitored}" },
    SetVariables = { by = "csms", request = "sets {setVariableData*set}", response = "{setVariableResult*was_set}", secret_request = { "setVariableData.*.attributeValue when setVariableData.*.variable.name" } },
    SignCertificate = { by = "station", request = "asks to sign a[ {certificateType}] request ({csr:size})", response = "{@outcome}" },
    StatusNotification = { by = "station", request = "{@evse} is {connectorStatus}", response = "noted" },
    TransactionEvent = { by = "station", request = "[{?eventType=Started}starts|{?eventType=Ended}ends|updates] transaction {transactionInfo.transactionId:id} #{seqNo}[ on {@at}] ({triggerReason:word})[, token {idToken.idToken:tag}][, {transactionInfo.chargingState:word}][, stopped: {transactionInfo.stoppedReason:word}][, {meterValue:meter}][{?offline=true}, was offline]", response = "{?idTokenInfo.status!=Accepted}token refused: {idTokenInfo.status}[, cost {totalCost:n}]|[{?idTokenInfo.status=Accepted}token accepted|noted][, cost {totalCost:n}]" },
    TriggerMessage = { by = "csms", request = "asks for {requestedMessage}[ of {@at}]", response = "{@outcome}" },
    UnlockConnector = { by = "csms", request = "unlocks {@evse}", response = "{@outcome}" },
    UnpublishFirmware = { by = "csms", request = "stops publishing firmware {checksum:short}", response = "{status:word}" },
    UpdateDynamicSchedule = { by = "csms", request = "updates charging profile {chargingProfileId}: {scheduleUpdate*update}|updates charging profile {chargingProfileId}", response = "{@outcome}" },
    UpdateFirmware = { by = "csms", request = "update firmware from {firmware.location:url} at {firmware.retrieveDateTime:time}, request {requestId}", response = "{@outcome}", secret_request = { "firmware.location as url" } },
    UsePriorityCharging = { by = "csms", request = "turns priority charging of transaction {transactionId:id} [{?activate=true}on|off]", response = "{@outcome}" },
    VatNumberValidation = { by = "station", request = "asks whether VAT number {vatNumber:short} is valid", response = "{@outcome}[: {company.name}]" },
  },
}
local ERROR_CODES = {
  ["1.6"] = { FormationViolation = true, GenericError = true, InternalError = true, NotImplemented = true, NotSupported = true, OccurenceConstraintViolation = true, PropertyConstraintViolation = true, ProtocolError = true, SecurityError = true, TypeConstraintViolation = true },
  ["2.0"] = { FormatViolation = true, GenericError = true, InternalError = true, MessageTypeNotSupported = true, NotImplemented = true, NotSupported = true, OccurrenceConstraintViolation = true, PropertyConstraintViolation = true, ProtocolError = true, RpcFrameworkError = true, SecurityError = true, TypeConstraintViolation = true },
  ["2.0.1"] = { FormatViolation = true, GenericError = true, InternalError = true, MessageTypeNotSupported = true, NotImplemented = true, NotSupported = true, OccurrenceConstraintViolation = true, PropertyConstraintViolation = true, ProtocolError = true, RpcFrameworkError = true, SecurityError = true, TypeConstraintViolation = true },
  ["2.1"] = { FormatViolation = true, GenericError = true, InternalError = true, MessageTypeNotSupported = true, NotImplemented = true, NotSupported = true, OccurrenceConstraintViolation = true, PropertyConstraintViolation = true, ProtocolError = true, RpcFrameworkError = true, SecurityError = true, TypeConstraintViolation = true },
}
-- generated tables: end

local MAXIMUM_TEXT = 1048576      -- octets of a message that are parsed; a longer one is told by its size
local MAXIMUM_DEPTH = 64          -- nesting of JSON
local MAXIMUM_SUMMARY = 320       -- characters of a one-line summary
local MAXIMUM_ID = 36             -- OCPP-J 1.6 §4.1.4, OCPP 2.0.1 Part 4 §4.1.4

local first_time, ocpp = pcall(Proto, "ocpp", "Open Charge Point Protocol")
if not first_time then return end   -- it is installed, and named by -X lua_script as well
local TYPES = { [2] = "CALL", [3] = "CALLRESULT", [4] = "CALLERROR", [5] = "CALLRESULTERROR", [6] = "SEND" }
local LENGTHS = { [2] = 4, [3] = 3, [4] = 5, [5] = 5, [6] = 4 }

local fields = {
  type = ProtoField.uint8("ocpp.type", "Message type", base.DEC, TYPES),
  id = ProtoField.string("ocpp.id", "Unique id"),
  action = ProtoField.string("ocpp.action", "Action"),
  version = ProtoField.string("ocpp.version", "Version"),
  station = ProtoField.string("ocpp.station", "Station"),
  sender = ProtoField.string("ocpp.sender", "Sender"),
  summary = ProtoField.string("ocpp.summary", "Summary"),
  payload = ProtoField.string("ocpp.payload", "Payload"),
  error_code = ProtoField.string("ocpp.error.code", "Error code"),
  error_description = ProtoField.string("ocpp.error.description", "Error description"),
  error_details = ProtoField.string("ocpp.error.details", "Error details"),
  request_in = ProtoField.framenum("ocpp.request_in", "Request in frame", base.NONE, frametype.REQUEST),
  response_in = ProtoField.framenum("ocpp.response_in", "Response in frame", base.NONE, frametype.RESPONSE),
  response_time = ProtoField.double("ocpp.response_time", "Response time (s)"),
}
do
  local all = {}
  for _, field in pairs(fields) do all[#all + 1] = field end
  ocpp.fields = all
end

local experts = {
  malformed = ProtoExpert.new("ocpp.expert.malformed", "Not an OCPP message", expert.group.MALFORMED, expert.severity.ERROR),
  length = ProtoExpert.new("ocpp.expert.length", "Wrong number of elements", expert.group.MALFORMED, expert.severity.ERROR),
  type = ProtoExpert.new("ocpp.expert.type", "Unknown message type", expert.group.MALFORMED, expert.severity.ERROR),
  type_version = ProtoExpert.new("ocpp.expert.type_version", "Message type of another version", expert.group.PROTOCOL, expert.severity.ERROR),
  id = ProtoExpert.new("ocpp.expert.id", "Unique id is no text of 1 to 36 characters", expert.group.PROTOCOL, expert.severity.ERROR),
  payload = ProtoExpert.new("ocpp.expert.payload", "Payload is no object", expert.group.MALFORMED, expert.severity.ERROR),
  action = ProtoExpert.new("ocpp.expert.action", "Unknown action", expert.group.PROTOCOL, expert.severity.WARN),
  sender = ProtoExpert.new("ocpp.expert.sender", "Sent by the wrong side", expert.group.PROTOCOL, expert.severity.ERROR),
  orphan = ProtoExpert.new("ocpp.expert.orphan", "Answer without a request in this capture", expert.group.SEQUENCE, expert.severity.WARN),
  twice = ProtoExpert.new("ocpp.expert.twice", "Request is answered twice", expert.group.SEQUENCE, expert.severity.WARN),
  answered_send = ProtoExpert.new("ocpp.expert.answered_send", "A SEND is answered", expert.group.SEQUENCE, expert.severity.WARN),
  reused = ProtoExpert.new("ocpp.expert.reused", "Unique id is used again", expert.group.SEQUENCE, expert.severity.WARN),
  overlap = ProtoExpert.new("ocpp.expert.overlap", "Sent before the last request was answered", expert.group.SEQUENCE, expert.severity.NOTE),
  code = ProtoExpert.new("ocpp.expert.code", "Error code not in this version", expert.group.PROTOCOL, expert.severity.WARN),
  refused = ProtoExpert.new("ocpp.expert.refused", "Request is refused by an error", expert.group.RESPONSE_CODE, expert.severity.NOTE),
}
do
  local all = {}
  for _, each in pairs(experts) do all[#all + 1] = each end
  ocpp.experts = all
end

---------------------------------------------------------------------------------------------------------------- JSON
-- Objects and arrays become tables with `kind`; numbers keep their text. Refuses what RFC 8259 refuses.

local NULL = { kind = "null" }
local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8_of(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40) end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return string.char(
    0xF0 + math.floor(code / 0x40000), 0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

local read_value

local function read_text(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('["\\%c]', from)
    if not stop then return nil, at end
    parts[#parts + 1] = text:sub(from, stop - 1)
    local found = text:sub(stop, stop)
    if found == '"' then return table.concat(parts), stop + 1 end
    if found ~= "\\" then
      if found == "\127" then parts[#parts + 1] = found; from = stop + 1 else return nil, stop end
    else
      local escaped = text:sub(stop + 1, stop + 1)
      if escaped == "u" then
        local code = tonumber(text:match("^%x%x%x%x", stop + 2) or "", 16)
        if not code then return nil, stop end
        from = stop + 6
        if code >= 0xD800 and code < 0xDC00 then
          local low = tonumber(text:match("^\\u(%x%x%x%x)", from) or "", 16)
          if low and low >= 0xDC00 and low < 0xE000 then
            code = 0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00
            from = from + 6
          else
            return nil, stop
          end
        elseif code >= 0xDC00 and code < 0xE000 then
          return nil, stop
        end
        parts[#parts + 1] = utf8_of(code)
      elseif ESCAPES[escaped] then
        parts[#parts + 1] = ESCAPES[escaped]
        from = stop + 2
      else
        return nil, stop
      end
    end
  end
end

local function read_number(text, at)
  local token = text:match("^%-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if not token then return nil, at end
  local whole = token:match("^%-?(%d+)")
  if (whole:sub(1, 1) == "0" and #whole > 1) or token:find("%.$") or token:find("%.[eE]") or token:find("[eE][+-]?$") then
    return nil, at
  end
  local mantissa = token:match("^%-?%d+%.?%d*")
  if mantissa ~= token and not token:find("[eE]") then token = mantissa end
  return { kind = "number", value = tonumber(token), text = token }, at + #token
end

local function skip(text, at) return text:match("^[ \t\r\n]*()", at) end

local function read_object(text, at, depth)
  local object = { kind = "object", keys = {}, values = {} }
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then return nil, at end
    local key, value
    key, at = read_text(text, at)
    if key == nil then return nil, at end
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then return nil, at end
    value, at = read_value(text, skip(text, at + 1), depth + 1)
    if value == nil then return nil, at end
    if object.values[key] == nil then object.keys[#object.keys + 1] = key end
    object.values[key] = value
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "}" then return object, at + 1 end
    if mark ~= "," then return nil, at end
    at = skip(text, at + 1)
  end
end

local function read_array(text, at, depth)
  local array = { kind = "array", spans = {} }
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return array, at + 1 end
  while true do
    local value
    local from = at
    value, at = read_value(text, at, depth + 1)
    if value == nil then return nil, at end
    array[#array + 1] = value
    array.spans[#array] = { from, at - 1 }
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == "]" then return array, at + 1 end
    if mark ~= "," then return nil, at end
    at = skip(text, at + 1)
  end
end

function read_value(text, at, depth)
  if depth > MAXIMUM_DEPTH then return nil, at end
  local first = text:sub(at, at)
  if first == '"' then return read_text(text, at) end
  if first == "{" then return read_object(text, at, depth) end
  if first == "[" then return read_array(text, at, depth) end
  if text:sub(at, at + 3) == "true" then return { kind = "boolean", value = true }, at + 4 end
  if text:sub(at, at + 4) == "false" then return { kind = "boolean", value = false }, at + 5 end
  if text:sub(at, at + 3) == "null" then return NULL, at + 4 end
  return read_number(text, at)
end

-- The value of a whole text; nil and the octet (from 1) at which it stops being JSON.
local function read_json(text)
  local value, at = read_value(text, skip(text, 1), 1)
  if value == nil then return nil, at end
  at = skip(text, at)
  if at <= #text then return nil, at end
  return value, at
end

-------------------------------------------------------------------------------------------------------------- formats
-- The same as ocpp_inspect/catalogue/formats.py: a test compares the sentences of both.

local function kind_of(value)
  if type(value) == "string" then return "text" end
  return value and value.kind or "nothing"
end

local function characters(text) return select(2, text:gsub("[^\128-\191]", "")) end

local function first_characters(text, number)
  local at, left = 1, number
  while left > 0 and at <= #text do
    at = text:match("^.[\128-\191]*()", at)
    left = left - 1
  end
  return text:sub(1, at - 1)
end

local function clipped(text, number)
  if #text <= number or characters(text) <= number then return text end
  return first_characters(text, number - 1) .. "…"
end

local function counted(value, noun)
  if kind_of(value) ~= "array" then return nil end
  return (#value == 0 and "no" or tostring(#value)) .. " " .. noun .. (#value == 1 and "" or "s")
end

local function shown(value)
  local kind = kind_of(value)
  if kind == "text" then return clipped(value, 64) end
  if kind == "boolean" then return value.value and "true" or "false" end
  if kind == "number" then
    if value.text:find("^%-?%d+$") and math.abs(value.value) >= 1e15 then return string.format("%.3g", value.value) end
    return value.text:sub(1, 64)
  end
  if kind == "object" then
    return "{" .. #value.keys .. " field" .. (#value.keys == 1 and "" or "s") .. "}"
  end
  if kind == "array" then return "[" .. counted(value, "item") .. "]" end
  return ""
end

local function numeric(value)
  local kind = kind_of(value)
  local found
  if kind == "number" then found = value.value end
  if kind == "text" then
    local text = value:sub(1, 40):match("^%s*(.-)%s*$")
    if text:find("^[+-]?%d") or text:find("^[+-]?%.%d") then
      if not text:find("[xX]") then found = tonumber((text:gsub("^%+", ""))) end
    end
  end
  if found and found == found and found ~= math.huge and found ~= -math.huge then return found end
  return nil
end

local function grouped(number)
  if math.abs(number) >= 1e15 then return string.format("%.3g", number) end
  local text = string.format("%.3f", number):gsub("0+$", ""):gsub("%.$", "")
  local sign, whole, rest = text:match("^(%-?)(%d+)(.*)$")
  whole = whole:reverse():gsub("(%d%d%d)", "%1 "):reverse():gsub("^ ", "")
  return sign .. whole .. rest
end

local function number(value)
  local found = numeric(value)
  return found and grouped(found) or shown(value)
end

local function power(value)
  local watts = numeric(value)
  if not watts or math.abs(watts) < 1000 then return number(value) .. " W" end
  return grouped(tonumber(string.format("%.2f", watts / 1000))) .. " kW"
end

local function duration(value)
  local seconds = numeric(value)
  if not seconds then return shown(value) end
  if seconds ~= math.floor(seconds) or seconds < 0 or seconds >= 1e9 then return number(value) .. " s" end
  local parts = {}
  for _, unit in ipairs({ { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } }) do
    if seconds >= unit[2] then
      parts[#parts + 1] = string.format("%d %s", math.floor(seconds / unit[2]), unit[1])
      seconds = seconds % unit[2]
    end
  end
  return #parts > 0 and table.concat(parts, " ") or "0 s"
end

local function time(value)
  if kind_of(value) == "text" and characters(value) <= 64 then
    local day, hour, rest = value:match("^(%d%d%d%d%-%d%d%-%d%d)[Tt ](%d%d:%d%d:%d%d)(.*)$")
    if day then return day .. " " .. hour .. rest:gsub("^%.%d+", "") end
  end
  return shown(value)
end

local function word(value)
  if kind_of(value) ~= "text" then return shown(value) end
  local text = shown(value):gsub("([%l%d])(%u)", "%1 %2"):gsub("(%u)(%u%l)", "%1 %2")
  local words = {}
  for each in (text .. " "):gmatch("(.-) ") do
    if #each > 1 and each:find("%u") and not each:find("%l") then
      words[#words + 1] = each
    else
      words[#words + 1] = each:sub(1, 1):lower() .. each:sub(2)
    end
  end
  return table.concat(words, " ")
end

local function tag(value)
  local text = shown(value)
  return characters(text) <= 6 and text or first_characters(text, 4) .. "…"
end

local function quote(value)
  local text = shown(value)
  if kind_of(value) ~= "text" or text:find("^[%w_%.:/%+,\128-\255-]+$") then return text end
  return "“" .. text .. "”"
end

local function short(value) return clipped(shown(value), 20) end

local function identifier(value)
  local text = shown(value)
  local plain = text:gsub("-", "")
  if #plain == 32 and plain:find("^%x+$") and text:find("^%x%x%x%x%x%x%x%x%-?%x%x%x%x%-?%x%x%x%x%-?%x%x%x%x%-?%x+$") then
    return text:sub(1, 8) .. "…"
  end
  return short(text)
end

local function url(value)
  local text = kind_of(value) == "text" and value:sub(1, 2000) or shown(value)
  local scheme, host, path = text:match("^(%a[%w+.-]*)://([^/?#]*)([^?#]*)")
  if not scheme or host == "" then return shown(text) end
  host = host:match("([^@]*)$")
  local name = path:match("([^/]*)$")
  if characters(path) > 20 then path = name ~= "" and "/…/" .. short(name) or "/…" end
  return shown(scheme:lower() .. "://" .. host .. path)
end

local function size(value)
  if kind_of(value) == "text" then return grouped(characters(value)) .. " characters" end
  return counted(value, "item")
end

local function listed(value)
  if kind_of(value) ~= "array" then return shown(value) end
  local parts = {}
  for at = 1, math.min(#value, 4) do parts[at] = shown(value[at]) end
  return table.concat(parts, ", ") .. (#value > 4 and " and " .. (#value - 4) .. " more" or "")
end

local REGISTER = "Energy.Active.Import.Register"
local MEASURANDS = {}
for at, each in ipairs({
  { REGISTER, "", "Wh" }, { "Energy.Active.Export.Register", "exported", "Wh" },
  { "Energy.Active.Import.Interval", "in this interval", "Wh" }, { "Power.Active.Import", "", "W" },
  { "Power.Active.Export", "exported", "W" }, { "Current.Import", "", "A" }, { "Current.Offered", "offered", "A" },
  { "Power.Offered", "offered", "W" }, { "SoC", "", "%" }, { "Voltage", "", "V" }, { "Temperature", "", "°C" },
  { "Frequency", "", "Hz" },
}) do
  MEASURANDS[each[1]] = { at = at, label = each[2], unit = each[3] }
end
local UNITS = { Percent = "%", Celsius = "°C", Celcius = "°C", Fahrenheit = "°F", K = "K" }

local function present(value) return value ~= nil and value ~= NULL and value ~= "" end

local function member(value, key)
  if kind_of(value) ~= "object" then return nil end
  local found = value.values[key]
  if found == NULL then return nil end
  return found
end

local function reading(sample, name)
  local value = member(sample, "value")
  if member(sample, "format") == "SignedData" then return "signed data" end
  local amount = numeric(value)
  if not amount then return shown(value) end
  local of_measure = member(sample, "unitOfMeasure")
  local unit = member(sample, "unit")
  if not present(unit) then unit = member(of_measure, "unit") end
  unit = present(unit) and shown(unit) or (MEASURANDS[name] and MEASURANDS[name].unit or "")
  local multiplier = member(of_measure, "multiplier")
  local text = number(value)
  if kind_of(multiplier) == "number" and multiplier.text:find("^%-?%d+$") then
    local exponent = multiplier.value
    if exponent ~= 0 and math.abs(exponent) <= 12 then
      amount = amount * 10.0 ^ exponent
      text = grouped(amount)
    end
  end
  if unit == "W" then
    if math.abs(amount) < 1000 then return text .. " W" end
    return grouped(tonumber(string.format("%.2f", amount / 1000))) .. " kW"
  end
  return (text .. " " .. (UNITS[unit] or unit)):gsub("%s+$", "")
end

local function measured(name, phases)
  local known = MEASURANDS[name]
  local label = known and known.label or name
  local readings = {}
  if phases.by[""] then
    readings[1] = phases.by[""]
  else
    for at = 1, math.min(#phases.order, 3) do readings[at] = phases.by[phases.order[at]] end
  end
  local amounts, unit, same = {}, nil, true
  for at, each in ipairs(readings) do
    local amount, of = each:match("^(.*) ([^ ]*)$")
    if not amount or amount == "" or (unit and unit ~= of) then same = false end
    amounts[at], unit = amount, of
  end
  local text = same and unit and table.concat(amounts, "/") .. " " .. unit or table.concat(readings, "/")
  if name == "SoC" then return "SoC " .. text end
  if known and label ~= "" then return text .. " " .. label end
  return label ~= "" and label .. " " .. text or text
end

local function meter(value)
  if kind_of(value) ~= "array" or #value == 0 then return nil end
  local samples = member(value[#value], "sampledValue")
  if kind_of(samples) ~= "array" then return nil end
  local names, found = {}, {}
  for at = 1, math.min(#samples, 200) do
    local sample = samples[at]
    if member(sample, "value") ~= nil then
      local measurand = member(sample, "measurand")
      local name = present(measurand) and shown(measurand) or REGISTER
      if not found[name] then
        found[name] = { by = {}, order = {} }
        names[#names + 1] = { name = name, at = #names }
      end
      local phase = shown(member(sample, "phase"))
      if not found[name].by[phase] then found[name].order[#found[name].order + 1] = phase end
      found[name].by[phase] = reading(sample, name)
    end
  end
  if #names == 0 then return nil end
  table.sort(names, function(a, b)
    local first = MEASURANDS[a.name] and MEASURANDS[a.name].at or 99
    local second = MEASURANDS[b.name] and MEASURANDS[b.name].at or 99
    if first ~= second then return first < second end
    return a.at < b.at
  end)
  local said = {}
  for at = 1, math.min(#names, 4) do said[at] = measured(names[at].name, found[names[at].name]) end
  return table.concat(said, ", ") .. (#names > 4 and " and " .. (#names - 4) .. " more" or "")
    .. (#value > 1 and " (" .. #value .. " readings)" or "")
end

local FORMATS = {
  n = number, Wh = function(value) return number(value) .. " Wh" end, W = power, duration = duration, time = time,
  word = word, tag = tag, quote = quote, short = short, id = identifier, url = url, size = size, list = listed, meter = meter,
}

------------------------------------------------------------------------------------------------------------ sentences
-- The template language of ocpp_inspect/catalogue/template.py. A part is a text or a function(scope, request) → text or nil.

local function steps_of(text)
  local steps = {}
  for step in text:gmatch("[^.]+") do
    steps[#steps + 1] = step:find("^%-?%d+$") and tonumber(step) or step
  end
  return steps
end

local function look_up(steps, scope, request)
  local from = 1
  if steps[1] == "request" and #steps > 1 then scope, from = request, 2 end
  for at = from, #steps do
    local step = steps[at]
    if type(step) == "string" then
      scope = member(scope, step)
    elseif kind_of(scope) == "array" then
      scope = scope[step >= 0 and step + 1 or #scope + 1 + step]
      if scope == NULL then scope = nil end
    else
      return nil
    end
    if scope == nil then return nil end
  end
  if scope == "" or (kind_of(scope) == "array" and #scope == 0) then return nil end
  return scope
end

local function say(sentence, scope, request)
  for _, alternative in ipairs(sentence) do
    local said, whole = {}, true
    for at, part in ipairs(alternative) do
      local piece = part
      if type(part) == "table" then piece = part.say(scope, request) end
      if piece == nil then whole = false; break end
      said[at] = piece
    end
    if whole then return table.concat(said) end
  end
  return nil
end

local alternatives

local function guard(body)
  local path, wanted, negated = body, nil, false
  local before, after = body:match("^(.-)!=(.*)$")
  if before then
    path, wanted, negated = before, after, true
  else
    before, after = body:match("^(.-)=(.*)$")
    if before then path, wanted = before, after end
  end
  local steps = steps_of(path)
  return { guard = true, say = function(scope, request)
    local value = look_up(steps, scope, request)
    if value == nil then return nil end
    if wanted == nil then return "" end
    if (shown(value) == wanted) ~= negated then return "" end
    return nil
  end }
end

local function field(body, phrases)
  if body:sub(1, 1) == "?" then return guard(body:sub(2)) end
  if body:sub(1, 1) == "@" then
    local inner = alternatives(phrases[body:sub(2)], 1, phrases)
    return { say = function(scope, request) return say(inner, scope, request) end }
  end
  local path, phrase = body:match("^(.-)%*(.*)$")
  if path then
    local inner, steps = alternatives(phrases[phrase], 1, phrases), steps_of(path)
    return { say = function(scope, request)
      local value = look_up(steps, scope, request)
      if value == nil then return nil end
      if kind_of(value) ~= "array" then return say(inner, value, request) end
      local said = {}
      for at = 1, math.min(#value, 3) do said[at] = say(inner, value[at], request) or "?" end
      return table.concat(said, ", ") .. (#value > 3 and " and " .. (#value - 3) .. " more" or "")
    end }
  end
  local names, style = body:match("^(.-):(.*)$")
  names = names or body
  local choices = {}
  for choice in names:gmatch("[^|]+") do choices[#choices + 1] = steps_of(choice) end
  local noun = style and style:match("^count (.*)$")
  local form = shown
  if noun then
    form = function(value) return counted(value, noun) end
  elseif style then
    form = FORMATS[style]
  end
  return { say = function(scope, request)
    for _, steps in ipairs(choices) do
      local value = look_up(steps, scope, request)
      if value ~= nil then return form(value) end
    end
    return nil
  end }
end

function alternatives(text, at, phrases)
  local sentence, literal = { {} }, {}
  local function flush()
    if #literal > 0 then
      local last = sentence[#sentence]
      last[#last + 1] = table.concat(literal)
      literal = {}
    end
  end
  while at <= #text do
    local character = text:sub(at, at)
    if character == "\\" then
      literal[#literal + 1] = text:sub(at + 1, at + 1)
      at = at + 2
    elseif character == "|" then
      flush()
      sentence[#sentence + 1] = {}
      at = at + 1
    elseif character == "]" then
      break
    elseif character == "[" then
      flush()
      local inner
      inner, at = alternatives(text, at + 1, phrases)
      at = at + 1
      local last = sentence[#sentence]
      last[#last + 1] = { say = function(scope, request) return say(inner, scope, request) or "" end }
    elseif character == "{" then
      flush()
      local close = text:find("}", at, true)
      local last = sentence[#sentence]
      last[#last + 1] = field(text:sub(at + 1, close - 1), phrases)
      at = close + 1
    else
      literal[#literal + 1] = character
      at = at + 1
    end
  end
  flush()
  return sentence, at
end

-- The sentence of a payload, and how much is missing in it.
local function said_by(sentence, payload, request)
  local text = say(sentence, payload, request)
  if text then return text, 0 end
  for at = #sentence, 1, -1 do
    local said, gaps, possible = {}, 0, true
    for place, part in ipairs(sentence[at]) do
      local piece = part
      if type(part) == "table" then piece = part.say(payload, request) end
      if piece == nil then
        if part.guard then possible = false; break end
        gaps = gaps + 1
        piece = "?"
      end
      said[place] = piece
    end
    if possible then return table.concat(said), gaps end
  end
  return "", 1
end

------------------------------------------------------------------------------------------------------------- secrets

local function is_credential(name)
  name = name:sub(1, 200):lower()
  for _, pattern in ipairs({
    "authorization_?key", "password", "passwd", "passphrase", "pass_?code", "%f[%w_]pwd", "secret", "credential",
    "private_?key", "api_?key", "%f[%w_]psk%f[^%w_]", "%f[%w_]pin%f[^%w_]",
  }) do
    if name:find(pattern) then return true end
  end
  return false
end

local function cover(root, value, secret, items)
  if secret.url then
    if kind_of(value) ~= "text" then return value end
    return (value:gsub("(://)[^/@]*@", "%1•••@"))
  end
  if secret.name then
    local name, left = root, 1
    for step in secret.name:gmatch("[^.]+") do
      if step == "*" then
        name = kind_of(name) == "array" and name[items[left] or 0] or nil
        left = left + 1
      else
        name = member(name, step)
      end
    end
    if kind_of(name) ~= "text" or not is_credential(name) then return value end
  end
  return "•••"
end

local function covered(root, value, secret, depth, items)
  local step = secret.path[depth]
  if step == nil then return cover(root, value, secret, items) end
  if step == "*" then
    if kind_of(value) ~= "array" then return value end
    local copy = { kind = "array" }
    for at, item in ipairs(value) do
      local deeper = { table.unpack and table.unpack(items) or unpack(items) }
      deeper[#deeper + 1] = at
      copy[at] = covered(root, item, secret, depth + 1, deeper)
    end
    return copy
  end
  local inner = member(value, step)
  if inner == nil then return value end
  local copy = { kind = "object", keys = value.keys, values = {} }
  for key, each in pairs(value.values) do copy.values[key] = each end
  copy.values[step] = covered(root, inner, secret, depth + 1, items)
  return copy
end

local function secret_of(text)
  local path, word_, other = text:match("^([%w_.*]+) (%a+) ([%w_.*]+)$")
  path = path or text
  local steps = {}
  for step in path:gmatch("[^.]+") do steps[#steps + 1] = step end
  return { path = steps, url = word_ == "as", name = word_ == "when" and other or nil }
end

local function masked(payload, secrets)
  local root = payload
  for _, text in ipairs(secrets or {}) do root = covered(root, root, secret_of(text), 1, {}) end
  return root
end

----------------------------------------------------------------------------------------------------------- summaries

local VERSIONS = { "1.6", "2.0.1", "2.1", "2.0" }   -- in the order in which an unknown one is tried
local compiled = {}

local function sentence_of(version, action, answer)
  local key = version .. "|" .. action .. (answer and "|r" or "|q")
  if compiled[key] == nil then
    local entry = ACTIONS[version][action]
    local text = entry and entry.request
    if entry and answer then text = entry.response end
    compiled[key] = text and text ~= "" and (alternatives(text, 1, PHRASES[version])) or false
  end
  return compiled[key]
end

local function outline(payload)
  if kind_of(payload) ~= "object" then
    local text = shown(payload)
    return text ~= "" and text or "no payload"
  end
  if #payload.keys == 0 then return "no fields" end
  local parts = {}
  for at = 1, math.min(#payload.keys, 4) do
    parts[at] = shown(payload.keys[at]) .. ": " .. shown(payload.values[payload.keys[at]])
  end
  return table.concat(parts, ", ") .. (#payload.keys > 4 and " and " .. (#payload.keys - 4) .. " more" or "")
end

local function summarise(version, action, payload, request, answer)
  local tried = ACTIONS[version] and { version } or VERSIONS
  local best, fewest = "", math.huge
  for _, each in ipairs(tried) do
    local entry = ACTIONS[each][action]
    local secrets = entry and entry[answer and "secret_response" or "secret_request"]
    if secrets then payload = masked(payload, secrets) end
  end
  for _, each in ipairs(tried) do
    local sentence = sentence_of(each, action, answer)
    if sentence then
      local text, missing = said_by(sentence, payload, request)
      if missing < fewest and text:find("[^ ?,:()]") then best, fewest = text, missing end
      if missing == 0 then break end
    end
  end
  return best ~= "" and best or outline(payload)
end

-- Control characters become pictures: what a station sends must not move a terminal's cursor.
local function safe(text)
  return (text:gsub("%c", function(character)
    local code = character:byte()
    return code == 127 and "␡" or utf8_of(0x2400 + code)
  end))
end

------------------------------------------------------------------------------------------------------------- state

local SUBPROTOCOLS = { ["ocpp1.6"] = "1.6", ["ocpp2.0"] = "2.0", ["ocpp2.0.1"] = "2.0.1", ["ocpp2.1"] = "2.1" }

local streams = {}   -- tcp.stream → { station, version, offered, station = { open, answered }, csms = { … } }
local records = {}   -- frame and text → what was found out about that message when it was first seen

function ocpp.init()
  streams = {}
  records = {}
end

local stream_field = Field.new("tcp.stream")
local mask_field = Field.new("websocket.mask")
local uri_field = Field.new("http.request.uri")
local upgrade_field = Field.new("http.sec_websocket_protocol")
local status_field = Field.new("http.response.code")
local payload_field = Field.new("tcp.payload")
local frame_field = Field.new("websocket")

local function stream_of(number_)
  local found = streams[number_]
  if not found then
    found = { station = "", version = "", sides = {} }
    for _, side in ipairs({ "station", "csms" }) do found.sides[side] = { open = {}, answered = {} } end
    streams[number_] = found
  end
  return found
end

local function station_in(uri)
  local segment = uri:gsub("[?#].*$", ""):gsub("/+$", ""):match("([^/]*)$") or ""
  return (segment:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- A later action of one version only tells which version it is when no handshake was captured.
local function infer(stream, action)
  if stream.version ~= "" or action == "" then return end
  local fitting
  for _, version in ipairs(VERSIONS) do
    if ACTIONS[version][action] then
      if fitting then return end
      fitting = version
    end
  end
  stream.inferred = fitting or stream.inferred
end

local function note(record, name, text) record.notes[#record.notes + 1] = { name, text } end

local function judge_request(record, stream, message, sender)
  local version = record.version
  local entry = ACTIONS[version] and ACTIONS[version][message.action]
  if ACTIONS[version] and not entry then
    local bare = message.action:gsub("%-Signed$", "")
    if not (bare ~= message.action and ACTIONS[version][bare]) then
      note(record, "action", "OCPP " .. version .. " has no action " .. safe(clipped(message.action, 80)))
    end
  elseif entry and entry.by ~= "both" and sender ~= "" and entry.by ~= sender then
    note(record, "sender", message.action .. " may be sent by the " .. entry.by .. " only")
  end
  if sender == "" then return end
  local side = stream.sides[sender]
  local before = side.open[message.id] or side.answered[message.id]
  if before and before.text ~= message.text then
    note(record, "reused", "the unique id was that of a " .. safe(clipped(before.action, 80)) .. " in frame " .. before.frame)
  end
  if message.type == 2 then
    local last = side.last
    if last and not last.response_in and last.message.id ~= message.id and record.time - last.time < 30 then
      note(record, "overlap", "the request in frame " .. last.frame .. " is not answered yet")
    end
    side.last = record
    side.open[message.id] = record
  else
    side.answered[message.id] = record
  end
end

local function judge_answer(record, stream, message, sender)
  local asker = sender == "station" and "csms" or sender == "csms" and "station" or nil
  if not asker then return end
  local side = stream.sides[asker]
  local request = side.open[message.id]
  if message.type == 5 then     -- answers the CALLRESULT to its sender's own CALL (OCPP 2.1 Part 4 §4.2.3)
    request = stream.sides[sender].answered[message.id]
    if request then record.action, record.request_in = request.action, request.frame end
    return
  end
  if not request then
    local past = side.answered[message.id]
    if past and past.message.type == 6 then     -- OCPP 2.1 Part 4 §4.2.4: nobody answers a SEND
      record.action = past.action
      note(record, "answered_send", "the " .. past.action .. " in frame " .. past.frame .. " is a SEND")
    elseif past then
      record.action, record.request_in = past.action, past.frame
      note(record, "twice", "the request in frame " .. past.frame .. " was answered in frame " .. (past.response_in or past.frame))
    elseif stream.upgraded then
      note(record, "orphan", "no request with this unique id was seen")
    end
    return
  end
  side.open[message.id] = nil
  side.answered[message.id] = request
  request.response_in, request.response_time = record.frame, record.time - request.time
  record.request_in, record.response_time = request.frame, request.response_time
  record.action, record.request = request.action, request.payload
end

-- What a message is: type, id, action, payload, error parts; or a fault.
local function message_of(text)
  if #text > MAXIMUM_TEXT then return nil, "longer than " .. MAXIMUM_TEXT .. " octets: not parsed" end
  local value, at = read_json(text)
  if value == nil then return nil, "no JSON from octet " .. at .. " on" end
  if kind_of(value) ~= "array" then return nil, "JSON, but no array" end
  local number_ = value[1]
  if kind_of(number_) ~= "number" or not TYPES[number_.value] then
    return nil, "the first element is " .. (shown(number_) ~= "" and safe(shown(number_)) or "missing") .. ", no message type", "type"
  end
  local kind = number_.value
  local id = value[2]
  local message = {
    type = kind, id = kind_of(id) == "text" and id or shown(id), array = value, text = text, action = "", faults = {},
    id_is_text = kind_of(id) == "text",
  }
  if #value ~= LENGTHS[kind] then
    message.faults[#message.faults + 1] = { "length", TYPES[kind] .. " has " .. #value .. " elements, not " .. LENGTHS[kind] }
  end
  if not message.id_is_text or message.id == "" or characters(message.id) > MAXIMUM_ID then
    message.faults[#message.faults + 1] = { "id", "the unique id has to be a text of 1 to 36 characters" }
  end
  local place = 4
  if kind == 2 or kind == 6 then
    message.action = kind_of(value[3]) == "text" and value[3] or shown(value[3])
  elseif kind == 3 then
    place = 3
  else
    message.code, message.description, place = shown(value[3]), kind_of(value[4]) == "text" and value[4] or shown(value[4]), 5
  end
  message.payload, message.place = value[place], place
  if value[place] ~= nil and kind_of(value[place]) ~= "object" then
    message.faults[#message.faults + 1] = { "payload", "the " .. (place == 5 and "details" or "payload") .. " must be an object" }
  end
  return message
end

local function first_look(pinfo, text, sender)
  local found = stream_field()
  local stream = stream_of(found and found.value or -1)
  local record = { frame = pinfo.number, time = tonumber(tostring(pinfo.abs_ts)), notes = {}, text = text, action = "" }
  local message, fault, name = message_of(text)
  if not message then
    record.fault = fault
    note(record, name or "malformed", fault)
    record.summary = "not an OCPP message: " .. fault
    record.station, record.version = stream.station, stream.version
    return record
  end
  record.message, record.action, record.payload = message, message.action, message.payload
  infer(stream, message.action)
  record.version = stream.version ~= "" and stream.version or stream.inferred or ""
  record.station = stream.station
  for _, each in ipairs(message.faults) do note(record, each[1], each[2]) end
  if message.type >= 5 and record.version ~= "" and record.version ~= "2.1" then
    note(record, "type_version", TYPES[message.type] .. " does not exist in OCPP " .. record.version)
  end
  if message.type == 2 or message.type == 6 then
    judge_request(record, stream, message, sender)
  else
    judge_answer(record, stream, message, sender)
  end
  if message.type == 4 or message.type == 5 then
    local codes = ERROR_CODES[record.version]
    if codes and not codes[message.code] then
      note(record, "code", "OCPP " .. record.version .. " has no error code " .. safe(message.code))
    end
    note(record, "refused", safe(message.code))
    local description = first_characters(message.description, 200)
    record.summary = (message.type == 4 and "refused: " or "answer refused: ")
      .. (message.code ~= "" and message.code or "no error code") .. (description ~= "" and " — " .. description or "")
  elseif message.type == 3 and record.action == "" then
    record.summary = "answer to a request that was not seen"
      .. (kind_of(message.payload) == "object" and #message.payload.keys > 0 and ": " .. outline(message.payload) or "")
  else
    record.summary = summarise(record.version, record.action, message.payload, record.request, message.type == 3)
  end
  record.summary = clipped(record.summary, MAXIMUM_SUMMARY)
  return record
end

------------------------------------------------------------------------------------------------------------- display

local json = Dissector.get("json")

local function show(buffer, pinfo, tree, record, sender)
  local subtree = tree:add(ocpp, buffer())
  local message = record.message
  if message then
    local spans = message.array.spans
    local function span(at)
      local place = spans[at]
      return place and buffer(place[1] - 1, place[2] - place[1] + 1) or buffer()
    end
    subtree:add(fields.type, span(1), message.type)
    subtree:add(fields.id, span(2), message.id)
    if record.action ~= "" then
      local item = subtree:add(fields.action, (message.type == 2 or message.type == 6) and span(3) or buffer(0, 0), record.action)
      if message.type ~= 2 and message.type ~= 6 then item:set_generated() end
    end
    if message.code then
      subtree:add(fields.error_code, span(3), message.code)
      subtree:add(fields.error_description, span(4), message.description)
    end
    local place = spans[message.place]
    if place then
      local whole = message.text:sub(place[1], place[2])
      subtree:add(message.code and fields.error_details or fields.payload, span(message.place), whole)
    end
    subtree:append_text(", " .. TYPES[message.type] .. (record.action ~= "" and " " .. safe(record.action) or ""))
  end
  local generated = { summary = safe(record.summary), version = record.version, station = safe(record.station), sender = sender }
  for _, name in ipairs({ "summary", "station", "version", "sender" }) do
    if generated[name] ~= "" then subtree:add(fields[name], buffer(0, 0), generated[name]):set_generated() end
  end
  if record.request_in then subtree:add(fields.request_in, buffer(0, 0), record.request_in):set_generated() end
  if record.response_in then subtree:add(fields.response_in, buffer(0, 0), record.response_in):set_generated() end
  if record.response_time then subtree:add(fields.response_time, buffer(0, 0), record.response_time):set_generated() end
  for _, each in ipairs(record.notes) do subtree:add_proto_expert_info(experts[each[1]], each[2]) end
  local head = message and TYPES[message.type] .. " " or ""
  local words = head .. (record.action ~= "" and safe(record.action) .. " " or "") .. safe(record.summary)
  pinfo.cols.protocol = record.version ~= "" and "OCPP " .. record.version or "OCPP"
  return words
end

-- Who sent a packet: by the end that asked for the upgrade, else by the masking that only clients do (RFC 6455 §5.3).
local function sender_of(pinfo)
  local found = stream_field()
  local stream = found and streams[found.value]
  if stream and stream.client then
    return stream.client == tostring(pinfo.src) .. "|" .. pinfo.src_port and "station" or "csms"
  end
  local masks = { mask_field() }
  local last = masks[#masks]
  return last and (last.value and "station" or "csms") or ""
end

local last_frame, told = -1, {}

local function dissect(buffer, pinfo, tree)
  if buffer:len() == 0 then return 0 end
  local text = buffer:raw(0, buffer:len())
  local sender = sender_of(pinfo)
  local key = pinfo.number .. "|" .. #text .. "|" .. text:sub(1, 160)
  local record = records[key]
  if not record then
    record = first_look(pinfo, text, sender)
    records[key] = record
  end
  if json then pcall(json.call, json, buffer, pinfo, tree) end   -- it raises for what is cut short; we say that ourselves
  local words = show(buffer, pinfo, tree, record, sender)
  if last_frame ~= pinfo.number or not told[key] then
    if last_frame ~= pinfo.number then last_frame, told = pinfo.number, {} end
    told[key] = words
  end
  local all = {}
  for _, each in pairs(told) do all[#all + 1] = each end
  pinfo.cols.info = #all > 1 and table.concat(all, " ‖ ") or words
  return buffer:len()
end

function ocpp.dissector(buffer, pinfo, tree) return dissect(buffer, pinfo, tree) end

-- WebSockets without an OCPP subprotocol: messages that look like OCPP-J.
ocpp:register_heuristic("ws", function(buffer, pinfo, tree)
  if buffer:len() < 5 then return false end
  local text = buffer:raw(0, math.min(buffer:len(), 80))
  local kind = text:match('^%s*%[%s*([2-6])%s*,%s*"')
  if not kind then return false end
  if (kind == "2" or kind == "6") and not text:match('^%s*%[%s*[26]%s*,%s*"[^"]*"%s*,%s*"%u%a+') then return false end
  dissect(buffer, pinfo, tree)
  return true
end)

local subprotocols = DissectorTable.get("ws.protocol")
for name in pairs(SUBPROTOCOLS) do subprotocols:add(name, ocpp) end

-- A capture that begins in mid-session has no handshake, so nobody knows that the connection is a WebSocket. A frame whose
-- octets, unmasked, begin an OCPP-J message tells it (RFC 6455 §5.2); the rest of the connection is then read as one.
local websocket = Dissector.get("websocket")

local midway = Proto("ocpp_midway", "WebSocket joined in mid-session")
function midway.dissector(buffer, pinfo, tree)
  local whole, used = pcall(websocket.call, websocket, buffer, pinfo, tree)   -- raises for a frame that is cut short
  return whole and used or buffer:len()
end

local function begins_ocpp(buffer)
  local octets = buffer:len()
  if octets < 12 or buffer(0, 1):uint() ~= 0x81 then return false end
  local second = buffer(1, 1):uint()
  local length, at = second % 128, 2
  if length == 126 then
    length, at = buffer(2, 2):uint(), 4
  elseif length == 127 then
    return false
  end
  if length < 5 then return false end
  local head
  if second >= 128 then
    if octets < at + 12 then return false end
    local parts = {}
    for place = 0, 7 do
      local mask, octet, bit, plain = buffer(at + place % 4, 1):uint(), buffer(at + 4 + place, 1):uint(), 1, 0
      for _ = 1, 8 do
        if mask % 2 ~= octet % 2 then plain = plain + bit end
        mask, octet, bit = math.floor(mask / 2), math.floor(octet / 2), bit * 2
      end
      parts[#parts + 1] = string.char(plain)
    end
    head = table.concat(parts)
  else
    head = buffer:raw(at, math.min(8, octets - at))
  end
  return head:find('^%[[2-6],%s?"') ~= nil
end

-- Learns station and version from the handshake, wherever its packets are, and finds connections that have none.
local handshake = Proto("ocpp_handshake", "OCPP handshake")
function handshake.dissector(_, pinfo, tree)
  local found = stream_field()
  if not found then return end
  local stream = streams[found.value]
  if websocket and not (stream and stream.upgraded) and not frame_field() then
    local octets = payload_field()
    if octets and begins_ocpp(octets.range) then
      pinfo.conversation = midway
      pcall(websocket.call, websocket, octets.range:tvb(), pinfo, tree)   -- raises for a frame that is cut short
      return
    end
  end
  if pinfo.visited then return end
  local uri, chosen, status = uri_field(), upgrade_field(), status_field()
  if uri and chosen then
    streams[found.value] = nil
    local opened = stream_of(found.value)
    opened.station = station_in(tostring(uri.value))
    opened.client = tostring(pinfo.src) .. "|" .. pinfo.src_port
  elseif status and status.value == 101 then
    local stream = stream_of(found.value)
    stream.upgraded = true
    stream.version = chosen and SUBPROTOCOLS[tostring(chosen.value):lower()] or ""
  end
end
register_postdissector(handshake)
