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
            at_or_above && matches!(action, A::ViewClass | A::ObserveLesson | A::WatchRecording | A::DownloadRecording)
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
        R::PatrolOfficer => {
            at_or_above
                && matches!(
                    action,
                    A::ViewCamera
                        | A::LiveCamera
                        | A::ListenCamera
                        | A::PlayCamera
                        | A::SnapshotCamera
                        | A::BookmarkCamera
                        | A::HoldFootage
                        | A::ReleaseHold
                        | A::HandleAlarm
                        | A::CheckSite
                )
        }
        R::SiteAdministrator => {
            at_or_above
                && matches!(
                    action,
                    A::ViewCamera
                        | A::LiveCamera
                        | A::ListenCamera
                        | A::PlayCamera
                        | A::SnapshotCamera
                        | A::BookmarkCamera
                        | A::ExportCamera
                        | A::ManageCamera
                        | A::ImportCameras
                        | A::HoldFootage
                        | A::ReleaseHold
                        | A::HandleAlarm
                        | A::CheckSite
                        | A::ViewAudit
                )
        }
        R::SystemAdministrator => {
            at_or_above
                && matches!(
                    action,
                    A::CreatePlace
                        | A::EditPlace
                        | A::RemovePlace
                        | A::ViewAccount
                        | A::CreateAccount
                        | A::EditAccount
                        | A::ResetPassword
                        | A::ManageServer
                        | A::ViewCamera
                        | A::ManageCamera
                        | A::ImportCameras
                        | A::CheckSite
                        | A::SetPatrolPolicy
                        | A::SetAuthorityMode
                )
        }
        R::SecurityAdministrator => {
            at_or_above
                && matches!(
                    action,
                    A::ViewAccount
                        | A::GrantRole
                        | A::ViewCamera
                        | A::SetCameraRules
                        | A::ResetSecondFactor
                        | A::SetAuthorityMode
                )
        }
        R::AuditAdministrator => at_or_above && matches!(action, A::ViewAudit | A::ExportAudit),
    }
}

/// What is left to an administrator once the three are separated: places' names, and classes.
fn left_when_separated(action: Action) -> bool {
    use Action as A;
    matches!(
        action,
        A::ViewPlace
            | A::CreateClass
            | A::EditClass
            | A::RemoveClass
            | A::ViewClass
            | A::TeachLesson
            | A::ObserveLesson
            | A::AttendLesson
            | A::ViewAttendance
            | A::IssueDeviceToken
            | A::IssueWatchToken
            | A::WatchRecording
            | A::DownloadRecording
            | A::DeleteRecording
    )
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
                let ended = role == Role::Administrator && !left_when_separated(action);
                let separated = rights.clone().separated(true).may(action, w.school, &w.tree);
                assert_eq!(separated, got && !ended, "separated, {role:?} held {held:?}: {action:?}");
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

#[test]
fn separated_administrators_hold_nothing_together() {
    let w = world();
    let at = |role| RoleAt { role, place: w.nation };
    for one in Role::ALL {
        for other in Role::ALL {
            let clash = (one.is_separate() && other.is_separate() && one != other)
                || (one.is_separate() && other.looks())
                || (other.is_separate() && one.looks());
            let roles = vec![at(one), at(other)];
            assert_eq!(roles_clash(&roles), clash, "{one:?} with {other:?}");
            let rights = Rights::new(AccountId::generate(), roles).separated(true);
            assert_eq!(rights.roles().is_empty(), clash, "what was held together is worth nothing");
        }
    }
    assert!(!roles_clash(&[at(Role::AuditAdministrator), RoleAt { role: Role::AuditAdministrator, place: w.school }]));
}

#[test]
fn nobody_who_sets_rights_can_look_and_nobody_who_looks_sets_rights() {
    let w = world();
    for role in Role::ALL {
        let rights = Rights::new(AccountId::generate(), vec![RoleAt { role, place: w.nation }]).separated(true);
        let may = |action| rights.may(action, w.school, &w.tree);
        let looks = Action::ALL.into_iter().filter(|a| a.looks()).any(may);
        let sets = may(Action::GrantRole) || may(Action::SetCameraRules) || may(Action::ResetSecondFactor);
        let enters = may(Action::CreateAccount) || may(Action::ResetPassword);
        let reads = may(Action::ExportAudit);
        assert!(u8::from(looks) + u8::from(sets) + u8::from(enters) + u8::from(reads) <= 1, "{role:?}");
    }
}

/// What needs one also where administrators are not separated.
const SECOND_FACTOR: [Action; 18] = [
    Action::LiveCamera,
    Action::ListenCamera,
    Action::PlayCamera,
    Action::SnapshotCamera,
    Action::BookmarkCamera,
    Action::ExportCamera,
    Action::ManageCamera,
    Action::ImportCameras,
    Action::HoldFootage,
    Action::ReleaseHold,
    Action::HandleAlarm,
    Action::CheckSite,
    Action::ViewAudit,
    Action::ExportAudit,
    Action::SetPatrolPolicy,
    Action::SetCameraRules,
    Action::ResetSecondFactor,
    Action::SetAuthorityMode,
];

#[test]
fn what_needs_a_second_factor() {
    let w = world();
    let now = UnixMillis(1_000_000_000);
    let roles = |role| Rights::new(AccountId::generate(), vec![RoleAt { role, place: w.nation }]);
    let admin = roles(Role::Administrator);
    for action in Action::ALL.into_iter().filter(|a| admin.may(*a, w.school, &w.tree)) {
        let shown = admin.decide(action, w.school, &w.tree, Some(now), now);
        assert_eq!(shown, Decision::Allowed, "{action:?}");
        let not_shown = admin.decide(action, w.school, &w.tree, None, now);
        let cameras = SECOND_FACTOR.contains(&action);
        let want = if cameras { Decision::NeedsSecondFactor } else { Decision::Allowed };
        assert_eq!(not_shown, want, "{action:?}");
        assert!(!action.looks() || cameras, "every look needs one: {action:?}");
    }
    let security = roles(Role::SecurityAdministrator).separated(true);
    let grant = |shown| security.decide(Action::GrantRole, w.school, &w.tree, shown, now);
    assert_eq!((grant(None), grant(Some(now))), (Decision::NeedsSecondFactor, Decision::Allowed));
    let denied = Decision::Denied(Denial::NoRole);
    assert_eq!(security.decide(Action::LiveCamera, w.school, &w.tree, Some(now), now), denied);
    let nowhere = security.decide(Action::GrantRole, PlaceId::generate(), &w.tree, Some(now), now);
    assert_eq!(nowhere, Decision::Denied(Denial::UnknownPlace));
}

#[test]
fn an_examiner_of_an_old_catalogue_is_a_patrol_officer() {
    let role: Role = serde_json::from_str("\"examiner\"").unwrap();
    assert_eq!(role, Role::PatrolOfficer);
    assert_eq!(serde_json::to_string(&role).unwrap(), "\"patrol_officer\"");
}
