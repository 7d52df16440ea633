"""Is this really the answer to that request? What cannot be proved is rejected, never stored."""

from __future__ import annotations

from collector.pure.frames import FUNCTION_CODE, BusFault, Reply, Request


def check(request: Request, reply: Reply) -> None:
    """Return when `reply` answers `request`: same unit, function, byte count and transaction.

    Raises BusFault with reason `mismatch` otherwise. A transaction id of 0 is a gateway that does not echo
    ids: such a reply may belong to any earlier request and is rejected.
    """
    if reply.unit != request.unit:
        raise BusFault("mismatch", f"unit {reply.unit} answered for unit {request.unit}")
    if reply.function != FUNCTION_CODE[request.kind]:
        raise BusFault("mismatch", f"function {reply.function} answered function {FUNCTION_CODE[request.kind]}")
    if reply.byte_count != 2 * request.count or len(reply.registers) != request.count:
        raise BusFault("mismatch", f"{len(reply.registers)} registers in {reply.byte_count} bytes answered {request.count} registers")
    if reply.transaction != reply.asked_transaction:
        raise BusFault("mismatch", f"transaction {reply.transaction} answered transaction {reply.asked_transaction}")
