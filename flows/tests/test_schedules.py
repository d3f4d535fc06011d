"""When schedules are due, in many zones, and that they are stored and read back as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from cronsim import CronSim
from dateutil.rrule import DAILY, HOURLY, rrule, rrulestr
from dateutil.tz import gettz
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows.errors import FlowInvalid, ScheduleInvalid
from blocks_flows.schedules import (
    CronSchedule,
    DatesSchedule,
    IntervalSchedule,
    RRuleSchedule,
    Schedule,
    schedule_from,
)
from blocks_flows.schedules.adjustments import add, next_weekday
from blocks_flows.schedules.clocks import CronClock, DatesClock, IntervalClock, RRuleClock
from blocks_flows.schedules.filters import (
    at_time,
    between_dates,
    between_datetimes,
    between_times,
    is_day_of_week,
    is_month_end,
    is_month_start,
    is_weekday,
    is_weekend,
    on_date,
    on_datetime,
)

BERLIN = "Europe/Berlin"
ZONES = [
    *("UTC", BERLIN, "America/New_York", "Asia/Seoul", "Australia/Lord_Howe", "America/Santiago"),
    *("Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia", "Asia/Beirut", "+05:30"),
]
CRONS = [
    *(
        "*/7 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "15,45 1-3 * * *",
        "0 0 * * *",
        "*/20 2 * * *",
        "5 */3 * * *",
    ),
    *("0 9 * * MON-FRI", "0 12 L * *", "30 0 1 * 1", "0 3 * * 0#2", "59 23 31 12 *"),
]
RULES = [
    *(
        "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
        "FREQ=HOURLY",
        "FREQ=MINUTELY;INTERVAL=50",
        "FREQ=MONTHLY;BYDAY=-1FR",
    ),
    *("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU", "FREQ=HOURLY;BYMINUTE=10,50", "FREQ=YEARLY;BYYEARDAY=-1"),
]
moments = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))
intervals = st.one_of(
    st.integers(1, 60).map(lambda days: timedelta(days=days)),
    st.integers(1, 200_000).map(lambda seconds: timedelta(seconds=seconds)),
)


def clocks_of(zone: str):
    return st.one_of(
        st.sampled_from(CRONS).map(lambda cron: CronClock(cron, timezone=zone)),
        st.builds(lambda each: IntervalClock(each, timezone=zone), intervals),
        st.sampled_from(RULES).map(lambda rule: RRuleClock(rule, timezone=zone)),
    )


anywhere = st.sampled_from(ZONES).flatmap(clocks_of)


def texts(found) -> list[str]:
    return [each.isoformat() for each in found]


def utc(moment: datetime) -> datetime:
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def test_a_cron_schedule_gives_pendulum_moments_in_its_zone() -> None:
    found = CronSchedule("0 9 * * MON-FRI", timezone=BERLIN).next(
        2, after=datetime(2026, 1, 2, 12, tzinfo=UTC)
    )
    assert texts(found) == ["2026-01-05T09:00:00+01:00", "2026-01-06T09:00:00+01:00"]
    assert all(isinstance(each, pendulum.DateTime) and each.timezone_name == BERLIN for each in found)


def test_without_a_zone_a_schedule_is_in_utc_and_begins_now() -> None:
    (found,) = CronSchedule("*/1 * * * *").next(1)
    assert found.timezone_name == "UTC"
    assert 0 <= (utc(found) - datetime.now(UTC)).total_seconds() <= 60


def test_the_zone_is_that_of_the_start_date_unless_another_is_named() -> None:
    start = pendulum.datetime(2026, 5, 1, tz="Asia/Seoul")
    assert texts(CronSchedule("0 9 * * *", start_date=start).next(1, after=start)) == [
        "2026-05-01T09:00:00+09:00"
    ]
    both = CronSchedule("0 9 * * *", start_date=start, timezone=BERLIN)
    assert texts(both.next(1, after=start)) == ["2026-05-01T09:00:00+02:00"]
    bare = IntervalSchedule(datetime(2026, 5, 1, 9), timedelta(days=1), timezone=BERLIN)
    assert texts(bare.next(1, after="2026-01-01")) == ["2026-05-01T09:00:00+02:00"]


@pytest.mark.parametrize(
    ("cron", "spring", "autumn"),
    [
        ("30 2 * * *", ["03:00:00+02:00", "02:30:00+02:00"], ["02:30:00+02:00", "02:30:00+01:00"]),
        ("0 3 * * *", ["03:00:00+02:00", "03:00:00+02:00"], ["03:00:00+01:00", "03:00:00+01:00"]),
        (
            "*/30 2 * * *",
            ["02:00:00+02:00", "02:30:00+02:00"],
            ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00"],
        ),
        (
            "0 * * * *",
            ["01:00:00+01:00", "03:00:00+02:00"],
            ["01:00:00+02:00", "02:00:00+02:00", "02:00:00+01:00"],
        ),
    ],
)
def test_cron_does_as_debian_s_where_the_clocks_are_changed(cron, spring, autumn) -> None:
    schedule = CronSchedule(cron, timezone=BERLIN)
    found = schedule.next(len(spring), after="2026-03-29T00:30:00+01:00")
    assert [each.isoformat()[11:] for each in found] == spring
    found = schedule.next(len(autumn), after="2026-10-25T00:30:00+02:00")
    assert [each.isoformat()[11:] for each in found] == autumn


def test_whole_days_keep_the_time_of_day_and_hours_go_by_elapsed_time() -> None:
    days = IntervalSchedule(interval=timedelta(days=1), start_date=datetime(2026, 3, 1, 9), timezone=BERLIN)
    assert texts(days.next(2, after="2026-03-28T12:00:00Z")) == [
        "2026-03-29T09:00:00+02:00",
        "2026-03-30T09:00:00+02:00",
    ]
    hours = IntervalSchedule(
        interval=timedelta(hours=12), start_date=datetime(2026, 3, 1, 9), timezone=BERLIN
    )
    assert texts(hours.next(2, after="2026-03-28T12:00:00Z")) == [
        "2026-03-28T21:00:00+01:00",
        "2026-03-29T10:00:00+02:00",
    ]


def test_a_day_that_a_zone_left_out_is_not_run_twice() -> None:
    apia = IntervalSchedule(
        interval=timedelta(days=1), start_date=datetime(2011, 12, 1, 10), timezone="Pacific/Apia"
    )
    assert texts(apia.next(3, after="2011-12-29T00:00:00Z")) == [
        "2011-12-29T10:00:00-10:00",
        "2011-12-31T10:00:00+14:00",
        "2012-01-01T10:00:00+14:00",
    ]


def test_an_anchor_is_counted_from_in_both_directions_and_a_start_is_not() -> None:
    anchored = IntervalSchedule(interval=timedelta(hours=1), anchor_date=datetime(2026, 6, 1, 0, 20))
    assert texts(anchored.next(1, after="2026-01-01")) == ["2026-01-01T00:20:00+00:00"]
    started = IntervalSchedule(interval=timedelta(hours=1), start_date=datetime(2026, 6, 1, 0, 20))
    assert texts(started.next(1, after="2026-01-01")) == ["2026-06-01T00:20:00+00:00"]
    both = IntervalSchedule(
        datetime(2026, 6, 1),
        timedelta(hours=1),
        datetime(2026, 6, 1, 1),
        anchor_date=datetime(2020, 1, 1, 0, 20),
    )
    assert texts(both.next(5, after="2026-01-01")) == ["2026-06-01T00:20:00+00:00"]


def test_start_and_end_belong_to_a_schedule() -> None:
    schedule = CronSchedule("0 9 * * *", datetime(2026, 1, 1, 9), datetime(2026, 1, 3, 9))
    assert len(schedule.next(10, after="2020-01-01")) == 3
    assert schedule.next(1, after="2026-01-03T09:00:00Z") == []


def test_day_or_asks_for_either_day_or_for_both() -> None:
    either = CronSchedule("0 0 13 * FRI").next(3, after="2026-02-01")
    assert [each.day for each in either] == [6, 13, 20]
    both = CronSchedule("0 0 13 * FRI", None, None, False).next(3, after="2026-02-01")
    assert [(each.month, each.day) for each in both] == [(2, 13), (3, 13), (11, 13)]


def test_dates_are_ordered_and_each_is_there_once() -> None:
    schedule = DatesSchedule([datetime(2026, 5, 2), datetime(2026, 5, 1), "2026-05-01T00:00:00Z"])
    assert texts(schedule.next(5, after="2026-01-01")) == [
        "2026-05-01T00:00:00+00:00",
        "2026-05-02T00:00:00+00:00",
    ]


def test_rules_are_taken_as_texts_and_as_dateutil_objects() -> None:
    by_text = RRuleSchedule("RRULE:FREQ=DAILY;COUNT=3", start_date=datetime(2026, 1, 1, 9), timezone=BERLIN)
    aware = rrule(DAILY, count=3, dtstart=datetime(2026, 1, 1, 9, tzinfo=ZoneInfo(BERLIN)))
    expected = [f"2026-01-0{day}T09:00:00+01:00" for day in (1, 2, 3)]
    assert texts(by_text.next(9, after="2025-01-01")) == expected
    assert texts(RRuleSchedule(aware).next(9, after="2025-01-01")) == expected
    last = datetime(2026, 1, 3, 8, tzinfo=UTC)
    ended = rrule(DAILY, until=last, dtstart=datetime(2026, 1, 1, 9, tzinfo=ZoneInfo(BERLIN)))
    assert texts(RRuleSchedule(ended).next(9, after="2025-01-01")) == expected


def test_a_rule_s_own_zone_is_reckoned_in_and_the_schedule_s_is_shown() -> None:
    text = "DTSTART;TZID=America/New_York:20260307T090000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260308T130000Z"
    assert texts(RRuleSchedule(text).next(9, after="2026-01-01")) == [
        "2026-03-07T09:00:00-05:00",
        "2026-03-09T09:00:00-04:00",
    ]
    assert texts(RRuleSchedule(text, timezone="UTC").next(1, after="2026-01-01")) == [
        "2026-03-07T14:00:00+00:00"
    ]


def test_a_rule_of_every_second_is_not_walked_along_from_its_beginning() -> None:
    found = RRuleSchedule("FREQ=SECONDLY;INTERVAL=7;BYSECOND=0").next(2, after="2034-01-01T00:00:00Z")
    days = (datetime(2034, 1, 1) - datetime(2020, 1, 1)).days // 7 * 7
    walked = rrulestr("FREQ=SECONDLY;INTERVAL=420", dtstart=datetime(2020, 1, 1) + timedelta(days=days))
    assert utc(found[0]).replace(tzinfo=None) == walked.after(datetime(2034, 1, 1))


def test_clocks_together_are_ordered_and_what_they_give_alike_is_one_event() -> None:
    schedule = Schedule(
        clocks=[
            CronClock("0 12 * * *"),
            CronClock("0 */6 * * *", parameter_defaults={"size": "small"}, labels=["cpu"]),
            CronClock("0 13 * * *", timezone="+01:00"),
        ]
    )
    events = schedule.events(4, after="2026-01-01T01:00:00Z")
    assert [(each.start_time.hour, dict(each.parameter_defaults), each.labels) for each in events] == [
        (6, {"size": "small"}, ("cpu",)),
        (12, {}, ()),
        (12, {"size": "small"}, ("cpu",)),
        (18, {"size": "small"}, ("cpu",)),
    ]
    assert [each.hour for each in schedule.next(3, after="2026-01-01T01:00:00Z")] == [6, 12, 18]
    assert len(schedule.due_together(datetime(2026, 1, 1, 11, tzinfo=UTC))) == 2


@pytest.mark.parametrize(
    ("rule", "passes", "refuses"),
    [
        (is_weekday, "2026-01-02", "2026-01-03"),
        (is_weekend, "2026-01-03", "2026-01-05"),
        (is_month_start, "2026-02-01", "2026-02-02"),
        (is_month_end, "2028-02-29", "2028-02-28"),
        (is_day_of_week(0), "2026-01-04", "2026-01-05"),
        (on_date(12, 24), "2026-12-24", "2026-12-25"),
        (between_dates(10, 15, 3, 31), "2026-01-01", "2026-10-14"),
        (between_dates(1, 2, 1, 9), "2026-01-09", "2026-01-10"),
        (at_time("09:30"), "2026-01-01T09:30", "2026-01-01T09:31"),
        (between_times(time(9), time(17)), "2026-01-01T17:00", "2026-01-01T17:00:01"),
        (between_times("22:00", "02:00"), "2026-01-01T23:00", "2026-01-01T21:59"),
        (on_datetime("2026-10-25T02:30:00+01:00"), "2026-10-25T01:30", "2026-10-25T00:30"),
        (between_datetimes("2026-01-01", datetime(2026, 1, 2)), "2026-01-02", "2026-01-02T00:00:01"),
    ],
)
def test_a_filter_lets_through_what_its_name_says(rule, passes, refuses) -> None:
    assert rule(pendulum.parse(passes))
    assert not rule(pendulum.parse(refuses))


def test_filters_judge_by_the_clock_s_zone() -> None:
    schedule = Schedule(
        [CronClock("0 * * * *", timezone="Asia/Seoul")],
        filters=[is_weekday],
        or_filters=[at_time("09:00"), at_time("17:00")],
        not_filters=[is_month_end],
    )
    assert texts(schedule.next(3, after="2026-01-29T12:00:00+09:00")) == [
        "2026-01-29T17:00:00+09:00",
        "2026-01-30T09:00:00+09:00",
        "2026-01-30T17:00:00+09:00",
    ]


def test_a_filter_that_is_behind_ends_the_search() -> None:
    schedule = Schedule([CronClock("* * * * *")], filters=[on_datetime("2026-01-05T00:00:00Z")])
    assert texts(schedule.next(9, after="2026-01-01")) == ["2026-01-05T00:00:00+00:00"]


def test_filters_that_let_nothing_through_are_an_error_and_no_endless_search() -> None:
    with pytest.raises(ScheduleInvalid, match="let none of 100000 moments through"):
        Schedule([IntervalClock(timedelta(seconds=1))], filters=[is_weekday, is_weekend]).next(1)


def test_adjusted_events_stay_in_order_and_what_they_fall_together_on_is_one() -> None:
    schedule = Schedule([CronClock("0 9 * * *"), CronClock("0 10 * * SAT")], adjustments=[next_weekday])
    assert texts(schedule.next(4, after="2026-01-02T12:00:00Z")) == [
        "2026-01-05T09:00:00+00:00",
        "2026-01-05T10:00:00+00:00",
        "2026-01-06T09:00:00+00:00",
        "2026-01-07T09:00:00+00:00",
    ]
    # Asked on Sunday, Saturday's event is still to come.
    assert texts(schedule.next(2, after="2026-01-04T12:00:00Z"))[1] == "2026-01-05T10:00:00+00:00"
    earlier = Schedule([CronClock("0 9 * * *")], adjustments=[add(timedelta(hours=-12))])
    assert texts(earlier.next(2, after="2026-01-01T20:00:00Z")) == [
        "2026-01-01T21:00:00+00:00",
        "2026-01-02T21:00:00+00:00",
    ]


def test_an_adjustment_that_moves_too_far_is_refused() -> None:
    with pytest.raises(ScheduleInvalid, match="at most 7 days away"):
        Schedule([CronClock("0 9 * * *")], adjustments=[lambda moment: moment.add(months=1)]).next(1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: CronSchedule("61 * * * *"),
            "'61 * * * *' is no cron expression: Bad minute. Give for example",
        ),
        (lambda: CronSchedule("* * * *"), "has 4 fields instead of 5 (minute, hour, day of the month"),
        (lambda: CronSchedule("0 * * * * *"), "has 6 fields instead of 5"),
        (lambda: CronSchedule("@reboot"), "there is no such name; there are @hourly"),
        (lambda: CronSchedule("0 0 30 2 *"), "Bad day-of-month"),
        (lambda: CronSchedule(5), "5 is no cron expression"),
        (lambda: CronSchedule("* " * 1000), "no text of at most 300 characters"),
        (lambda: CronSchedule("0 0 * * *", timezone="Mars/Base"), "the timezone 'Mars/Base', which is none"),
        (lambda: CronSchedule("0 0 * * *", timezone="../../etc/passwd"), "which is none"),
        (lambda: CronSchedule("0 0 * * *", tz="UTC"), "no argument 'tz'. It takes also: timezone"),
        (lambda: CronSchedule("0 0 * * *", labels="gpu"), "labels=['gpu']"),
        (lambda: CronSchedule("0 0 * * *", start_date=5), "start_date of CronClock is 5, which is no moment"),
        (lambda: CronSchedule("0 0 * * *", datetime(2026, 1, 2), datetime(2026, 1, 1)), "before it starts"),
        (
            lambda: CronSchedule("0 0 * * *", datetime(2026, 1, 2, tzinfo=gettz(BERLIN))),
            "does not say its name",
        ),
        (lambda: IntervalSchedule(), "has the interval None"),
        (lambda: IntervalSchedule(interval=timedelta()), "more than nothing"),
        (lambda: IntervalSchedule(interval=60), "interval=timedelta(minutes=10)"),
        (lambda: IntervalSchedule(timedelta(minutes=1)), "Give that by name: interval="),
        (lambda: RRuleSchedule("FREQ=OFTEN"), "'FREQ=OFTEN' is no recurrence rule: invalid 'FREQ': OFTEN"),
        (
            lambda: RRuleSchedule("FREQ=DAILY;INTERVAL=0"),
            "its INTERVAL is '0', and no number from 1 to 999999",
        ),
        (lambda: RRuleSchedule("DTSTART;TZID=Mars:20260101T000000\nRRULE:FREQ=DAILY"), "which is none"),
        (lambda: RRuleSchedule(None), "neither a text of at most"),
        (lambda: DatesSchedule([]), "has no dates"),
        (lambda: DatesSchedule("2026-01-01"), "Give a list"),
        (lambda: Schedule([]), "Give a list of one or more clocks"),
        (lambda: Schedule([CronSchedule("0 0 * * *")]), "Schedule(clocks=[CronClock("),
        (lambda: Schedule([CronClock("0 0 * * *")], filters=["weekday"]), "filters=[is_weekday]"),
        (lambda: is_day_of_week(7), "a whole number from 0 to 6"),
        (lambda: on_date(2, 30), "as a day of month 2, was given 30"),
        (lambda: between_times(9, 17), "'09:30'"),
        (lambda: at_time(time(9, tzinfo=UTC)), "without a zone"),
        (lambda: add("1h"), "timedelta(minutes=5)"),
        (lambda: CronSchedule("0 0 * * *").next(-1), "next(5)"),
        (lambda: CronSchedule("0 0 * * *").next(1, after="soon"), "after is 'soon', which is no moment"),
        (
            lambda: schedule_from({"clocks": [{"kind": "sundial"}]}),
            "Its kinds are cron, dates, interval, rrule",
        ),
        (
            lambda: schedule_from({"clocks": [{"kind": "cron"}]}),
            "missing 1 required positional argument: 'cron'",
        ),
        (lambda: schedule_from({"clocks": [], "weather": []}), "is no stored schedule"),
        (lambda: schedule_from(None), "is no stored schedule"),
        (
            lambda: schedule_from(
                {"clocks": [{"kind": "cron", "cron": "0 0 * * *"}], "filters": [{"name": "exec"}]}
            ),
            "which this version does not know",
        ),
    ],
)
def test_what_is_wrong_is_quoted_and_a_right_example_shown(make, said) -> None:
    with pytest.raises(ScheduleInvalid) as raised:
        make()
    assert said in str(raised.value)
    assert isinstance(raised.value, FlowInvalid)


SCHEDULES = [
    CronSchedule("*/1 * * * *"),
    CronSchedule(" 0  9 * * FRI ", datetime(2026, 1, 1), datetime(2027, 1, 1), False, timezone=BERLIN),
    CronSchedule("@daily", parameter_defaults={"sizes": [1, 2]}, labels=["gpu", "gpu"]),
    IntervalSchedule(pendulum.datetime(2026, 1, 1, tz="Asia/Seoul"), timedelta(hours=1, microseconds=5)),
    IntervalSchedule(interval=timedelta(days=2), anchor_date=datetime(2026, 1, 1, 9), timezone="-03:30"),
    RRuleSchedule("freq=monthly;byday=-1fr", timezone=BERLIN),
    RRuleSchedule(rrule(HOURLY, interval=5, dtstart=datetime(2026, 1, 1, tzinfo=ZoneInfo(BERLIN)))),
    DatesSchedule([datetime(2026, 1, 1), datetime(2026, 2, 1, tzinfo=timezone(timedelta(hours=9)))]),
    Schedule(
        [CronClock("0 * * * *"), DatesClock([datetime(2026, 1, 1)])],
        filters=[is_weekday, between_datetimes("2026-01-01", "2026-12-31")],
        or_filters=[at_time("09:00"), between_times("13:00", "15:30:15")],
        not_filters=[on_date(1, 1), between_dates(2, 1, 2, 10), is_day_of_week(5), on_datetime("2026-03-03")],
        adjustments=[next_weekday, add(timedelta(minutes=-5))],
    ),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=range(len(SCHEDULES)))
def test_a_schedule_is_stored_as_json_and_read_back_the_same(schedule) -> None:
    again = schedule_from(json.loads(json.dumps(schedule.describe())))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert repr(again) == repr(schedule)
    assert again.describe() == schedule.describe()
    after = datetime(2025, 12, 31, tzinfo=UTC)
    assert again.events(20, after) == schedule.events(20, after)
    assert [each for each in SCHEDULES if each == schedule] == [schedule]


def test_a_function_of_one_s_own_filters_and_cannot_be_stored() -> None:
    schedule = Schedule([CronClock("0 9 * * *")], filters=[lambda moment: moment.day == 9])
    assert schedule.next(1, after="2026-01-01")[0].day == 9
    with pytest.raises(ScheduleInvalid, match="cannot be stored: it is code of your own"):
        schedule.describe()


def test_a_secret_stands_neither_in_a_repr_nor_in_an_error() -> None:
    SECRETS_IN_USE.add({"hunter2-hunter2"})
    assert "hunter2" not in repr(
        CronSchedule("0 0 * * *", parameter_defaults={"password": "hunter2-hunter2"})
    )
    with pytest.raises(ScheduleInvalid) as raised:
        CronSchedule("0 0 * * *", parameter_defaults={"password": {b"hunter2-hunter2": object()}})
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_defaults_of_a_clock_are_its_own() -> None:
    given = {"sizes": [1]}
    schedule = CronSchedule("0 0 * * *", parameter_defaults=given)
    given["sizes"].append(2)
    assert schedule.events(1)[0].parameter_defaults == {"sizes": [1]}


def test_importing_schedules_brings_in_no_library_for_times() -> None:
    program = (
        "import sys, blocks_flows.schedules; heavy = {'pendulum', 'cronsim', 'dateutil'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@given(anywhere, moments)
@settings(max_examples=100)
def test_moments_rise_and_do_not_depend_on_where_one_begins_to_look(clock, after) -> None:
    schedule = Schedule([clock])
    found = schedule.next(12, after)
    assert [utc(each) for each in found] == sorted({utc(each) for each in found})
    assert all(utc(each) > after for each in found)
    for place, each in enumerate(found[:-1]):
        assert schedule.next(3, each) == found[place + 1 : place + 4] or place + 4 > len(found)
    between = after + (utc(found[-1]) - after) / 2
    assert schedule.next(3, between)[0] in found


@given(st.sampled_from(ZONES), st.sampled_from([(3, 29, 0), (10, 25, 0), (4, 5, 0), (9, 6, 0)]), st.data())
@settings(max_examples=100)
def test_around_a_change_of_the_clocks_nothing_is_twice_or_goes_back(zone, near, data) -> None:
    clock = data.draw(clocks_of(zone))
    begin = datetime(2026, near[0], near[1], tzinfo=UTC) - timedelta(hours=data.draw(st.integers(0, 30)))
    found = [utc(each) for each in Schedule([clock]).next(60, begin)]
    assert all(first < second for first, second in pairwise(found))


@given(anywhere, moments, moments, moments)
@settings(max_examples=60)
def test_nothing_lies_outside_of_start_and_end(clock, one, other, after) -> None:
    start, end = sorted((one, other))
    plain = {**clock.describe(), "start_date": start.isoformat(), "end_date": end.isoformat()}
    found = schedule_from({"clocks": [plain]}).next(5, after)
    assert all(max(after, start) <= utc(each) <= end for each in found)


def test_a_rule_that_never_comes_ends() -> None:
    assert RRuleSchedule("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30").next(1) == []


@given(st.sampled_from(CRONS), moments)
def test_in_utc_cron_agrees_with_cronsim(cron, after) -> None:
    walk = CronSim(cron, after)
    assert [utc(each) for each in CronSchedule(cron).next(5, after)] == [next(walk) for _ in range(5)]


@given(st.sampled_from(RULES), moments, st.integers(0, 3_000_000))
@settings(max_examples=60)
def test_in_utc_rules_agree_with_dateutil(rule, after, seconds) -> None:
    start = after.replace(tzinfo=None, microsecond=0) - timedelta(seconds=seconds)
    walk = rrulestr(rule, dtstart=start).xafter(after.replace(tzinfo=None), count=3)
    found = RRuleSchedule(rule, start_date=start).next(3, after)
    assert [utc(each).replace(tzinfo=None) for each in found] == list(walk)


@given(intervals, moments, moments)
def test_in_utc_intervals_are_whole_steps_from_their_anchor(interval, anchor, after) -> None:
    found = [utc(each) for each in IntervalSchedule(interval=interval, anchor_date=anchor).next(3, after)]
    assert found[0] - interval <= after < found[0]
    assert all((each - anchor) % interval == timedelta() for each in found)


@given(st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59), moments)
@settings(max_examples=60)
def test_a_job_at_one_time_of_day_runs_once_on_each_day(zone, hour, minute, after) -> None:
    found = CronSchedule(f"{minute} {hour} * * *", timezone=zone).next(40, after)
    days = [each.date() for each in found]
    assert all(
        second - first == timedelta(days=1) for first, second in pairwise(days) if zone != "Pacific/Apia"
    )
    assert len(set(days)) == len(days)


garbage = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@given(st.text(alphabet="0123456789*/,-LW#MONFRIJAN ?@", max_size=25), garbage, garbage)
@settings(max_examples=300)
def test_garbage_is_refused_with_a_typed_error_and_nothing_else(cron, value, other) -> None:
    plain = [
        {"kind": "cron", "cron": cron},
        {"kind": "cron", "cron": "0 0 * * *", "timezone": value, "start_date": other},
        {"kind": "interval", "interval_seconds": value, "anchor_date": other},
        {"kind": "rrule", "rrule": value},
        {"kind": "dates", "dates": value},
        {"kind": value, "x": other},
        value,
    ]
    for each in plain:
        with suppress(ScheduleInvalid):
            schedule_from({"clocks": [each]}).next(2, datetime(2026, 1, 1, tzinfo=UTC))
    for name in ("is_day_of_week", "between_times", "on_datetime", "between_dates", "add", value):
        for part in ("filters", "adjustments"):
            with suppress(ScheduleInvalid):
                schedule_from(
                    {
                        "clocks": [{"kind": "cron", "cron": "0 0 * * *"}],
                        part: [{"name": name, "arguments": [value, other]}],
                    }
                )


@given(st.text(alphabet="REQ=DAILYHOURMNTWKBYSP;0123456789-+,:\n", max_size=40), st.integers(-400, 400))
@settings(max_examples=100)
def test_a_garbled_rule_is_refused_with_a_typed_error_and_nothing_else(text, number) -> None:
    for each in (text, f"FREQ=DAILY;X={text}"):
        with suppress(ScheduleInvalid):
            RRuleSchedule(each).next(1, datetime(2026, 1, 1, tzinfo=UTC))
    for part in (
        "BYSETPOS",
        "BYHOUR",
        "BYMONTHDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYSECOND",
        "COUNT",
        "INTERVAL",
    ):
        with suppress(ScheduleInvalid):
            RRuleSchedule(f"FREQ=YEARLY;{part}={number}")
