"""Paths of logs in, Arrow batches out: the way of a log through the ocpp room, the rules and the columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from ocpp_inspect.capture import is_capture
from ocpp_inspect.capture.source import CaptureError, Source, is_regular
from ocpp_inspect.logs import LogFormatError, LogReader, is_log, own_format
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.pipeline.options import Options, Outcome, Progress
from ocpp_inspect.pipeline.rules import program_of
from ocpp_inspect.pipeline.stream import StreamChain, filled

_PIECE_OCTETS: Final = 256 * 1024


def split_inputs(paths: Sequence[str], options: Options) -> tuple[list[str], list[str]]:
    """(captures of packets, logs): a regular file whose text holds an OCPP-J message is a log."""
    captures: list[str] = []
    logs: list[str] = []
    for path in paths:
        (logs if _is_log(path, options) else captures).append(path)
    return captures, logs


def check_log_format(options: Options) -> None:
    """Raise CaptureError when the user's `--log-format` cannot be used."""
    if options.log_format:
        try:
            own_format(options.log_format)
        except LogFormatError as error:
            raise CaptureError("--log-format", str(error), "see docs/logs.md") from None


def decode_logs(
    paths: Sequence[str], options: Options, first_capture: int, outcome: Outcome, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    """Decode logs one behind the other; yields table → Arrow record batch."""
    from ocpp_inspect.ocpp.actions import initiators
    from ocpp_inspect.store.columns import Columns

    chain = StreamChain(
        program_of(options), validate=options.validate, acceptances=options.acceptances, learns_addresses=False
    )
    columns = Columns()
    form = own_format(options.log_format) if options.log_format else None
    position, done = 0, 0
    for number, path in enumerate(paths):
        info = CaptureInfo(capture=first_capture + number, path=path)
        source = Source(path)
        try:
            reader = LogReader(
                info,
                partial(_piece, source),
                initiators(),
                chain.name_connection,
                form=form,
                position=position,
            )
            for batch in reader:
                yield from filled(columns, [chain.feed_messages(batch)])
                if progress is not None:
                    progress(done + source.bytes_read, None)
            position = reader.position
            done += source.bytes_read
            if source.damage:
                info.truncated = True
                info.notes.append(source.damage)
        finally:
            source.close()
        outcome.captures.append(info)
    yield from filled(columns, [chain.finish()])
    yield columns.flush()
    outcome.add_counters(chain.counters())


def _is_log(path: str, options: Options) -> bool:
    if not is_regular(path):
        return False
    source = Source(path)
    try:
        head = _piece(source)
    finally:
        source.close()
    if is_capture(head):
        return False
    return is_log(head) or (bool(options.log_format) and b"\0" not in head[:4096])


def _piece(source: Source) -> bytes:
    window = bytearray(_PIECE_OCTETS)
    return bytes(window[: source.readinto(memoryview(window))])
