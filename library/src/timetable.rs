//! From timetable entries to the lessons of a day. Pure: the day, the moment and the time zone are handed in.
//!
//! A weekly class keeps its local time of day through changes of the clocks. Does not belong here: what became of a
//! lesson (the store knows).

use crate::model::ClassEntry;
use jiff::{
    Span, Timestamp,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};
use lectern_media::UnixMillis;
use lectern_protocol::api::Repeat;
use std::{ops::Range, time::Duration};

/// A lesson that ended this recently is still "the" lesson of its class: people come late to the join page.
pub(crate) const GRACE: Duration = Duration::from_secs(30 * 60);

/// A weekly class without a last day ends after this many weeks (five years), so that the lessons of a class have a
/// bound.
const WEEKS_MAX: i32 = 260;

/// The time zone of this IANA name. `Asia/Shanghai` is known even where the system has no time zone files.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().or_else(|| (name == "Asia/Shanghai").then(|| TimeZone::fixed(Offset::constant(8))))
}

/// The IANA name of a zone that [`zone`] gave.
#[must_use]
pub fn name_of(zone: &TimeZone) -> &str {
    // The one that stands in for a missing file has no name of its own.
    zone.iana_name().unwrap_or("Asia/Shanghai")
}

/// The day on which a moment lies.
#[must_use]
pub fn day_of(at: UnixMillis, zone: &TimeZone) -> Date {
    local(at, zone).date()
}

/// The moment of a local date and time. None only outside the years that can be written.
#[must_use]
pub fn moment(day: Date, time: Time, zone: &TimeZone) -> Option<UnixMillis> {
    let zoned = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(UnixMillis(zoned.timestamp().as_millisecond()))
}

/// A day from its first moment to the next day's. None only outside the years that can be written.
#[must_use]
pub fn span_of(day: Date, zone: &TimeZone) -> Option<Range<UnixMillis>> {
    let midnight = |day| moment(day, Time::midnight(), zone);
    Some(midnight(day)?..midnight(day.tomorrow().ok()?)?)
}

/// The class's start on `day`, if it takes place then.
#[must_use]
pub fn start_on(entry: &ClassEntry, day: Date, zone: &TimeZone) -> Option<UnixMillis> {
    let first = local(entry.starts, zone);
    match entry.repeat {
        Repeat::Once => (first.date() == day).then_some(entry.starts),
        Repeat::Weekly => {
            let days = first.date().until(day).ok()?.get_days();
            let takes_place = (0..=7 * WEEKS_MAX).contains(&days)
                && days % 7 == 0
                && entry.until.is_none_or(|u| day <= day_of(u, zone));
            // The first one at its exact moment, so that an entry and its first lesson never differ.
            if !takes_place {
                None
            } else if days == 0 {
                Some(entry.starts)
            } else {
                moment(day, first.time(), zone)
            }
        }
    }
}

/// The start of the lesson that a join link means at `now`: the one that runs, else the next, else the last.
#[must_use]
pub fn occurrence_near(entry: &ClassEntry, now: UnixMillis, zone: &TimeZone) -> UnixMillis {
    if entry.repeat == Repeat::Once {
        return entry.starts;
    }
    let first = day_of(entry.starts, zone);
    let today = day_of(now, zone);
    let weeks = first.until(today).map_or(0, |span| i64::from(span.get_days()).div_euclid(7)).max(0);
    let grace_ms = GRACE.as_millis() as i64;
    let end = |starts: UnixMillis| starts.0.saturating_add(i64::from(entry.duration_min) * 60_000 + grace_ms);
    let starts = |week: i64| {
        let day = first.checked_add(Span::new().try_days(week.checked_mul(7)?).ok()?).ok()?;
        start_on(entry, day, zone)
    };
    // Last week's may still run past midnight, this week's may be over.
    let candidates = || (weeks.saturating_sub(1)..=weeks + 1).filter_map(starts);
    if let Some(next) = candidates().find(|s| now.0 < end(*s)) {
        return next;
    }
    // The timetable is over: the last lesson.
    let last_week = match entry.until {
        Some(until) => first.until(day_of(until, zone)).map_or(0, |s| i64::from(s.get_days()).div_euclid(7)).max(0),
        None => weeks,
    };
    starts(last_week.min(WEEKS_MAX.into())).unwrap_or(entry.starts)
}

