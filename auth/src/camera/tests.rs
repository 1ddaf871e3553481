use super::*;
use crate::{place::PlaceNode, rights::RoleAt};

const NOW: UnixMillis = UnixMillis(1_788_220_800_000);
const HOUR: i64 = 3_600_000;

/// Where a role or rule is, seen from the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Held {
    /// Above the site: the city.
    Above,
    /// At the site.
    Site,
    /// At the very place of the camera, a room of the site.
    Here,
    /// Below it: nowhere that matters.
    Sibling,
    Unknown,
}

struct World {
    tree: PlaceTree,
    city: PlaceId,
    site: PlaceId,
    room: PlaceId,
    other: PlaceId,
    me: AccountId,
}

fn world() -> World {
    let node = |parent, level| PlaceNode { id: PlaceId::generate(), parent, level, name: "x".into() };
    let city = node(None, Level::City);
    let site = node(Some(city.id), Level::ExamSite);
    let other = node(Some(city.id), Level::ExamSite);
    let room = node(Some(site.id), Level::Class);
    let (c, s, r, o) = (city.id, site.id, room.id, other.id);
    let tree = PlaceTree::build([city, site, other, room]).unwrap();
    World { tree, city: c, site: s, room: r, other: o, me: AccountId::generate() }
}

impl World {
    fn places(&self) -> [(Held, PlaceId); 5] {
        [
            (Held::Above, self.city),
            (Held::Site, self.site),
            (Held::Here, self.room),
            (Held::Sibling, self.other),
            (Held::Unknown, PlaceId::generate()),
        ]
    }

    fn camera(&self, group: CameraGroup) -> CameraObject {
        CameraObject { id: CameraId::generate(), place: self.room, group }
    }

    fn rights(&self, role: Role, place: PlaceId) -> Rights {
        Rights::new(self.me, vec![RoleAt { role, place }])
    }

    fn look(&self, rights: &Rights, rules: &[CameraRule], camera: &CameraObject, action: Action) -> Decision {
        let who = Looker { rights, rules, second_factor: Some(NOW) };
        may_look(&who, camera, action, &self.tree, NOW)
    }

    fn rule(&self, scope: RuleScope, effect: RuleEffect, actions: &[Action], windows: &[(i64, i64)]) -> CameraRule {
        let window = |(from, to): &(i64, i64)| Window { from: UnixMillis(NOW.0 + from), to: UnixMillis(NOW.0 + to) };
        let windows = windows.iter().map(window).collect();
        CameraRule { id: Ulid::new(), account: self.me, scope, actions: actions.to_vec(), effect, windows }
    }
}

/// The matrix a second time, as sets of words: role, action, where the role is held, what the camera watches.
fn expected(role: Role, action: Action, held: Held, group: CameraGroup, separated: bool) -> bool {
    use Action as A;
    let held_over = matches!(held, Held::Above | Held::Site | Held::Here);
    let by_role = match role {
        Role::Administrator => !separated,
        Role::PatrolOfficer => !matches!(action, A::ExportCamera | A::ManageCamera),
        Role::SiteAdministrator => true,
        Role::SystemAdministrator => matches!(action, A::ViewCamera | A::ManageCamera),
        Role::SecurityAdministrator => action == A::ViewCamera,
        Role::Teacher | Role::Student | Role::Staff | Role::AuditAdministrator => false,
    };
    let shows = matches!(
        action,
        A::LiveCamera | A::ListenCamera | A::PlayCamera | A::SnapshotCamera | A::BookmarkCamera | A::ExportCamera
    );
    let sealed = group == CameraGroup::SealedRoom && shows;
    let of_the_site = role == Role::SiteAdministrator && matches!(held, Held::Site | Held::Here);
    held_over && by_role && (!sealed || of_the_site)
}

#[test]
fn role_by_place_by_group_by_action() {
    let w = world();
    let (mut allowed, mut cells) = (0, 0);
    for separated in [false, true] {
        for role in Role::ALL {
            for (held, place) in w.places() {
                let rights = w.rights(role, place).separated(separated);
                for group in CameraGroup::ALL {
                    let camera = w.camera(group);
                    for action in Action::ALL {
                        let got = w.look(&rights, &[], &camera, action);
                        let want = action.is_camera() && expected(role, action, held, group, separated);
                        let cell = format!("{role:?} held {held:?}, {group:?}: {action:?}, separated {separated}");
                        assert_eq!(got.is_allowed(), want, "{cell}: {got:?}");
                        if !action.is_camera() {
                            assert_eq!(got, Decision::Denied(Denial::NotACameraAction), "{cell}");
                        }
                        let lost = CameraObject { place: PlaceId::generate(), ..camera };
                        assert!(!w.look(&rights, &[], &lost, action).is_allowed(), "{cell}: nowhere");
                        let bare = Looker { rights: &rights, rules: &[], second_factor: None };
                        let unshown = may_look(&bare, &camera, action, &w.tree, NOW);
                        assert_eq!(unshown.is_allowed(), want && action == Action::ViewCamera, "{cell}: not shown");
                        allowed += u32::from(want);
                        cells += 1;
                    }
                }
            }
        }
    }
    assert!(allowed > 300 && allowed < cells / 4, "{allowed} of {cells}");
}

