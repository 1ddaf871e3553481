//! Alarms on the embedded engine.
//!
//! Keys: `alarm/id`, `alarm-new/inverted time/id` (newest first), `alarm-old/time/id` (oldest first, only those that are
//! over), `alarm-open/camera/fault`, `count/alarm`.

use super::{cameras::camera_exists, index::Index, patrol::word, timetable::time, writer::Tx};
use crate::{
    error::{Result, StoreError},
    patrol::{Alarm, AlarmChange, AlarmQuery, Said},
    store::ALARMS_MAX,
};
use lectern_auth::CameraGroup;
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::HealthFault;
use ulid::Ulid;

/// How many go at once when there are too many, so that the walk to the oldest is made seldom.
const PRUNED_AT_ONCE: usize = 1_000;

pub(super) fn key(id: Ulid) -> String {
    format!("alarm/{id}")
}

fn new_key(since: UnixMillis, id: Ulid) -> String {
    format!("alarm-new/{:020}/{:039}", i64::MAX - since.0.max(0), u128::MAX - id.0)
}

fn old_key(alarm: &Alarm) -> String {
    format!("alarm-old/{}/{}", time(alarm.since), alarm.id)
}

fn open_key(camera: CameraId, fault: HealthFault) -> Result<String> {
    Ok(format!("alarm-open/{camera}/{}", word(&fault)?))
}

fn count(tx: &Tx<'_>) -> Result<usize> {
    Ok(tx.get("count/alarm")?.unwrap_or(0))
}

/// Makes room for one more.
fn prune(tx: &mut Tx<'_>, max: usize) -> Result<usize> {
    let count = count(tx)?;
    if count < max {
        return Ok(count);
    }
    let old = tx.keys("alarm-old/")?;
    let mut removed = 0;
    for entry in old.into_iter().take(PRUNED_AT_ONCE) {
        if let Some(id) = tx.get::<Ulid>(&entry)?
            && let Some(alarm) = tx.get::<Alarm>(&key(id))?
        {
            tx.remove(key(id));
            tx.remove(new_key(alarm.since, id));
            removed += 1;
        }
        tx.remove(entry);
    }
    // Open ones are fewer than cameras times faults, which is not bounded by this table alone.
    if removed == 0 {
        return Err(StoreError::Full { what: "alarms that are not over", max });
    }
    Ok(count - removed)
}

pub(super) fn raise(tx: &mut Tx<'_>, camera: CameraId, fault: HealthFault, since: UnixMillis) -> Result<(Alarm, bool)> {
    camera_exists(tx, camera)?;
    let open = open_key(camera, fault)?;
    if let Some(id) = tx.get::<Ulid>(&open)?
        && let Some(alarm) = tx.get(&key(id))?
    {
        return Ok((alarm, false));
    }
    let count = prune(tx, ALARMS_MAX)?;
    let id = Ulid::new();
    let alarm = Alarm {
        id,
        camera,
        fault,
        since,
        until: None,
        acknowledged: None,
        note: String::new(),
        handed_to: None,
        elsewhere: vec![],
    };
    tx.put("count/alarm".into(), &(count + 1))?;
    tx.put(open, &id)?;
    tx.put(new_key(since, id), &id)?;
    tx.put(key(id), &alarm)?;
    Ok((alarm, true))
}

pub(super) fn clear(tx: &mut Tx<'_>, camera: CameraId, fault: HealthFault, until: UnixMillis) -> Result<Option<Alarm>> {
    let open = open_key(camera, fault)?;
    let Some(id) = tx.get::<Ulid>(&open)? else { return Ok(None) };
    tx.remove(open);
    let Some(mut alarm) = tx.get::<Alarm>(&key(id))? else { return Ok(None) };
    alarm.until = Some(until.max(alarm.since));
    tx.put(old_key(&alarm), &id)?;
    tx.put(key(id), &alarm)?;
    Ok(Some(alarm))
}

pub(super) fn change(tx: &mut Tx<'_>, id: Ulid, change: AlarmChange) -> Result<(Alarm, Alarm)> {
    let was: Alarm = tx.get(&key(id))?.ok_or(StoreError::NotFound)?;
    let mut alarm = was.clone();
    alarm.acknowledged = alarm.acknowledged.or(change.acknowledged);
    let (note, handed_to) = match change.elsewhere {
        None => (&mut alarm.note, &mut alarm.handed_to),
        Some(there) => {
            let said = said_at(&mut alarm.elsewhere, there);
            (&mut said.note, &mut said.handed_to)
        }
    };
    if let Some(new) = change.note {
        *note = new;
    }
    if change.handed_to.is_some() {
        *handed_to = change.handed_to;
    }
    // Who only acknowledged it has said nothing.
    alarm.elsewhere.retain(|said| !said.note.is_empty() || said.handed_to.is_some());
    tx.put(key(id), &alarm)?;
    Ok((was, alarm))
}

/// What was said there; nothing so far, if nothing was.
fn said_at(all: &mut Vec<Said>, (place, group): (PlaceId, CameraGroup)) -> &mut Said {
    let known = all.iter().position(|said| (said.place, said.group) == (place, group));
    let at = known.unwrap_or_else(|| {
        all.push(Said { place, group, note: String::new(), handed_to: None });
        all.len() - 1
    });
    &mut all[at]
}

pub(super) fn query(index: &Index, query: &AlarmQuery) -> Result<Vec<Alarm>> {
    let after = query.after.map(|(since, id)| new_key(since, id));
    let mut found = Vec::new();
    for entry in index.scan("alarm-new/", after.as_deref()) {
        if found.len() >= query.limit {
            break;
        }
        let (entry_key, id) = entry?;
        let Some(alarm) = super::get::<Alarm>(index, &key(super::record(&entry_key, &id)?))? else { continue };
        let ours = query.cameras.as_ref().is_none_or(|cameras| cameras.contains(&alarm.camera));
        let touches = query.to.is_none_or(|to| alarm.since < to)
            && query.from.is_none_or(|from| alarm.until.is_none_or(|until| until >= from));
        if ours && touches && (!query.open || alarm.until.is_none()) {
            found.push(alarm);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sled_store::SledStore;

    #[tokio::test]
    async fn the_oldest_that_are_over_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        let camera = CameraId::generate();
        let faults = [HealthFault::Frozen, HealthFault::Black, HealthFault::White];
        store.writer.write(move |tx| tx.put(format!("camera/{camera}"), &0)).await.unwrap();
        let raise =
            async |fault, at| store.writer.write(move |tx| raise(tx, camera, fault, UnixMillis(at))).await.unwrap().0;
        let old = raise(faults[0], 1).await;
        store.writer.write(move |tx| clear(tx, camera, faults[0], UnixMillis(2))).await.unwrap();
        let open = [raise(faults[1], 3).await, raise(faults[2], 4).await];
        let left = store.writer.write(|tx| prune(tx, 4)).await.unwrap();
        assert_eq!(left, 3, "there is room");
        let left = store.writer.write(|tx| prune(tx, 3)).await.unwrap();
        assert_eq!(left, 2);
        let all = AlarmQuery { limit: 10, ..AlarmQuery::default() };
        let found = store.read(move |index| query(index, &all)).await.unwrap();
        assert_eq!(found, [open[1].clone(), open[0].clone()]);
        assert!(!found.contains(&old));
        // What is not over is never dropped.
        let full = store.writer.write(|tx| prune(tx, 2)).await;
        assert!(matches!(full, Err(StoreError::Full { max: 2, .. })));
    }
}
