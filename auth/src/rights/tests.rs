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
