//! Cameras as the rest of the server asks for them: held in memory with the rules of looking and whether administrators
//! are separated, because every tile of every wall asks again and again.

use super::{Authenticated, Library};
use crate::{
    error::{Result, StoreError},
    model::Account,
    patrol::{Authority, By, Camera, CameraChange, Separation},
};
use lectern_auth::{
    Action, CameraGroup, CameraObject, CameraRule, Decision, Denial, FactorError, Looker, PlaceTree, Rights,
    RuleEffect, RuleScope, SecondFactors, may_look,
};
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use std::{collections::HashMap, sync::Arc};
use ulid::Ulid;

/// Cameras, rules and the separation of administrators, as they are at one moment.
#[derive(Debug, Default)]
pub struct CameraSet {
    cameras: HashMap<CameraId, Camera>,
    rules: HashMap<AccountId, Vec<CameraRule>>,
    authority: Authority,
}

impl CameraSet {
    /// A camera, removed or not.
    #[must_use]
    pub fn get(&self, id: CameraId) -> Option<&Camera> {
        self.cameras.get(&id)
    }

    /// Every camera, removed ones too, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Camera> {
        self.cameras.values()
    }

    /// Cameras that are not removed, in no order.
    pub fn present(&self) -> impl Iterator<Item = &Camera> {
        self.all().filter(|c| c.removed.is_none())
    }

    /// Those of them at a place and below.
    pub fn within<'a>(&'a self, place: PlaceId, tree: &'a PlaceTree) -> impl Iterator<Item = &'a Camera> {
        self.present().filter(move |c| tree.within(c.place, place))
    }

    /// The rules about an account.
    #[must_use]
    pub fn rules_of(&self, account: AccountId) -> &[CameraRule] {
        self.rules.get(&account).map_or(&[], Vec::as_slice)
    }

    /// Whether administrators are separated, and who asked for the end of it.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether somebody may do this with a camera now. What is removed shows nothing live any more.
    #[must_use]
    pub fn may_look(
        &self,
        rights: &Rights,
        second_factor: Option<UnixMillis>,
        camera: CameraId,
        action: Action,
        tree: &PlaceTree,
        now: UnixMillis,
    ) -> Decision {
        let live = matches!(action, Action::LiveCamera | Action::ListenCamera | Action::ManageCamera);
        let known = self.get(camera).filter(|c| c.removed.is_none() || !live);
        let Some(camera) = known else { return Decision::Denied(Denial::UnknownCamera) };
        self.may_look_there(rights, second_factor, (camera, &camera.object()), action, tree, now)
    }

    /// Whether somebody may now do this with what a camera recorded while it hung as `there` says.
    ///
    /// A rule that lets somebody look through one camera was made where the camera hung then, by somebody who answers for that place:
    /// it opens no other place that the camera came from, or goes to, and no sealed-paper room unless it was one then. Rules that narrow
    /// hold wherever it hangs.
    #[must_use]
    pub fn may_look_there(
        &self,
        rights: &Rights,
        second_factor: Option<UnixMillis>,
        (camera, there): (&Camera, &CameraObject),
        action: Action,
        tree: &PlaceTree,
        now: UnixMillis,
    ) -> Decision {
        let rules = rights.account().map_or(&[][..], |account| self.rules_of(account));
        let decide = |rules| may_look(&Looker { rights, rules, second_factor }, there, action, tree, now);
        if camera.stays.is_empty() {
            return decide(rules);
        }
        let counts = |rule: &&CameraRule| {
            let opens_one = rule.effect == RuleEffect::Allow && matches!(rule.scope, RuleScope::Camera(_));
            let meant = camera.hung_at(rule.made()).object;
            let sealed = |object: &CameraObject| object.group == CameraGroup::SealedRoom;
            !opens_one || (meant.place == there.place && (!sealed(there) || sealed(&meant)))
        };
        decide(&rules.iter().filter(counts).cloned().collect::<Vec<_>>())
    }
}

