//! Second factors and the separation of administrators.

use super::{Bench, NOW, account, settled};
use crate::{
    error::{Conflict, StoreError},
    model::{Account, AccountChange},
    patrol::{Authority, By, Separation},
    store::Store,
};
use lectern_auth::{PasswordHash, PlaceNode, Redacted, Role, RoleAt, SealingKeys, SecondFactors, Session};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use std::{sync::Arc, time::Duration};

fn conflict<T>(outcome: Result<T, StoreError>) -> Option<Conflict> {
    match outcome {
        Err(StoreError::Conflict(conflict)) => Some(conflict),
        _ => None,
    }
}

pub(super) async fn second_factors(bench: &dyn Bench) {
    let (store, _, _, teacher) = settled(bench).await;
    assert_eq!(store.second_factors(teacher.id).await.unwrap(), (SecondFactors::default(), 0));
    let mut factors = SecondFactors::default();
    let keys = SealingKeys::generate();
    drop(factors.begin_totp(teacher.id, "L", "wang", &keys, NOW).unwrap());
    assert!(store.put_second_factors(teacher.id, factors.clone(), 0).await.unwrap());
    assert!(!store.put_second_factors(teacher.id, SecondFactors::default(), 0).await.unwrap(), "read before");
    let store = bench.reopened(store).await;
    assert_eq!(store.second_factors(teacher.id).await.unwrap(), (factors.clone(), 1));
    let stranger = AccountId::generate();
    assert!(matches!(store.put_second_factors(stranger, factors.clone(), 0).await, Err(StoreError::NotFound)));

    // Of many who read the same, one writes.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, factors) = (Arc::clone(&store), factors.clone());
        let id = teacher.id;
        tasks.spawn(async move { u32::from(store.put_second_factors(id, factors, 1).await.unwrap()) });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u32>(), 1);

    let (_, session) = Session::open(teacher.id, NOW);
    store.open_session(session.clone()).await.unwrap();
    let later = NOW.plus(Duration::from_secs(60));
    assert!(store.note_second_factor(session.hash, later).await.unwrap());
    assert!(store.note_second_factor(session.hash, NOW).await.unwrap());
    let store = bench.reopened(store).await;
    assert_eq!(store.session(session.hash).await.unwrap().unwrap().second_factor, Some(later), "never back in time");
    store.reset_second_factors(teacher.id).await.unwrap();
    assert_eq!(store.session(session.hash).await.unwrap(), None, "a reset ends sessions");
    assert!(!store.note_second_factor(session.hash, later).await.unwrap());
    let (none, version) = store.second_factors(teacher.id).await.unwrap();
    assert!(!none.is_set_up() && version == 3);
    assert!(!store.put_second_factors(teacher.id, factors, 2).await.unwrap(), "what was reset does not come back");
    assert!(matches!(store.reset_second_factors(stranger).await, Err(StoreError::NotFound)));
}

/// Names of the five accounts of these tests.
struct People {
    admin: Account,
    system: Account,
    security: Account,
    audit: Account,
}

async fn people(store: &dyn Store, root: PlaceId) -> People {
    let make = async |login, roles| {
        let mut account = account(login, roles);
        account.password = Some(PasswordHash::of("seven-horses-graze"));
        store.create_account(account.clone()).await.unwrap();
        account
    };
    let admin = RoleAt { role: Role::Administrator, place: root };
    People {
        admin: make("admin", vec![admin]).await,
        system: make("system", vec![]).await,
        security: make("security", vec![]).await,
        audit: make("audit", vec![]).await,
    }
}

impl People {
    fn separation(&self) -> Separation {
        Separation { by: self.admin.id, system: self.system.id, security: self.security.id, audit: self.audit.id }
    }
}

pub(super) async fn separation(bench: &dyn Bench) {
    let (store, root, school, teacher) = settled(bench).await;
    let p = people(&*store, root.id).await;
    let good = p.separation();
    let (_, session) = Session::open(p.admin.id, NOW);
    store.open_session(session.clone()).await.unwrap();
    assert!(!store.authority().await.unwrap().separated);
    let patrol = RoleAt { role: Role::PatrolOfficer, place: root.id };
    let officer = account("officer", vec![patrol]);
    store.create_account(officer.clone()).await.unwrap();

    for (bad, want) in [
        (Separation { by: teacher.id, ..good }, Conflict::NotTheAdministrator),
        (Separation { audit: p.system.id, ..good }, Conflict::RolesExclude),
        (Separation { system: p.admin.id, ..good }, Conflict::RolesExclude),
        (Separation { audit: officer.id, ..good }, Conflict::CannotSignIn),
    ] {
        assert_eq!(conflict(store.separate(bad, NOW).await), Some(want));
    }
    assert!(store.separate(Separation { audit: AccountId::generate(), ..good }, NOW).await.is_err());
    assert_eq!(store.authority().await.unwrap(), Authority::default(), "nothing happened");
    assert_eq!(store.account(p.system.id).await.unwrap().as_ref(), Some(&p.system));

    assert!(store.separate(good, NOW).await.unwrap().separated);
    assert_eq!(conflict(store.separate(good, NOW).await), Some(Conflict::AlreadySeparated));
    let store = bench.reopened(store).await;
    let roles = async |id| store.account(id).await.unwrap().unwrap().roles;
    assert_eq!(roles(p.admin.id).await, [], "the first account ended");
    assert_eq!(store.session(session.hash).await.unwrap(), None);
    for (account, role) in [(&p.system, 0), (&p.security, 1), (&p.audit, 2)] {
        assert_eq!(roles(account.id).await, [RoleAt { role: Role::SEPARATE[role], place: root.id }]);
    }
    held_apart(&*store, &p, &root, &school, &officer).await;
    ended_by_two(bench, store, &p).await;
}

