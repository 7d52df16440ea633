"""What stands in a SunSpec device around its meter model: the mark, the common model, the model's head, the end of the chain."""

from __future__ import annotations

from config.profiles import Profile

_MARK = (0x5375, 0x6E53)
_COMMON = (1, 65)
_END = (0xFFFF, 0)


def standing(profile: Profile) -> dict[int, int]:
    """Return the registers that never change, by address; none for a profile of another kind.

    The first and last of them are the first and last that the device answers for.
    """
    model = profile.sunspec
    if model is None:
        return {}
    begin = model.base - 2 - _COMMON[1] - len(_MARK)
    end = model.base + 2 + model.length
    out = dict.fromkeys(range(max(0, begin), end), 0) | {model.base: model.model, model.base + 1: model.length}
    if begin >= 0:
        out |= dict(enumerate((*_MARK, *_COMMON), start=begin))
    return out | dict(enumerate(_END, start=end))
