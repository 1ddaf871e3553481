//! Presences of a lesson: as many as a lesson may have, so that somebody who reconnects without end fills nothing.

use super::{timetable::time, writer::Tx};
use crate::{error::Result, model::AttendanceRow, store::ATTENDANCE_MAX};
use lectern_media::LessonId;

fn prefix(lesson: LessonId) -> String {
    format!("attendance/{lesson}/")
}

fn count_key(lesson: LessonId) -> String {
    format!("attendance-count/{lesson}")
}

/// Writes presences; those that are known are always completed, new ones only as long as there is room. Tells how many
/// were refused.
pub(super) fn put(tx: &mut Tx<'_>, lesson: LessonId, rows: &[AttendanceRow]) -> Result<u64> {
    let before = match tx.get::<usize>(&count_key(lesson))? {
        Some(count) => count,
        None => tx.keys(&prefix(lesson))?.len(),
    };
    let (mut count, mut refused) = (before, 0);
    for row in rows {
        let key = format!("{}{}/{}", prefix(lesson), time(row.from), row.participant);
        if !tx.has(&key)? {
            if count >= ATTENDANCE_MAX {
                refused += 1;
                continue;
            }
            count += 1;
        }
        tx.put(key, row)?;
    }
    if count != before {
        tx.put(count_key(lesson), &count)?;
    }
    Ok(refused)
}
