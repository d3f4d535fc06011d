"""Colours of states, in a light and in a dark picture. A state's word stands beside its colour, always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blocks_flows.states import StateType


@dataclass(frozen=True, slots=True)
class Shade:
    """A colour as `#rrggbb`: strong for marks, and faint for what text stands on."""

    strong: str
    faint: str


LIGHT: Final[dict[StateType, Shade]] = {
    StateType.SCHEDULED: Shade("#b7791f", "#fdf6e3"),
    StateType.PENDING: Shade("#8a94a3", "#f3f4f6"),
    StateType.RUNNING: Shade("#2563eb", "#e8f0fe"),
    StateType.RETRYING: Shade("#d97706", "#fff4e0"),
    StateType.PAUSED: Shade("#7c3aed", "#f3eefe"),
    StateType.CANCELLING: Shade("#6b7280", "#eceef1"),
    StateType.CANCELLED: Shade("#4b5563", "#e8eaed"),
    StateType.SUCCESS: Shade("#15803d", "#e7f6ec"),
    StateType.FAILED: Shade("#dc2626", "#fdeaea"),
    StateType.CRASHED: Shade("#9d174d", "#fce8f1"),
    StateType.SKIPPED: Shade("#0e7490", "#e3f5f8"),
}
DARK: Final[dict[StateType, Shade]] = {
    StateType.SCHEDULED: Shade("#e3b341", "#332a14"),
    StateType.PENDING: Shade("#8b949e", "#22272e"),
    StateType.RUNNING: Shade("#6ea8fe", "#16294a"),
    StateType.RETRYING: Shade("#f0a040", "#3a2712"),
    StateType.PAUSED: Shade("#b392f0", "#2c2145"),
    StateType.CANCELLING: Shade("#9aa4b0", "#2a2f36"),
    StateType.CANCELLED: Shade("#adb5bf", "#2d333b"),
    StateType.SUCCESS: Shade("#4cc66d", "#14311f"),
    StateType.FAILED: Shade("#ff7b72", "#421c1c"),
    StateType.CRASHED: Shade("#f778ba", "#42182f"),
    StateType.SKIPPED: Shade("#56c8d8", "#12323a"),
}