impl Library {
    /// Cameras, rules and the separation of administrators as they are now.
    #[must_use]
    pub fn cameras(&self) -> Arc<CameraSet> {
        Arc::clone(&self.cameras.read())
    }

    /// Whether somebody with a live session may do this with a camera now.
    #[must_use]
    pub fn may_look(&self, who: &Authenticated, camera: CameraId, action: Action, now: UnixMillis) -> Decision {
        let rights = self.rights(&who.account);
        self.cameras().may_look(&rights, who.session.second_factor, camera, action, &self.tree(), now)
    }

    /// As [`crate::store::Cameras::create_cameras`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_cameras(&self, cameras: Vec<Camera>) -> Result<()> {
        self.store.create_cameras(cameras).await?;
        self.reload_cameras().await
    }

    /// As [`crate::store::Cameras::change_camera`].
    ///
    /// # Errors
    /// As there.
    pub async fn change_camera(&self, id: CameraId, change: CameraChange) -> Result<Camera> {
        let camera = self.store.change_camera(id, change).await?;
        self.reload_cameras().await?;
        Ok(camera)
    }

    /// As [`crate::store::Cameras::remove_camera`].
    ///
    /// # Errors
    /// As there.
    pub async fn remove_camera(&self, id: CameraId, now: UnixMillis) -> Result<Camera> {
        let camera = self.store.remove_camera(id, now).await?;
        self.reload_cameras().await?;
        Ok(camera)
    }

    /// As [`crate::store::Cameras::forget_camera`].
    ///
    /// # Errors
    /// As there.
    pub async fn forget_camera(&self, id: CameraId) -> Result<()> {
        self.store.forget_camera(id).await?;
        self.reload_cameras().await
    }

    /// As [`crate::store::Cameras::put_camera_rule`].
    ///
    /// # Errors
    /// As there.
    pub async fn put_camera_rule(&self, rule: CameraRule) -> Result<()> {
        self.store.put_camera_rule(rule).await?;
        self.reload_cameras().await
    }

    /// As [`crate::store::Cameras::remove_camera_rule`].
    ///
    /// # Errors
    /// As there.
    pub async fn remove_camera_rule(&self, account: AccountId, id: Ulid) -> Result<CameraRule> {
        let rule = self.store.remove_camera_rule(account, id).await?;
        self.reload_cameras().await?;
        Ok(rule)
    }

    /// As [`crate::store::Guards::separate`].
    ///
    /// # Errors
    /// As there.
    pub async fn separate(&self, separation: Separation, now: UnixMillis) -> Result<Authority> {
        let authority = self.store.separate(separation, now).await?;
        self.reload_cameras().await?;
        Ok(authority)
    }

    /// As [`crate::store::Guards::end_separation`].
    ///
    /// # Errors
    /// As there.
    pub async fn end_separation(&self, by: By) -> Result<Authority> {
        let authority = self.store.end_separation(by).await?;
        self.reload_cameras().await?;
        Ok(authority)
    }

    /// Takes a step with an account's second factors and keeps what became of them, also when the step failed (failures
    /// are counted, challenges used up). If somebody else changed them meanwhile, the step is taken again on what they
    /// are now, so that of two uses of one code one fails.
    ///
    /// # Errors
    /// The store's; the step's own are inside.
    pub async fn with_second_factors<T>(
        &self,
        account: AccountId,
        mut step: impl FnMut(&mut SecondFactors) -> Result<T, FactorError>,
    ) -> Result<Result<T, FactorError>> {
        for _ in 0..FACTOR_ATTEMPTS_MAX {
            let (mut factors, read) = self.store.second_factors(account).await?;
            let before = factors.clone();
            let outcome = step(&mut factors);
            if factors == before || self.store.put_second_factors(account, factors, read).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::Busy)
    }

    pub(super) async fn reload_cameras(&self) -> Result<()> {
        let _alone = self.reloading.lock().await;
        let cameras = self.store.cameras().await?.into_iter().map(|c| (c.id, c)).collect();
        let mut rules: HashMap<AccountId, Vec<CameraRule>> = HashMap::new();
        for rule in self.store.camera_rules().await? {
            rules.entry(rule.account).or_default().push(rule);
        }
        let authority = self.store.authority().await?;
        *self.cameras.write() = Arc::new(CameraSet { cameras, rules, authority });
        Ok(())
    }

    /// The rights of an account; none if it is disabled.
    #[must_use]
    pub fn rights(&self, account: &Account) -> Rights {
        if account.disabled {
            return Rights::none();
        }
        Rights::new(account.id, account.roles.clone()).separated(self.cameras().authority().separated)
    }
}

