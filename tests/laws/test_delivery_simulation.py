"""The delivery law: whatever fails in whatever order, nothing committed is lost, doubled, invented or miscounted.

The real outbox tables, sending core, intake and delivery core live in a simulated world (world.py). Each seed is
one story. `./run simulation` is the long form; a seed that fails is run again alone with
`./run simulation --first SEED --seeds 1`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.laws.world import Broken, World

SEEDS = 300

MUST_HAPPEN = {
    "advanced": 0.95,
    "lost on the way there": 0.9,
    "acknowledgement lost": 0.8,
    "reordered": 0.8,
    "doubled": 0.7,
    "edge died": 0.8,
    "edge offline": 0.7,
    "plant offline": 0.7,
    "broker died": 0.5,
    "store down": 0.7,
    "plant died before take": 0.6,
    "plant died before store": 0.4,
    "plant died before commit": 0.3,
    "plant died before acknowledge": 0.3,
    "bit flipped": 0.6,
    "edge disk restored": 0.4,
    "plant restored": 0.5,
    "dropped": 0.3,
    "thinned": 0.15,
    "rewound": 0.1,
}
"""The share of stories in which each of these really has to happen: a fault that never strikes proves nothing."""
BUGS = (
    "acknowledged before stored",
    "append-only store",
    "checksum ignored",
    "deleted once published",
    "epoch kept",
    "never goes back",
    "never sent again",
    "newest epoch first",
    "no base",
    "state and checkpoint apart",
)


def test_no_story_of_faults_loses_doubles_invents_or_miscounts_a_committed_row() -> None:
    happened: Counter[str] = Counter()
    for seed in range(SEEDS):
        happened.update(what for what, count in World(seed).run().items() if count)
    print(f"{SEEDS} stories; share in which each thing happened:")
    print(", ".join(f"{what} {happened[what] / SEEDS:.2f}" for what in MUST_HAPPEN))
    assert not {what: happened[what] / SEEDS for what, share in MUST_HAPPEN.items() if happened[what] / SEEDS < share}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_within_300_stories(bug: str) -> None:
    for seed in range(300):
        try:
            World(seed, bug).run()
        except Broken as found:
            print(f"{bug}: {found}")
            return
    pytest.fail(f"nobody noticed the bug '{bug}' in 300 stories")


def test_a_story_is_the_same_each_time_it_is_told() -> None:
    assert World(7).run() == World(7).run()
