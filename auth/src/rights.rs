//! Rights: a role held at a place, and the one table that says what it allows. Everything not in the table is denied.
//!
//! Belongs here: every action of the API and who may take it. Does not belong here: how a refusal is worded (403 or 404).

use crate::{
    decision::{Decision, Denial},
    place::PlaceTree,
};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};

/// What somebody is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Manages people, places and settings.
    Administrator,
    /// Teaches classes.
    Teacher,
    /// Attends classes.
    Student,
    /// Searches, watches and reviews recordings.
    Staff,
    /// 巡查员: looks at exam sites through their cameras. Called `examiner` before cameras existed, when it allowed
    /// nothing but seeing places: the same people, so one role, and the old word is still read from catalogues.
    #[serde(alias = "examiner")]
    PatrolOfficer,
    /// 考点管理员: runs the cameras of one site, looks through them, and is the only one who sees its sealed-paper room
    /// without a rule.
    SiteAdministrator,
    /// 系统管理员: places, cameras, accounts without roles, settings of the server. Looks at no picture.
    SystemAdministrator,
    /// 安全管理员: gives and takes roles, writes the rules of looking, resets second factors. Looks at no picture.
    SecurityAdministrator,
    /// 审计管理员: reads the audit log, nothing else.
    AuditAdministrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Administrator,
        Self::Teacher,
        Self::Student,
        Self::Staff,
        Self::PatrolOfficer,
        Self::SiteAdministrator,
        Self::SystemAdministrator,
        Self::SecurityAdministrator,
        Self::AuditAdministrator,
    ];

    /// The three that nobody may hold together where administrators are separated (GB/T 22239-2019 §8.1.4.2).
    pub const SEPARATE: [Self; 3] = [Self::SystemAdministrator, Self::SecurityAdministrator, Self::AuditAdministrator];

    /// Whether it is one of the three.
    #[must_use]
    pub fn is_separate(self) -> bool {
        Self::SEPARATE.contains(&self)
    }

    /// Whether the role by itself allows looking at pictures of cameras somewhere.
    #[must_use]
    pub const fn looks(self) -> bool {
        matches!(self, Self::Administrator | Self::PatrolOfficer | Self::SiteAdministrator)
    }
}

/// A role held at a place, and with it everywhere below; a student is one at exactly that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoleAt {
    /// What.
    pub role: Role,
    /// Where.
    pub place: PlaceId,
}

/// Whether these roles can't be held together where administrators are separated: two of the three, or one of the three
/// and one that looks at pictures.
#[must_use]
pub fn roles_clash(roles: &[RoleAt]) -> bool {
    let mut separate = roles.iter().map(|r| r.role).filter(|r| r.is_separate());
    let Some(first) = separate.next() else { return false };
    separate.any(|other| other != first) || roles.iter().any(|r| r.role.looks())
}

