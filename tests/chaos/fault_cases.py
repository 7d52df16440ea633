"""The faults of `./run faults` by name, with what each needs of the herd."""

from __future__ import annotations

from tests.chaos import fault_boxes, fault_brokers, fault_clocks, fault_disks, fault_stores
from tests.chaos.case import Case

_EDGE_UNWELL = {"store": "sqlite", "unwell": ("collect",)}
_PLANT_UNWELL = {"store": "sqlite", "unwell": ("process",)}
_ALL = (
    Case("everything-away", fault_brokers.everything_away),
    Case("frozen-broker", fault_brokers.frozen_broker),
    Case("tiny-queue", fault_brokers.tiny_queue,
         {"store": "sqlite", "broker": "max_queued_messages 10\nmax_inflight_messages 5\nlog_type all"}),
    Case("broker-restarts", fault_brokers.restarts, {"store": "sqlite", "broker": "log_type all"}),
    Case("denied", fault_brokers.denied, short=True),
    Case("small-messages", fault_brokers.small_messages),
    Case("hanging-database", fault_stores.hanging_database, {"store": "influxdb"}),
    Case("full-outbox", fault_stores.full_outbox, {"store": "sqlite", "max_bytes": "1MB", "when_full": "drop_oldest", "tail": "0s"}),
    Case("refused-database", fault_stores.refused_database, {"store": "influxdb"}, short=True),
    Case("restored-edge", fault_boxes.restored_edge),
    Case("cloned-edge", fault_boxes.cloned_edge, short=True, drains=False),
    Case("restored-plant", fault_boxes.restored_plant),
    Case("poison", fault_brokers.poison),
    Case("full-disk", fault_stores.full_disk),
    Case("edge-disk-errors", fault_disks.edge_disk_errors, _EDGE_UNWELL),
    Case("plant-disk-errors", fault_disks.plant_disk_errors, _PLANT_UNWELL),
    Case("clock-a-day-ahead", fault_clocks.a_day_ahead, _EDGE_UNWELL),
    Case("clock-an-hour-back", fault_clocks.an_hour_back, _EDGE_UNWELL),
    Case("clock-set-after-boot", fault_clocks.set_after_boot, _EDGE_UNWELL | {"clock": "ntp"}),
    Case("clock-of-the-plant", fault_clocks.of_the_plant, _PLANT_UNWELL),
    Case("told-to-end", fault_brokers.told_to_end),
)  # fmt: skip
CASES = {case.name: case for case in _ALL}