/// Somebody would have to send that many answers for one account at once.
const FACTOR_ATTEMPTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LibraryOptions, patrol::Stay};
    use lectern_auth::{Level, PasswordHash, PlaceNode, Redacted, Role, RoleAt, SealingKeys, Session, Shown, totp};
    use lectern_protocol::api::CameraTransport;

    const NOW: UnixMillis = UnixMillis(1_788_220_800_000);

    async fn library() -> (tempfile::TempDir, Library, PlaceId) {
        let dir = tempfile::tempdir().unwrap();
        let library = Library::open(dir.path(), LibraryOptions::default()).await.unwrap();
        let root = library.plant_root().await.unwrap();
        (dir, library, root)
    }

    async fn somebody(library: &Library, login: &str, roles: Vec<RoleAt>) -> Authenticated {
        let account = Account {
            id: AccountId::generate(),
            login: login.into(),
            name: Redacted("王芳".into()),
            roles,
            disabled: false,
            password: Some(PasswordHash::of("seven-horses-graze")),
            created: NOW,
        };
        library.store().create_account(account.clone()).await.unwrap();
        let (_, mut session) = Session::open(account.id, NOW);
        session.second_factor = Some(NOW);
        Authenticated { session, account }
    }

    fn camera(place: PlaceId) -> Camera {
        Camera {
            id: CameraId::generate(),
            place,
            name: "考场 1".into(),
            group: CameraGroup::ExamRoom,
            code: None,
            main_url: "rtsp://192.0.2.1/main".into(),
            sub_url: None,
            transport: CameraTransport::Udp,
            username: String::new(),
            password: None,
            bitrate_max_kbps: 8_000,
            enabled: true,
            record: true,
            created: NOW,
            removed: None,
            stays: vec![],
        }
    }

    #[tokio::test]
    async fn who_may_look_follows_roles_rules_and_cameras_at_once() {
        let (_dir, library, root) = library().await;
        let officer = somebody(&library, "officer", vec![RoleAt { role: Role::PatrolOfficer, place: root }]).await;
        let camera = camera(root);
        let look = |action| library.may_look(&officer, camera.id, action, NOW);
        assert_eq!(look(Action::LiveCamera), Decision::Denied(Denial::UnknownCamera));
        library.create_cameras(vec![camera.clone()]).await.unwrap();
        assert_eq!(look(Action::LiveCamera), Decision::Allowed);
        let rule = CameraRule {
            id: Ulid::new(),
            account: officer.account.id,
            scope: RuleScope::Place(root),
            actions: vec![Action::LiveCamera],
            effect: RuleEffect::Deny,
            windows: vec![],
        };
        library.put_camera_rule(rule.clone()).await.unwrap();
        assert_eq!(look(Action::LiveCamera), Decision::Denied(Denial::RuleForbids));
        library.remove_camera_rule(rule.account, rule.id).await.unwrap();
        assert_eq!(look(Action::LiveCamera), Decision::Allowed);
        let unshown = Authenticated {
            session: Session { second_factor: None, ..officer.session.clone() },
            account: officer.account.clone(),
        };
        let got = library.may_look(&unshown, camera.id, Action::LiveCamera, NOW);
        assert_eq!(got, Decision::NeedsSecondFactor);
        let disabled = Authenticated {
            account: Account { disabled: true, ..officer.account.clone() },
            session: officer.session.clone(),
        };
        assert!(!library.may_look(&disabled, camera.id, Action::LiveCamera, NOW).is_allowed());
        library.remove_camera(camera.id, NOW).await.unwrap();
        assert_eq!(look(Action::LiveCamera), Decision::Denied(Denial::UnknownCamera));
        assert_eq!(look(Action::PlayCamera), Decision::Allowed, "its footage is there");
        assert_eq!((library.cameras().present().count(), library.cameras().all().count()), (0, 1));
    }

    #[tokio::test]
    async fn a_rule_about_one_camera_opens_only_the_place_where_it_was_made() {
        let (_dir, library, root) = library().await;
        let guest = somebody(&library, "guest", vec![]).await;
        let mut camera = camera(root);
        let site = PlaceNode { id: PlaceId::generate(), parent: Some(root), level: Level::ExamSite, name: "x".into() };
        let here = site.id;
        library.put_place(site).await.unwrap();
        camera.stays = vec![Stay {
            place: root,
            group: camera.group,
            name: "考场 9".into(),
            until: NOW,
            by: By { account: AccountId::generate(), name: Redacted("王芳".into()), at: NOW },
        }];
        camera.place = here;
        library.create_cameras(vec![camera.clone()]).await.unwrap();
        let rule = |made: UnixMillis, effect| CameraRule {
            id: Ulid::from_parts(made.0 as u64, 7),
            account: guest.account.id,
            scope: RuleScope::Camera(camera.id),
            actions: vec![Action::PlayCamera],
            effect,
            windows: vec![],
        };
        let may = |place| {
            let there = CameraObject { id: camera.id, place, group: camera.group };
            let (set, rights) = (library.cameras(), library.rights(&guest.account));
            let (who, tree) = ((&camera, &there), library.tree());
            set.may_look_there(&rights, Some(NOW), who, Action::PlayCamera, &tree, NOW).is_allowed()
        };
        let (before, after) = (rule(UnixMillis(NOW.0 - 1), RuleEffect::Allow), rule(NOW, RuleEffect::Allow));
        assert_eq!([may(root), may(here)], [false, false]);
        library.put_camera_rule(before.clone()).await.unwrap();
        assert_eq!([may(root), may(here)], [true, false]);
        library.put_camera_rule(after).await.unwrap();
        assert_eq!([may(root), may(here)], [true, true]);
        library.remove_camera_rule(before.account, before.id).await.unwrap();
        assert_eq!([may(root), may(here)], [false, true]);
        library.put_camera_rule(rule(UnixMillis(NOW.0 - 2), RuleEffect::Deny)).await.unwrap();
        assert_eq!([may(root), may(here)], [false, false], "what narrows goes with the camera");
    }

    #[tokio::test]
    async fn a_rule_about_one_camera_opens_no_sealed_room_that_it_was_not_made_for() {
        let (_dir, library, root) = library().await;
        let guest = somebody(&library, "guest", vec![]).await;
        let mut camera = camera(root);
        // A sealed-paper room until then, and one again in between: an exam room was meant by the second rule.
        let stay = |group, until: i64| Stay {
            place: root,
            group,
            name: "考场 9".into(),
            until: UnixMillis(until),
            by: By { account: AccountId::generate(), name: Redacted("王芳".into()), at: NOW },
        };
        camera.stays = vec![stay(CameraGroup::SealedRoom, NOW.0), stay(CameraGroup::ExamRoom, NOW.0 + 10)];
        camera.group = CameraGroup::Corridor;
        library.create_cameras(vec![camera.clone()]).await.unwrap();
        let opens = |made: i64| CameraRule {
            id: Ulid::from_parts(made as u64, 7),
            account: guest.account.id,
            scope: RuleScope::Camera(camera.id),
            actions: vec![Action::PlayCamera],
            effect: RuleEffect::Allow,
            windows: vec![],
        };
        let may = || {
            let (set, rights, tree) = (library.cameras(), library.rights(&guest.account), library.tree());
            [CameraGroup::SealedRoom, CameraGroup::ExamRoom, CameraGroup::Corridor].map(|group| {
                let there = CameraObject { id: camera.id, place: root, group };
                let who = (&camera, &there);
                set.may_look_there(&rights, Some(NOW), who, Action::PlayCamera, &tree, NOW).is_allowed()
            })
        };
        library.put_camera_rule(opens(NOW.0 + 5)).await.unwrap();
        assert_eq!(may(), [false, true, true]);
        library.put_camera_rule(opens(NOW.0 - 5)).await.unwrap();
        assert_eq!(may(), [true, true, true]);
    }

    #[tokio::test]
    async fn separation_holds_at_once_and_after_a_restart() {
        let (dir, library, root) = library().await;
        let admin = somebody(&library, "boss", vec![RoleAt { role: Role::Administrator, place: root }]).await;
        let mut named = vec![];
        for login in ["system", "security", "audit"] {
            named.push(somebody(&library, login, vec![]).await.account.id);
        }
        let camera = camera(root);
        library.create_cameras(vec![camera.clone()]).await.unwrap();
        assert!(library.may_look(&admin, camera.id, Action::LiveCamera, NOW).is_allowed());
        let (by, system, security, audit) = (admin.account.id, named[0], named[1], named[2]);
        library.separate(Separation { by, system, security, audit }, NOW).await.unwrap();
        // Even with the roles of a moment ago.
        assert!(!library.may_look(&admin, camera.id, Action::LiveCamera, NOW).is_allowed());
        library.store().close().await;
        drop(library);
        // Whoever reads recordings beside us lets the catalogue go a moment later.
        let library = loop {
            match Library::open(dir.path(), LibraryOptions::default()).await {
                Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        };
        assert!(library.cameras().authority().separated);
        let account = library.store().account(system).await.unwrap().unwrap();
        let rights = library.rights(&account);
        assert!(rights.may(Action::ManageServer, root, &library.tree()));
        assert!(!rights.may(Action::GrantRole, root, &library.tree()));
    }

    #[tokio::test]
    async fn of_two_uses_of_one_code_one_fails() {
        let (_dir, library, _) = library().await;
        let who = somebody(&library, "officer", vec![]).await.account.id;
        let keys = SealingKeys::generate();
        let begin = library.with_second_factors(who, |f| f.begin_totp(who, "L", "officer", &keys, NOW));
        let setup = begin.await.unwrap().unwrap();
        let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let bits: String = setup.secret.chars().map(|c| format!("{:05b}", digits.find(c).unwrap())).collect();
        let secret: Vec<u8> = (0..20).map(|i| u8::from_str_radix(&bits[8 * i..8 * i + 8], 2).unwrap()).collect();
        let code = |at| format!("{:06}", totp::code(&secret, totp::step(at).unwrap()));
        let confirm = library.with_second_factors(who, |f| f.confirm_totp(who, &keys, &code(NOW), NOW));
        assert!(confirm.await.unwrap().unwrap().is_some());
        let later = UnixMillis(NOW.0 + 60_000);
        let show = || library.with_second_factors(who, |f| f.show_code(who, &keys, &code(later), later));
        let (a, b, c, d) = tokio::join!(show(), show(), show(), show());
        let good = [a, b, c, d].into_iter().filter(|o| o.as_ref().unwrap() == &Ok(Shown::Totp)).count();
        assert_eq!(good, 1, "each code is good once");
        let (factors, _) = library.store().second_factors(who).await.unwrap();
        assert!(factors.is_set_up());
    }
}
