//! Cameras and rules of looking on the embedded engine.
//!
//! Keys: `camera/id`, `camera-rule/account/id`.

use super::{SledStore, people, writer::Tx};
use crate::{
    error::{Conflict, Result, StoreError},
    patrol::{Bookmark, Camera, CameraChange, Hang, Hold, Stay},
    store::{CAMERA_RULES_MAX, CAMERAS_EVER_MAX, CAMERAS_MAX, Cameras},
};
use async_trait::async_trait;
use lectern_auth::{CameraRule, RuleScope};
use lectern_media::{AccountId, CameraId, UnixMillis};
use std::collections::HashSet;
use ulid::Ulid;

fn camera_key(id: CameraId) -> String {
    format!("camera/{id}")
}

fn rules_of_key(account: AccountId) -> String {
    format!("camera-rule/{account}/")
}

fn rule_key(account: AccountId, id: Ulid) -> String {
    format!("camera-rule/{account}/{id}")
}

pub(super) fn camera_exists(tx: &Tx<'_>, id: CameraId) -> Result<()> {
    if tx.has(&camera_key(id))? { Ok(()) } else { Err(StoreError::NotFound) }
}

/// Refuses if, of the cameras that are there, two would share a place and name or a code. As many steps as there are
/// cameras: they are few, and change seldom.
fn check_unique(cameras: &[Camera]) -> Result<()> {
    let (mut names, mut codes) = (HashSet::new(), HashSet::new());
    for camera in cameras.iter().filter(|c| c.removed.is_none()) {
        if !names.insert((camera.place, camera.name.to_lowercase())) {
            return Err(Conflict::CameraNameTaken.into());
        }
        if camera.code.as_ref().is_some_and(|code| !codes.insert(code)) {
            return Err(Conflict::CameraCodeTaken.into());
        }
    }
    Ok(())
}

#[async_trait]
impl Cameras for SledStore {
    async fn create_cameras(&self, cameras: Vec<Camera>) -> Result<()> {
        self.transact(move |tx| {
            let mut all: Vec<Camera> = tx.all("camera/")?;
            all.extend(cameras.iter().cloned());
            if all.len() > CAMERAS_EVER_MAX {
                return Err(StoreError::Full { what: "cameras, removed ones among them", max: CAMERAS_EVER_MAX });
            }
            if all.iter().filter(|c| c.removed.is_none()).count() > CAMERAS_MAX {
                return Err(StoreError::Full { what: "cameras", max: CAMERAS_MAX });
            }
            check_unique(&all)?;
            for camera in &cameras {
                people::place_exists(tx, camera.place)?;
                tx.put(camera_key(camera.id), camera)?;
            }
            Ok(())
        })
        .await
    }

    async fn camera(&self, id: CameraId) -> Result<Option<Camera>> {
        self.one(camera_key(id)).await
    }

    async fn cameras(&self) -> Result<Vec<Camera>> {
        self.many("camera/".into(), None, usize::MAX).await
    }

    async fn change_camera(&self, id: CameraId, change: CameraChange) -> Result<Camera> {
        self.transact(move |tx| {
            let there = |c: &Camera| c.removed.is_none();
            let mut camera = tx.get::<Camera>(&camera_key(id))?.filter(there).ok_or(StoreError::NotFound)?;
            let names_it = change.hang.is_some() || change.name.is_some() || change.code.is_some();
            apply(&mut camera, change.clone())?;
            if names_it {
                people::place_exists(tx, camera.place)?;
                let mut all: Vec<Camera> = tx.all("camera/")?;
                all.retain(|c| c.id != id);
                all.push(camera.clone());
                check_unique(&all)?;
            }
            tx.put(camera_key(id), &camera)?;
            Ok(camera)
        })
        .await
    }

    async fn remove_camera(&self, id: CameraId, now: UnixMillis) -> Result<Camera> {
        self.transact(move |tx| {
            let mut camera: Camera = tx.get(&camera_key(id))?.ok_or(StoreError::NotFound)?;
            camera.removed.get_or_insert(now);
            camera.enabled = false;
            camera.password = None;
            tx.put(camera_key(id), &camera)?;
            Ok(camera)
        })
        .await
    }