/// Everything the API lets somebody do to something. A route without an action here can't be authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See that a place exists, and its name.
    ViewPlace,
    /// Make a place under this one.
    CreatePlace,
    /// Rename a place.
    EditPlace,
    /// Remove an empty place.
    RemovePlace,
    /// See an account that has a role here.
    ViewAccount,
    /// Make an account with a role here.
    CreateAccount,
    /// Rename, disable or enable an account with a role here.
    EditAccount,
    /// Send a link that sets the password of an account with a role here.
    ResetPassword,
    /// Give or take a role here.
    GrantRole,
    /// Put a class of this owner into the timetable here.
    CreateClass,
    /// Change a timetable entry.
    EditClass,
    /// Take an entry out of the timetable.
    RemoveClass,
    /// See a class and its lessons in the timetable.
    ViewClass,
    /// Open, lead and end the lesson.
    TeachLesson,
    /// Look on without being invited by link.
    ObserveLesson,
    /// Attend as a pupil of this place.
    AttendLesson,
    /// See who attended.
    ViewAttendance,
    /// Make a token with which OBS or a recording host publishes as the teacher, and revoke all devices of the class.
    IssueDeviceToken,
    /// Make a token with which a player watches the class.
    IssueWatchToken,
    /// See, search and play a recording.
    WatchRecording,
    /// Take a recording away as a file.
    DownloadRecording,
    /// Delete a recording, or take that back.
    DeleteRecording,
    /// See the server's own state and change its settings; asked at the root.
    ManageServer,
    /// See that a camera exists, its name and state, not its picture.
    ViewCamera,
    /// See its picture as it is now.
    LiveCamera,
    /// Hear it.
    ListenCamera,
    /// Play its recording.
    PlayCamera,
    /// Take a picture away.
    SnapshotCamera,
    /// Set a bookmark in its recording.
    BookmarkCamera,
    /// Take evidence away.
    ExportCamera,
    /// Add, change, test, start, stop and remove it, and see its address (never its password).
    ManageCamera,
    /// Bring in the cameras of a site by CSV.
    ImportCameras,
    /// Protect footage from being removed by rule.
    HoldFootage,
    /// Ask for, or agree to, the end of a hold: two different people.
    ReleaseHold,
    /// Acknowledge an alarm, note on it, hand it over.
    HandleAlarm,
    /// Run the check before an exam and see its report.
    CheckSite,
    /// See who looked at a site, when, how long.
    ViewAudit,
    /// Take the audit log away.
    ExportAudit,
    /// Set retention, thresholds and webhooks.
    SetPatrolPolicy,
    /// Write rules that narrow or widen who looks at which camera when.
    SetCameraRules,
    /// Take an account's second factor away, so that its owner sets up a new one.
    ResetSecondFactor,
    /// Turn the separation of administrators on, or ask for or agree to its end; asked at the root.
    SetAuthorityMode,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 42] = [
        Self::ViewPlace,
        Self::CreatePlace,
        Self::EditPlace,
        Self::RemovePlace,
        Self::ViewAccount,
        Self::CreateAccount,
        Self::EditAccount,
        Self::ResetPassword,
        Self::GrantRole,
        Self::CreateClass,
        Self::EditClass,
        Self::RemoveClass,
        Self::ViewClass,
        Self::TeachLesson,
        Self::ObserveLesson,
        Self::AttendLesson,
        Self::ViewAttendance,
        Self::IssueDeviceToken,
        Self::IssueWatchToken,
        Self::WatchRecording,
        Self::DownloadRecording,
        Self::DeleteRecording,
        Self::ManageServer,
        Self::ViewCamera,
        Self::LiveCamera,
        Self::ListenCamera,
        Self::PlayCamera,
        Self::SnapshotCamera,
        Self::BookmarkCamera,
        Self::ExportCamera,
        Self::ManageCamera,
        Self::ImportCameras,
        Self::HoldFootage,
        Self::ReleaseHold,
        Self::HandleAlarm,
        Self::CheckSite,
        Self::ViewAudit,
        Self::ExportAudit,
        Self::SetPatrolPolicy,
        Self::SetCameraRules,
        Self::ResetSecondFactor,
        Self::SetAuthorityMode,
    ];

    /// Whether it is about one camera: rules of looking apply to it ([`crate::camera`]).
    #[must_use]
    pub const fn is_camera(self) -> bool {
        matches!(
            self,
            Self::ViewCamera
                | Self::LiveCamera
                | Self::ListenCamera
                | Self::PlayCamera
                | Self::SnapshotCamera
                | Self::BookmarkCamera
                | Self::ExportCamera
                | Self::ManageCamera
                | Self::HoldFootage
                | Self::ReleaseHold
                | Self::HandleAlarm
        )
    }

    /// Whether it shows or takes away what a camera saw or heard.
    #[must_use]
    pub const fn looks(self) -> bool {
        matches!(
            self,
            Self::LiveCamera
                | Self::ListenCamera
                | Self::PlayCamera
                | Self::SnapshotCamera
                | Self::BookmarkCamera
                | Self::ExportCamera
        )
    }

    /// Whether it belongs to the separated administrators, patrol officers and site administrators alone once the
    /// separation is on: the role `Administrator` then allows it nowhere.
    #[must_use]
    pub const fn is_separated(self) -> bool {
        self.is_camera()
            || matches!(
                self,
                Self::CreatePlace
                    | Self::EditPlace
                    | Self::RemovePlace
                    | Self::ViewAccount
                    | Self::CreateAccount
                    | Self::EditAccount
                    | Self::ResetPassword
                    | Self::GrantRole
                    | Self::ManageServer
                    | Self::ImportCameras
                    | Self::CheckSite
                    | Self::ViewAudit
                    | Self::ExportAudit
                    | Self::SetPatrolPolicy
                    | Self::SetCameraRules
                    | Self::ResetSecondFactor
                    | Self::SetAuthorityMode
            )
    }

    /// Whether the session must have shown the second factor for it. Where administrators are separated that holds for
    /// whatever is theirs; elsewhere for cameras and what guards them, so that a school without cameras needs none.
    #[must_use]
    pub const fn needs_second_factor(self, separated: bool) -> bool {
        match self {
            // Names of cameras, in the tree.
            Self::ViewCamera => false,
            Self::CreatePlace
            | Self::EditPlace
            | Self::RemovePlace
            | Self::ViewAccount
            | Self::CreateAccount
            | Self::EditAccount
            | Self::ResetPassword
            | Self::GrantRole
            | Self::ManageServer => separated,
            _ => self.is_separated(),
        }
    }

    /// The table.
    const fn rule(self) -> Rule {
        use Role::{
            Administrator, AuditAdministrator, PatrolOfficer, SecurityAdministrator, SiteAdministrator, Staff, Student,
            SystemAdministrator, Teacher,
        };
        const NOBODY: Rule = Rule { above: &[], here: &[], below: &[], owner: Owner::Nothing };
        const ADMIN: Rule = Rule { above: &[Administrator], ..NOBODY };
        const ADMIN_OR_OWNER: Rule = Rule { owner: Owner::May, ..ADMIN };
        const SYSTEM: Rule = Rule { above: &[Administrator, SystemAdministrator], ..NOBODY };
        const SECURITY: Rule = Rule { above: &[Administrator, SecurityAdministrator], ..NOBODY };
        const AUDIENCE: Rule =
            Rule { above: &[Administrator, Staff, Teacher], here: &[Student], owner: Owner::May, ..NOBODY };
        const PATROL: Rule = Rule { above: &[Administrator, PatrolOfficer, SiteAdministrator], ..NOBODY };
        match self {
            // Whoever has a role below a place sees the path down to it: names of authorities are public.
            Self::ViewPlace => Rule {
                above: &[
                    Administrator,
                    Staff,
                    Teacher,
                    PatrolOfficer,
                    SiteAdministrator,
                    SystemAdministrator,
                    SecurityAdministrator,
                    AuditAdministrator,
                ],
                here: &[Student],
                below: &Role::ALL,
                owner: Owner::Nothing,
            },
            // Resetting a password is the system administrator's, resetting a second factor the security
            // administrator's: neither takes over an account alone.
            Self::CreatePlace
            | Self::EditPlace
            | Self::RemovePlace
            | Self::CreateAccount
            | Self::EditAccount
            | Self::ResetPassword
            | Self::ManageServer
            | Self::SetPatrolPolicy => SYSTEM,
            Self::GrantRole | Self::SetCameraRules | Self::ResetSecondFactor => SECURITY,
            Self::ViewAccount | Self::SetAuthorityMode => {
                Rule { above: &[Administrator, SystemAdministrator, SecurityAdministrator], ..NOBODY }
            }
            Self::CreateClass => Rule { owner: Owner::IfTeacher, ..ADMIN },
            Self::EditClass | Self::RemoveClass | Self::IssueDeviceToken | Self::DeleteRecording => ADMIN_OR_OWNER,
            Self::ViewClass | Self::WatchRecording | Self::DownloadRecording => AUDIENCE,
            Self::TeachLesson => Rule { owner: Owner::May, ..NOBODY },
            Self::ObserveLesson => Rule { above: &[Administrator, Staff, Teacher], ..NOBODY },
            Self::AttendLesson => Rule { here: &[Student], ..NOBODY },
            Self::ViewAttendance | Self::IssueWatchToken => {
                Rule { above: &[Administrator, Staff], owner: Owner::May, ..NOBODY }
            }
            // Security writes rules about cameras, so it sees their names.
            Self::ViewCamera => Rule {
                above: &[Administrator, PatrolOfficer, SiteAdministrator, SystemAdministrator, SecurityAdministrator],
                ..NOBODY
            },
            Self::LiveCamera
            | Self::ListenCamera
            | Self::PlayCamera
            | Self::SnapshotCamera
            | Self::BookmarkCamera
            | Self::HoldFootage
            | Self::ReleaseHold
            | Self::HandleAlarm => PATROL,
            // Taking evidence away is more than looking: a patrol officer needs a rule for it.
            Self::ExportCamera => Rule { above: &[Administrator, SiteAdministrator], ..NOBODY },
            Self::ManageCamera | Self::ImportCameras => {
                Rule { above: &[Administrator, SystemAdministrator, SiteAdministrator], ..NOBODY }
            }
            Self::CheckSite => {
                Rule { above: &[Administrator, PatrolOfficer, SiteAdministrator, SystemAdministrator], ..NOBODY }
            }
            // The watched read who watched them.
            Self::ViewAudit => Rule { above: &[Administrator, SiteAdministrator, AuditAdministrator], ..NOBODY },
            Self::ExportAudit => Rule { above: &[Administrator, AuditAdministrator], ..NOBODY },
        }
    }
}

