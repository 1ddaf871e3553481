//! Rights: a role held at a place, and the one table that says what it allows. Everything not in the table is denied.
//!
//! Belongs here: every action of the API and who may take it. Does not belong here: how a refusal is worded (403 or 404).

use crate::place::PlaceTree;
use lectern_media::{AccountId, PlaceId};
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
    /// Watches exam rooms.
    Examiner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Administrator, Self::Teacher, Self::Student, Self::Staff, Self::Examiner];
}

/// A role held at a place, and with it everywhere below; a student is one at exactly that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoleAt {
    /// What.
    pub role: Role,
    /// Where.
    pub place: PlaceId,
}

/// Everything the API lets somebody do to something. A route without an action here can't be authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 23] = [
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
    ];

    /// The table.
    const fn rule(self) -> Rule {
        use Role::{Administrator, Examiner, Staff, Student, Teacher};
        const NOBODY: Rule = Rule { above: &[], here: &[], below: &[], owner: Owner::Nothing };
        const ADMIN: Rule = Rule { above: &[Administrator], ..NOBODY };
        const ADMIN_OR_OWNER: Rule = Rule { owner: Owner::May, ..ADMIN };
        const AUDIENCE: Rule =
            Rule { above: &[Administrator, Staff, Teacher], here: &[Student], owner: Owner::May, ..NOBODY };
        match self {
            // Whoever has a role below a place sees the path down to it: names of authorities are public.
            Self::ViewPlace => Rule {
                above: &[Administrator, Staff, Teacher, Examiner],
                here: &[Student],
                below: &[Administrator, Teacher, Student, Staff, Examiner],
                owner: Owner::Nothing,
            },
            Self::CreatePlace
            | Self::EditPlace
            | Self::RemovePlace
            | Self::ViewAccount
            | Self::CreateAccount
            | Self::EditAccount
            | Self::ResetPassword
            | Self::GrantRole
            | Self::ManageServer => ADMIN,
            Self::CreateClass => Rule { owner: Owner::IfTeacher, ..ADMIN },
            Self::EditClass | Self::RemoveClass | Self::IssueDeviceToken | Self::DeleteRecording => ADMIN_OR_OWNER,
            Self::ViewClass | Self::WatchRecording | Self::DownloadRecording => AUDIENCE,
            Self::TeachLesson => Rule { owner: Owner::May, ..NOBODY },
            Self::ObserveLesson => Rule { above: &[Administrator, Staff, Teacher], ..NOBODY },
            Self::AttendLesson => Rule { here: &[Student], ..NOBODY },
            Self::ViewAttendance | Self::IssueWatchToken => {
                Rule { above: &[Administrator, Staff], owner: Owner::May, ..NOBODY }
            }
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
}

impl Rights {
    /// Rights of an account.
    #[must_use]
    pub fn new(account: AccountId, roles: Vec<RoleAt>) -> Self {
        Self { account: Some(account), roles }
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
        let above =
            |roles: &[Role]| self.roles.iter().any(|r| roles.contains(&r.role) && tree.within(object.place, r.place));
        let here = self.roles.iter().any(|r| rule.here.contains(&r.role) && r.place == object.place);
        let below = || self.roles.iter().any(|r| rule.below.contains(&r.role) && tree.within(r.place, object.place));
        let owner = match rule.owner {
            Owner::Nothing => false,
            Owner::May => owns,
            Owner::IfTeacher => owns && above(&[Role::Teacher]),
        };
        above(rule.above) || here || owner || below()
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
mod tests {
    use super::*;
    use crate::place::{Level, PlaceNode};

    /// Where the role is held, seen from the object's place.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Held {
        Above,
        Here,
        Below,
        Sibling,
        Unknown,
    }

    struct World {
        tree: PlaceTree,
        nation: PlaceId,
        school: PlaceId,
        class: PlaceId,
        other: PlaceId,
    }

    fn world() -> World {
        let node = |parent, level| PlaceNode { id: PlaceId::generate(), parent, level, name: "x".into() };
        let nation = node(None, Level::Nation);
        let school = node(Some(nation.id), Level::School);
        let other = node(Some(nation.id), Level::School);
        let class = node(Some(school.id), Level::Class);
        let w = (nation.id, school.id, class.id, other.id);
        let tree = PlaceTree::build([nation, school, other, class]).unwrap();
        World { tree, nation: w.0, school: w.1, class: w.2, other: w.3 }
    }

    /// The whole matrix, written down a second time as sets of words: role, action, where the role is held.
    fn expected(role: Role, action: Action, held: Held) -> bool {
        use Action as A;
        use Role as R;
        if action == A::ViewPlace {
            return match held {
                Held::Above => role != R::Student,
                Held::Here | Held::Below => true,
                Held::Sibling | Held::Unknown => false,
            };
        }
        let at_or_above = matches!(held, Held::Above | Held::Here);
        match role {
            R::Administrator => at_or_above && !matches!(action, A::TeachLesson | A::AttendLesson),
            R::Teacher => {
                at_or_above
                    && matches!(action, A::ViewClass | A::ObserveLesson | A::WatchRecording | A::DownloadRecording)
            }
            R::Staff => {
                at_or_above
                    && matches!(
                        action,
                        A::ViewClass
                            | A::ObserveLesson
                            | A::ViewAttendance
                            | A::IssueWatchToken
                            | A::WatchRecording
                            | A::DownloadRecording
                    )
            }
            R::Student => {
                held == Held::Here
                    && matches!(action, A::ViewClass | A::AttendLesson | A::WatchRecording | A::DownloadRecording)
            }
            R::Examiner => false,
        }
    }

    #[test]
    fn role_by_action_by_place() {
        let w = world();
        let me = AccountId::generate();
        let mut allowed = 0;
        for role in Role::ALL {
            for action in Action::ALL {
                for (held, place) in [
                    (Held::Above, w.nation),
                    (Held::Here, w.school),
                    (Held::Below, w.class),
                    (Held::Sibling, w.other),
                    (Held::Unknown, PlaceId::generate()),
                ] {
                    let rights = Rights::new(me, vec![RoleAt { role, place }]);
                    let got = rights.may(action, w.school, &w.tree);
                    assert_eq!(got, expected(role, action, held), "{role:?} held {held:?}: {action:?}");
                    allowed += u32::from(got);
                    assert!(!rights.may(action, PlaceId::generate(), &w.tree), "nothing is allowed nowhere");
                }
            }
        }
        assert!(allowed > 50, "the matrix is not all no");
    }

    #[test]
    fn nobody_may_nothing() {
        let w = world();
        for action in Action::ALL {
            let owned = Object { place: w.school, owner: Some(AccountId::generate()) };
            assert!(!Rights::none().may(action, owned, &w.tree), "{action:?}");
            assert!(!Rights::none().may(action, Object { place: w.school, owner: None }, &w.tree), "{action:?}");
        }
    }

    #[test]
    fn what_the_owner_may() {
        let w = world();
        let me = AccountId::generate();
        let mine = Object { place: w.school, owner: Some(me) };
        let bare = Rights::new(me, vec![]);
        for action in Action::ALL {
            let want = matches!(
                action,
                Action::EditClass
                    | Action::RemoveClass
                    | Action::ViewClass
                    | Action::TeachLesson
                    | Action::ViewAttendance
                    | Action::IssueDeviceToken
                    | Action::IssueWatchToken
                    | Action::WatchRecording
                    | Action::DownloadRecording
                    | Action::DeleteRecording
            );
            assert_eq!(bare.may(action, mine, &w.tree), want, "owner without role: {action:?}");
        }
        let teacher_at = |place| Rights::new(me, vec![RoleAt { role: Role::Teacher, place }]);
        assert!(teacher_at(w.school).may(Action::CreateClass, mine, &w.tree));
        assert!(!teacher_at(w.other).may(Action::CreateClass, mine, &w.tree));
        let for_another = Object { owner: Some(AccountId::generate()), ..mine };
        assert!(!teacher_at(w.school).may(Action::CreateClass, for_another, &w.tree));
    }

    #[test]
    fn nobody_takes_over_a_mightier_account() {
        let w = world();
        let head = Rights::new(AccountId::generate(), vec![RoleAt { role: Role::Administrator, place: w.school }]);
        let root = Rights::new(AccountId::generate(), vec![RoleAt { role: Role::Administrator, place: w.nation }]);
        let at = |place| RoleAt { role: Role::Teacher, place };
        for (roles, by_head, seen) in [
            (vec![at(w.class)], true, true),
            (vec![at(w.school), at(w.class)], true, true),
            (vec![at(w.school), at(w.nation)], false, true),
            (vec![at(w.other)], false, false),
            (vec![], false, false),
        ] {
            assert_eq!(head.may_account(Action::ResetPassword, &roles, &w.tree), by_head, "{roles:?}");
            assert_eq!(head.sees_account(&roles, &w.tree), seen, "{roles:?}");
            assert!(root.may_account(Action::ResetPassword, &roles, &w.tree) && root.sees_account(&roles, &w.tree));
        }
    }
}