#[test]
fn a_rule_widens_for_its_person_its_camera_its_actions_and_its_time() {
    let w = world();
    let (sealed, other) = (w.camera(CameraGroup::SealedRoom), w.camera(CameraGroup::SealedRoom));
    let stranger = Rights::new(AccountId::generate(), vec![]);
    let me = Rights::new(w.me, vec![]);
    for (scope, covers_other) in
        [(RuleScope::Camera(sealed.id), false), (RuleScope::Place(w.site), true), (RuleScope::Place(w.other), true)]
    {
        let mine = scope != RuleScope::Place(w.other);
        for (windows, running) in [
            (vec![], true),
            (vec![(-HOUR, HOUR)], true),
            (vec![(0, 1)], true),
            (vec![(-HOUR, 0)], false),
            (vec![(1, HOUR)], false),
            (vec![(-HOUR, -1), (-1, 1)], true),
        ] {
            let rules = [w.rule(scope, RuleEffect::Allow, &[Action::LiveCamera], &windows)];
            let cell = format!("{scope:?} {windows:?}");
            let live = w.look(&me, &rules, &sealed, Action::LiveCamera);
            assert_eq!(live.is_allowed(), mine && running, "{cell}");
            let beside = w.look(&me, &rules, &other, Action::LiveCamera);
            assert_eq!(beside.is_allowed(), mine && running && covers_other, "{cell}");
            assert!(!w.look(&me, &rules, &sealed, Action::PlayCamera).is_allowed(), "another action, {cell}");
            assert!(!w.look(&stranger, &rules, &sealed, Action::LiveCamera).is_allowed(), "somebody else, {cell}");
            assert_eq!(w.look(&me, &rules, &sealed, Action::ViewCamera).is_allowed(), mine, "its name, {cell}");
        }
    }
    assert!(!w.look(&Rights::none(), &[], &sealed, Action::LiveCamera).is_allowed());
}

#[test]
fn an_officer_looks_only_in_the_hours_of_the_exam() {
    let w = world();
    let officer = w.rights(Role::PatrolOfficer, w.city);
    let camera = w.camera(CameraGroup::ExamRoom);
    let limit = w.rule(RuleScope::Place(w.city), RuleEffect::Limit, &[Action::LiveCamera], &[(-HOUR, HOUR)]);
    let at = |ms, rules: &[CameraRule], action| {
        let now = UnixMillis(NOW.0 + ms);
        may_look(&Looker { rights: &officer, rules, second_factor: Some(now) }, &camera, action, &w.tree, now)
    };
    let rules = [limit];
    for (ms, want) in [
        (-HOUR - 1, Decision::Denied(Denial::OutsideHours)),
        (-HOUR, Decision::Allowed),
        (HOUR - 1, Decision::Allowed),
        (HOUR, Decision::Denied(Denial::OutsideHours)),
        // It does not lapse.
        (1_000 * HOUR, Decision::Denied(Denial::OutsideHours)),
    ] {
        assert_eq!(at(ms, &rules, Action::LiveCamera), want, "{ms}");
    }
    assert_eq!(at(2 * HOUR, &rules, Action::PlayCamera), Decision::Allowed, "only what the rule is about");
    // What a narrower rule allows stays within the hours, and a ban is above all.
    let allow = w.rule(RuleScope::Camera(camera.id), RuleEffect::Allow, &[Action::LiveCamera], &[]);
    let deny = w.rule(RuleScope::Camera(camera.id), RuleEffect::Deny, &[Action::LiveCamera], &[]);
    let [limit] = rules;
    let both = [limit, allow.clone()];
    assert_eq!(at(2 * HOUR, &both, Action::LiveCamera), Decision::Denied(Denial::OutsideHours));
    assert_eq!(at(0, &both, Action::LiveCamera), Decision::Allowed);
    assert_eq!(at(0, &[allow, deny], Action::LiveCamera), Decision::Denied(Denial::RuleForbids));
}

#[test]
fn no_rule_lets_a_separated_administrator_look() {
    let w = world();
    let camera = w.camera(CameraGroup::ExamRoom);
    let all: Vec<Action> = Action::ALL.into_iter().filter(|a| a.is_camera()).collect();
    let rules = [w.rule(RuleScope::Place(w.city), RuleEffect::Allow, &all, &[])];
    for role in Role::SEPARATE {
        let rights = w.rights(role, w.city).separated(true);
        for action in all.iter().copied() {
            let got = w.look(&rights, &rules, &camera, action);
            let want =
                if action.looks() { Decision::Denied(Denial::SeparatedAdministrator) } else { Decision::Allowed };
            assert_eq!(got, want, "{role:?} {action:?}");
        }
    }
}

#[test]
fn rules_survive_the_store() {
    let w = world();
    let rule = w.rule(RuleScope::Place(w.site), RuleEffect::Limit, &[Action::LiveCamera], &[(0, 5)]);
    let json = serde_json::to_string(&rule).unwrap();
    assert_eq!(serde_json::from_str::<CameraRule>(&json).unwrap(), rule);
    assert!(json.contains("\"limit\"") && json.contains("\"live_camera\""), "{json}");
}