/// One line of the table.
struct Rule {
    /// Roles that allow it when held at the place or above.
    above: &'static [Role],
    /// Roles that allow it only when held at exactly this place: a pupil of a school is not one of all its classes.
    here: &'static [Role],
    /// Roles that allow it when held anywhere below.
    below: &'static [Role],
    /// What the owner (the teacher of the class) may.
    owner: Owner,
}

enum Owner {
    /// Being the owner allows nothing by itself.
    Nothing,
    /// The owner may.
    May,
    /// The owner may if a teacher at the place or above.
    IfTeacher,
}

/// What an action is about: where it lies, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// The place it belongs to.
    pub place: PlaceId,
    /// The teacher of the class, lesson or recording; places and accounts have no owner.
    pub owner: Option<AccountId>,
}

impl From<PlaceId> for Object {
    fn from(place: PlaceId) -> Self {
        Self { place, owner: None }
    }
}

/// What one person may do: their roles. A disabled account or an unknown person has none; see [`Rights::none`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    account: Option<AccountId>,
    roles: Vec<RoleAt>,
    separated: bool,
}

impl Rights {
    /// Rights of an account.
    #[must_use]
    pub fn new(account: AccountId, roles: Vec<RoleAt>) -> Self {
        Self { account: Some(account), roles, separated: false }
    }