fn local(at: UnixMillis, zone: &TimeZone) -> DateTime {
    // Beyond the years that jiff can write (±9999) a moment stands at their edge.
    let timestamp = Timestamp::from_millisecond(at.0).unwrap_or(if at.0 < 0 { Timestamp::MIN } else { Timestamp::MAX });
    zone.to_datetime(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};
    use lectern_media::{AccountId, PlaceId};
    use lectern_protocol::api::ClassMode;

    fn entry(starts: UnixMillis, repeat: Repeat, until: Option<UnixMillis>) -> ClassEntry {
        ClassEntry {
            title: "分数乘法".into(),
            subject: "数学".into(),
            grade: "六年级".into(),
            teacher: AccountId::generate(),
            place: PlaceId::generate(),
            mode: ClassMode::Dedicated,
            starts,
            duration_min: 40,
            repeat,
            until,
            waiting_room: false,
            record: true,
        }
    }

    #[test]
    fn a_zone_has_its_name() {
        for name in ["Asia/Shanghai", "America/New_York", "UTC"] {
            assert_eq!(name_of(&zone(name).unwrap()), name);
        }
        assert_eq!(name_of(&TimeZone::fixed(Offset::constant(8))), "Asia/Shanghai", "no files of zones");
        assert!(zone("Mars/Olympus_Mons").is_none());
    }

    fn at(zone: &TimeZone, day: Date, hour: i8, minute: i8) -> UnixMillis {
        moment(day, time(hour, minute, 0, 0), zone).unwrap()
    }

    #[test]
    fn lessons_of_a_day() {
        let z = zone("Asia/Shanghai").unwrap();
        let first = date(2026, 9, 1);
        let once = entry(at(&z, first, 8, 0), Repeat::Once, None);
        let weekly = entry(at(&z, first, 8, 0), Repeat::Weekly, Some(at(&z, date(2026, 9, 15), 0, 0)));
        for (day, once_takes_place, weekly_takes_place) in [
            (date(2026, 8, 25), false, false),
            (first, true, true),
            (date(2026, 9, 2), false, false),
            (date(2026, 9, 8), false, true),
            (date(2026, 9, 15), false, true),
            (date(2026, 9, 22), false, false),
        ] {
            assert_eq!(start_on(&once, day, &z), once_takes_place.then(|| at(&z, day, 8, 0)), "once on {day}");
            assert_eq!(start_on(&weekly, day, &z), weekly_takes_place.then(|| at(&z, day, 8, 0)), "weekly on {day}");
        }
    }

    #[test]
    fn a_day_is_a_day_of_the_zone() {
        let z = zone("Asia/Shanghai").unwrap();
        // 07:30 in Shanghai is the evening before in UTC.
        assert_eq!(day_of(at(&z, date(2026, 9, 1), 7, 30), &z), date(2026, 9, 1));
        assert_eq!(day_of(at(&z, date(2026, 9, 1), 7, 30), &TimeZone::UTC), date(2026, 8, 31));
    }

    #[test]
    fn weekly_classes_keep_their_local_time_when_clocks_change() {
        let Some(z) = zone("Europe/Berlin") else { return };
        let weekly = entry(at(&z, date(2026, 10, 20), 8, 0), Repeat::Weekly, None);
        let after = start_on(&weekly, date(2026, 10, 27), &z).unwrap();
        assert_eq!(after, at(&z, date(2026, 10, 27), 8, 0));
        assert_eq!(after.0 - weekly.starts.0, (7 * 24 + 1) * 3_600_000, "one hour was added on 25 October");
    }

    #[test]
    fn which_lesson_a_link_means() {
        let z = zone("Asia/Shanghai").unwrap();
        let first = date(2026, 9, 1);
        let second = date(2026, 9, 8);
        let weekly = entry(at(&z, first, 8, 0), Repeat::Weekly, Some(at(&z, second, 23, 0)));
        for (now, want, why) in [
            (at(&z, date(2026, 7, 1), 8, 0), first, "before the first"),
            (at(&z, first, 8, 20), first, "while it runs"),
            (at(&z, first, 9, 0), first, "shortly after it"),
            (at(&z, first, 9, 11), second, "the next one"),
            (at(&z, second, 7, 59), second, "just before"),
            (at(&z, date(2027, 1, 1), 8, 0), second, "after the last"),
        ] {
            assert_eq!(occurrence_near(&weekly, now, &z), at(&z, want, 8, 0), "{why}");
        }
        let once = entry(at(&z, first, 8, 0), Repeat::Once, None);
        assert_eq!(occurrence_near(&once, at(&z, second, 8, 0), &z), once.starts);
    }

    #[test]
    fn no_class_goes_on_for_ever() {
        let z = zone("Asia/Shanghai").unwrap();
        let first = date(2026, 9, 1);
        let endless = entry(at(&z, first, 8, 0), Repeat::Weekly, None);
        let last = first.checked_add(Span::new().weeks(WEEKS_MAX)).unwrap();
        assert!(start_on(&endless, last, &z).is_some());
        assert!(start_on(&endless, last.checked_add(Span::new().weeks(1)).unwrap(), &z).is_none());
        assert_eq!(occurrence_near(&endless, at(&z, date(2090, 1, 1), 8, 0), &z), at(&z, last, 8, 0));
    }

    #[test]
    fn a_lesson_may_run_past_midnight() {
        let z = zone("Asia/Shanghai").unwrap();
        let first = date(2026, 9, 1);
        let late = ClassEntry { duration_min: 90, ..entry(at(&z, first, 23, 30), Repeat::Weekly, None) };
        assert_eq!(occurrence_near(&late, at(&z, date(2026, 9, 9), 0, 30), &z), at(&z, date(2026, 9, 8), 23, 30));
    }

    #[test]
    fn absurd_times_do_not_panic() {
        let z = zone("Asia/Shanghai").unwrap();
        for starts in [i64::MIN, -1, 0, i64::MAX] {
            for now in [i64::MIN, 0, i64::MAX] {
                let e = entry(UnixMillis(starts), Repeat::Weekly, None);
                let _ = occurrence_near(&ClassEntry { duration_min: 0, ..e.clone() }, UnixMillis(now), &z);
                let _ = start_on(&e, date(2026, 9, 1), &z);
            }
        }
    }
}
