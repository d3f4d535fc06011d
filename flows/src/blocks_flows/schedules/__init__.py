"""Schedules: when flows run. `CronSchedule("0 9 * * *", timezone="Europe/Berlin").next(3)`."""

from blocks_flows.schedules import adjustments, clocks, filters
from blocks_flows.schedules.schedule import (
    CronSchedule,
    DatesSchedule,
    IntervalSchedule,
    RRuleSchedule,
    Schedule,
    schedule_from,
)

__all__ = [
    "CronSchedule",
    "DatesSchedule",
    "IntervalSchedule",
    "RRuleSchedule",
    "Schedule",
    "adjustments",
    "clocks",
    "filters",
    "schedule_from",
]