    /// The same where administrators are separated (三员分立). Roles that can't be held together there are worth nothing.
    #[must_use]
    pub fn separated(mut self, separated: bool) -> Self {
        self.separated = separated;
        if separated && roles_clash(&self.roles) {
            self.roles.clear();
        }
        self
    }

    /// Whether administrators are separated.
    #[must_use]
    pub fn is_separated(&self) -> bool {
        self.separated
    }

    /// Rights of nobody: every answer is no.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whose they are.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &[RoleAt] {
        &self.roles
    }

    /// Whether `action` on `object` is allowed. Anything unknown (place, owner) is denied.
    #[must_use]
    pub fn may(&self, action: Action, object: impl Into<Object>, tree: &PlaceTree) -> bool {
        let object = object.into();
        if tree.get(object.place).is_none() {
            return false;
        }
        let rule = action.rule();
        let owns = self.account.is_some() && self.account == object.owner;
        let ended = |role: Role| self.separated && role == Role::Administrator && action.is_separated();
        let above = |roles: &[Role]| {
            let held = |r: &RoleAt| roles.contains(&r.role) && !ended(r.role) && tree.within(object.place, r.place);
            self.roles.iter().any(held)
        };
        let here = self.roles.iter().any(|r| rule.here.contains(&r.role) && r.place == object.place);
        let below = || self.roles.iter().any(|r| rule.below.contains(&r.role) && tree.within(r.place, object.place));
        let owner = match rule.owner {
            Owner::Nothing => false,
            Owner::May => owns,
            Owner::IfTeacher => owns && above(&[Role::Teacher]),
        };
        above(rule.above) || here || owner || below()
    }

    /// As [`Rights::may`], and whether the session that asks has shown its second factor lately enough (`shown`: when).
    #[must_use]
    pub fn decide(
        &self,
        action: Action,
        object: impl Into<Object>,
        tree: &PlaceTree,
        shown: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Decision {
        let object = object.into();
        if !self.may(action, object, tree) {
            let known = tree.get(object.place).is_some();
            return Decision::Denied(if known { Denial::NoRole } else { Denial::UnknownPlace });
        }
        Decision::allowed_once_shown(action.needs_second_factor(self.separated), shown, now)
    }

    /// Whether `action` (one that concerns accounts) is allowed on an account with these roles: it must be allowed at
    /// *every* place where that account holds a role, so that nobody takes over an account mightier than their own.
    /// An account without roles belongs to the administrators of the root.
    #[must_use]
    pub fn may_account(&self, action: Action, roles: &[RoleAt], tree: &PlaceTree) -> bool {
        match (roles, tree.root()) {
            ([], Some(root)) => self.may(action, root, tree),
            ([], None) => false,
            (roles, _) => roles.iter().all(|r| self.may(action, r.place, tree)),
        }
    }

    /// Whether the account may be seen: one of its roles is at a place where the viewer may see accounts.
    #[must_use]
    pub fn sees_account(&self, roles: &[RoleAt], tree: &PlaceTree) -> bool {
        roles.iter().any(|r| self.may(Action::ViewAccount, r.place, tree))
            || self.may_account(Action::ViewAccount, roles, tree)
    }
}

#[cfg(test)]
mod tests;