    async fn forget_camera(&self, id: CameraId) -> Result<()> {
        self.transact(move |tx| {
            let camera: Camera = tx.get(&camera_key(id))?.ok_or(StoreError::NotFound)?;
            let holds: Vec<Hold> = super::patrol::holds_of(tx, id)?;
            if camera.removed.is_none() || holds.iter().any(|h| h.released.is_none()) {
                return Err(Conflict::CameraInUse.into());
            }
            holds.iter().for_each(|hold| super::patrol::remove_hold(tx, hold));
            let marks: Vec<Bookmark> = tx.all(&super::patrol::bookmarks_of_key(id))?;
            marks.iter().for_each(|mark| super::patrol::remove_bookmark(tx, mark));
            let rules: Vec<CameraRule> = tx.all("camera-rule/")?;
            for rule in rules.iter().filter(|rule| rule.scope == RuleScope::Camera(id)) {
                tx.remove(rule_key(rule.account, rule.id));
            }
            tx.remove(camera_key(id));
            Ok(())
        })
        .await
    }

    async fn put_camera_rule(&self, rule: CameraRule) -> Result<()> {
        self.transact(move |tx| {
            people::account_exists(tx, rule.account)?;
            match rule.scope {
                RuleScope::Place(place) => people::place_exists(tx, place)?,
                RuleScope::Camera(camera) => camera_exists(tx, camera)?,
            }
            let full = |what, max| Err(StoreError::Full { what, max });
            if rule.windows.len() > CameraRule::WINDOWS_MAX {
                return full("windows of a rule", CameraRule::WINDOWS_MAX);
            }
            let key = rule_key(rule.account, rule.id);
            if !tx.has(&key)? {
                if tx.keys(&rules_of_key(rule.account))?.len() >= CameraRule::PER_ACCOUNT_MAX {
                    return full("rules of an account", CameraRule::PER_ACCOUNT_MAX);
                }
                if tx.keys("camera-rule/")?.len() >= CAMERA_RULES_MAX {
                    return full("rules of looking", CAMERA_RULES_MAX);
                }
            }
            tx.put(key, &rule)
        })
        .await
    }

    async fn remove_camera_rule(&self, account: AccountId, id: Ulid) -> Result<CameraRule> {
        self.transact(move |tx| {
            let key = rule_key(account, id);
            let rule = tx.get(&key)?.ok_or(StoreError::NotFound)?;
            tx.remove(key);
            Ok(rule)
        })
        .await
    }

    async fn camera_rules(&self) -> Result<Vec<CameraRule>> {
        self.many("camera-rule/".into(), None, usize::MAX).await
    }
}

/// Hangs the camera elsewhere, or calls what it watches something else; where it hung before is kept.
fn hang(camera: &mut Camera, Hang { place, group, by }: Hang) -> Result<()> {
    if (camera.place, camera.group) == (place, group) {
        return Ok(());
    }
    if camera.stays.len() >= Camera::STAYS_MAX {
        return Err(StoreError::Full { what: "moves of a camera", max: Camera::STAYS_MAX });
    }
    let until = by.at;
    // One that was moved later than that was moved by a clock that was ahead: what is recorded from now on is not of there.
    for stay in &mut camera.stays {
        stay.until = stay.until.min(until);
    }
    let name = camera.name.clone();
    camera.stays.push(Stay { place: camera.place, group: camera.group, name, until, by });
    (camera.place, camera.group) = (place, group);
    Ok(())
}

fn apply(camera: &mut Camera, change: CameraChange) -> Result<()> {
    fn set<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    if let Some(to) = change.hang {
        // Before the name changes: what it was called goes with where it hung.
        hang(camera, to)?;
    }
    set(&mut camera.name, change.name);
    set(&mut camera.code, change.code);
    set(&mut camera.main_url, change.main_url);
    set(&mut camera.sub_url, change.sub_url);
    set(&mut camera.transport, change.transport);
    set(&mut camera.username, change.username);
    set(&mut camera.password, change.password);
    set(&mut camera.bitrate_max_kbps, change.bitrate_max_kbps);
    set(&mut camera.enabled, change.enabled);
    set(&mut camera.record, change.record);
    Ok(())
}
