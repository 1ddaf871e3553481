//! Who may look through which camera, when: user × camera × time × action. A role at a place gives the default, rules
//! narrow or widen it per account, and whatever nothing allows is denied.
//!
//! Does not belong here: where rules are kept (the catalogue), who may write them ([`crate::Action::SetCameraRules`]),
//! the short-lived token that a yes is turned into ([`crate::camera_grant`]).

use crate::{
    decision::{Decision, Denial},
    place::{Level, PlaceTree},
    rights::{Action, Rights, Role},
};
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// What kind of place a camera watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraGroup {
    /// 考场
    ExamRoom,
    /// 试卷保密室
    SealedRoom,
    /// 大门
    Gate,
    /// 走廊
    Corridor,
    /// Anything else.
    Other,
}

impl CameraGroup {
    /// Every group.
    pub const ALL: [Self; 5] = [Self::ExamRoom, Self::SealedRoom, Self::Gate, Self::Corridor, Self::Other];
}

/// A camera as far as rights are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraObject {
    /// Which.
    pub id: CameraId,
    /// Where it hangs.
    pub place: PlaceId,
    /// What it watches.
    pub group: CameraGroup,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleScope {
    /// Every camera at this place and below.
    Place(PlaceId),
    /// One camera.
    Camera(CameraId),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEffect {
    /// Widens: allows within the windows, without any role, and into sealed-paper rooms.
    Allow,
    /// Narrows: what is otherwise allowed is allowed only within the windows. It does not lapse: after the last window
    /// nothing is allowed until the rule is taken away.
    Limit,
    /// Forbids within the windows, whatever else allows it.
    Deny,
}

/// A stretch of time, the end not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// From.
    pub from: UnixMillis,
    /// Up to, not including.
    pub to: UnixMillis,
}

/// A rule about one account. Times are points in time and not hours of a day, so that no time zone is needed to decide:
/// "08:00 to 12:00 on the three exam days" is three windows, and "until Friday" one that ends then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraRule {
    /// Id.
    pub id: Ulid,
    /// Whose looking.
    pub account: AccountId,
    /// At what.
    pub scope: RuleScope,
    /// Which actions; only those that are about a camera ([`Action::is_camera`]) count.
    pub actions: Vec<Action>,
    /// What it does.
    pub effect: RuleEffect,
    /// When; empty: always. At most [`CameraRule::WINDOWS_MAX`].
    pub windows: Vec<Window>,
}

impl CameraRule {
    /// Windows in one rule: three sessions a day for the days of an exam season.
    pub const WINDOWS_MAX: usize = 64;
    /// Rules per account.
    pub const PER_ACCOUNT_MAX: usize = 200;

    /// When it was made; it stands in its id.
    #[must_use]
    pub fn made(&self) -> UnixMillis {
        UnixMillis(i64::try_from(self.id.timestamp_ms()).unwrap_or(i64::MAX))
    }

    fn covers(&self, camera: &CameraObject, tree: &PlaceTree) -> bool {
        match self.scope {
            RuleScope::Place(place) => tree.within(camera.place, place),
            RuleScope::Camera(id) => id == camera.id,
        }
    }

    fn runs(&self, now: UnixMillis) -> bool {
        self.windows.is_empty() || self.windows.iter().any(|w| w.from <= now && now < w.to)
    }
}

/// Somebody who wants to look.
#[derive(Debug, Clone, Copy)]
pub struct Looker<'a> {
    /// Their roles.
    pub rights: &'a Rights,
    /// Rules; those about other accounts are ignored.
    pub rules: &'a [CameraRule],
    /// When their session showed the second factor.
    pub second_factor: Option<UnixMillis>,
}

/// Whether somebody may do this with a camera at this moment (for a recording, too, the moment of looking counts, not
/// that of the footage). Ask again while they look: hours end, rules and roles change.
#[must_use]
pub fn may_look(
    who: &Looker<'_>,
    camera: &CameraObject,
    action: Action,
    tree: &PlaceTree,
    now: UnixMillis,
) -> Decision {
    match refused(who, camera, action, tree, now) {
        Some(denial) => Decision::Denied(denial),
        None => {
            Decision::allowed_once_shown(action.needs_second_factor(who.rights.is_separated()), who.second_factor, now)
        }
    }
}

fn refused(
    who: &Looker<'_>,
    camera: &CameraObject,
    action: Action,
    tree: &PlaceTree,
    now: UnixMillis,
) -> Option<Denial> {
    let rights = who.rights;
    if !action.is_camera() {
        return Some(Denial::NotACameraAction);
    }
    if tree.get(camera.place).is_none() {
        return Some(Denial::UnknownPlace);
    }
    let Some(account) = rights.account() else { return Some(Denial::NoRole) };
    if rights.is_separated() && action.looks() && rights.roles().iter().any(|r| r.role.is_separate()) {
        return Some(Denial::SeparatedAdministrator);
    }
    let about = || who.rules.iter().filter(|rule| rule.account == account && rule.covers(camera, tree));
    let rules = |effect| about().filter(move |rule| rule.effect == effect && rule.actions.contains(&action));
    if rules(RuleEffect::Deny).any(|rule| rule.runs(now)) {
        return Some(Denial::RuleForbids);
    }
    let limited = rules(RuleEffect::Limit).next().is_some();
    if limited && !rules(RuleEffect::Limit).any(|rule| rule.runs(now)) {
        return Some(Denial::OutsideHours);
    }
    if rules(RuleEffect::Allow).any(|rule| rule.runs(now)) {
        return None;
    }
    // Who is allowed anything with a camera finds it in the tree, also before and after the hours.
    if action == Action::ViewCamera && about().any(|rule| rule.effect == RuleEffect::Allow) {
        return None;
    }
    if !rights.may(action, camera.place, tree) {
        return Some(Denial::NoRole);
    }
    if camera.group == CameraGroup::SealedRoom && action.looks() && !administers_site(rights, camera.place, tree) {
        return Some(Denial::SealedRoom);
    }
    None
}

/// Whether a site administrator of the site itself: one of a whole district or above is none for its sealed rooms.
fn administers_site(rights: &Rights, place: PlaceId, tree: &PlaceTree) -> bool {
    rights.roles().iter().any(|r| {
        let at_site = tree.get(r.place).is_some_and(|p| p.level.depth() >= Level::ExamSite.depth());
        r.role == Role::SiteAdministrator && at_site && tree.within(place, r.place)
    })
}

#[cfg(test)]
mod tests;