/// What the store refuses while administrators are separated.
async fn held_apart(store: &dyn Store, p: &People, root: &PlaceNode, school: &PlaceNode, officer: &Account) {
    let at = |role, place: &PlaceNode| RoleAt { role, place: place.id };
    let grant = async |account: &Account, roles: Vec<RoleAt>| {
        let change = AccountChange { roles: Some(roles), ..AccountChange::default() };
        conflict(store.change_account(account.id, change).await)
    };
    let excluded = Some(Conflict::RolesExclude);
    let [system, security, audit] = Role::SEPARATE.map(|role| at(role, root));
    assert_eq!(grant(&p.system, vec![system, security]).await, excluded);
    assert_eq!(grant(&p.security, vec![security, at(Role::PatrolOfficer, school)]).await, excluded);
    assert_eq!(grant(officer, vec![at(Role::PatrolOfficer, root), audit]).await, excluded);
    assert_eq!(grant(&p.admin, vec![at(Role::Administrator, root)]).await, excluded, "not even the first again");
    let fresh = account("fresh", vec![system, audit]);
    assert_eq!(conflict(store.create_account(fresh).await), excluded);
    assert_eq!(grant(&p.admin, vec![at(Role::Administrator, school)]).await, None, "a school's classes go on");
    // None of the three is left without anybody.
    let last = Some(Conflict::LastAdministrator);
    assert_eq!(grant(&p.audit, vec![]).await, last);
    assert_eq!(grant(&p.audit, vec![at(Role::AuditAdministrator, school)]).await, last);
    let off = AccountChange { disabled: Some(true), ..AccountChange::default() };
    assert_eq!(conflict(store.change_account(p.security.id, off.clone()).await), last);
    let mut second = account("audit2", vec![audit]);
    store.create_account(second.clone()).await.unwrap();
    assert_eq!(grant(&p.audit, vec![]).await, last, "one who can't sign in is nobody");
    second.password = Some(PasswordHash::of("seven-horses-graze"));
    let password = AccountChange { password: second.password.clone(), ..AccountChange::default() };
    store.change_account(second.id, password).await.unwrap();
    assert_eq!(grant(&p.audit, vec![]).await, None);
    assert_eq!(conflict(store.change_account(second.id, off).await), last);
}

/// One alone does not end it.
async fn ended_by_two(bench: &dyn Bench, store: Arc<dyn Store>, p: &People) {
    let by = |account: &Account, at: UnixMillis| By { account: account.id, name: Redacted("x".into()), at };
    let day = Authority::ASK_LIFE;
    assert_eq!(conflict(store.end_separation(by(&p.admin, NOW)).await), Some(Conflict::NotTheAdministrator));
    assert_eq!(conflict(store.end_separation(by(&p.audit, NOW)).await), Some(Conflict::NotTheAdministrator));
    let asked = store.end_separation(by(&p.system, NOW)).await.unwrap();
    assert!(asked.separated && asked.end_asked.is_some());
    assert_eq!(conflict(store.end_separation(by(&p.system, NOW)).await), Some(Conflict::SamePerson));
    // After a day nobody remembers it: the other one's word is a new request.
    let late = NOW.plus(day);
    assert!(store.end_separation(by(&p.security, late)).await.unwrap().separated);
    let store = bench.reopened(store).await;
    let ended = store.end_separation(by(&p.system, late)).await.unwrap();
    assert_eq!((ended.separated, ended.end_asked), (false, None));
    assert_eq!(conflict(store.end_separation(by(&p.system, late)).await), Some(Conflict::NotSeparated));
    let store = bench.reopened(store).await;
    assert!(!store.authority().await.unwrap().separated);
    let again = AccountChange { roles: Some(vec![]), ..AccountChange::default() };
    store.change_account(p.security.id, again).await.unwrap();
}
