//! Places, accounts, sessions, one-time links.

use super::{Bench, NOW, account, entry, place, settled};
use crate::{
    error::{Conflict, StoreError},
    model::{Account, AccountChange, Class},
};
use lectern_auth::{
    Level, OneTimeToken, PasswordHash, Role, RoleAt, Session, TokenPurpose, TokenText,
    session::{IDLE_MAX, PER_ACCOUNT_MAX},
};
use lectern_media::{AccountId, PlaceId, UnixMillis};

pub(super) async fn places(bench: &dyn Bench) {
    let (store, root, school, teacher) = settled(bench).await;
    let misfits = [
        (place(None, Level::Nation, "second root"), "a second root"),
        (place(Some(PlaceId::generate()), Level::School, "orphan"), "no parent"),
        (place(Some(school.id), Level::City, "climber"), "a city in a school"),
        (place(Some(school.id), Level::ExamSite, "beside"), "an exam site in a school"),
    ];
    for (misfit, why) in misfits {
        let refused = store.put_place(misfit).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::PlaceDoesNotFit))), "{why}");
    }
    let mut raised = school.clone();
    let class = place(Some(school.id), Level::Class, "六年级一班");
    store.put_place(class.clone()).await.unwrap();
    raised.level = Level::Class;
    assert!(store.put_place(raised).await.is_err(), "a school does not become a class while it has classes");
    let mut renamed = school.clone();
    renamed.name = "中心小学".into();
    store.put_place(renamed.clone()).await.unwrap();
    for used in [root.id, school.id] {
        let refused = store.remove_place(used).await;
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::PlaceInUse))));
    }
    store.remove_place(class.id).await.unwrap();
    assert!(matches!(store.remove_place(class.id).await, Err(StoreError::NotFound)));
    // A class, or a role, holds its place.
    let hall = place(Some(root.id), Level::School, "礼堂");
    store.put_place(hall.clone()).await.unwrap();
    let lecture = Class::new(entry(hall.id, teacher.id), NOW);
    store.create_classes(vec![lecture.clone()]).await.unwrap();
    assert!(store.remove_place(hall.id).await.is_err());
    store.remove_class(lecture.id, Some(NOW)).await.unwrap();
    store.remove_place(hall.id).await.unwrap();
    let store = bench.reopened(store).await;
    let mut names: Vec<String> = store.places().await.unwrap().into_iter().map(|p| p.name).collect();
    names.sort();
    assert_eq!(names, ["中心小学", "全国"]);
}

pub(super) async fn accounts(bench: &dyn Bench) {
    let (store, root, school, teacher) = settled(bench).await;
    assert_eq!(store.account(teacher.id).await.unwrap().as_ref(), Some(&teacher));
    assert_eq!(store.account_by_login("Wang.FANG").await.unwrap().as_ref(), Some(&teacher));
    assert_eq!(store.account(AccountId::generate()).await.unwrap(), None);
    assert_eq!(store.account_by_login("nobody").await.unwrap(), None);
    let twin = store.create_account(account("WANG.fang", vec![])).await;
    assert!(matches!(twin, Err(StoreError::Conflict(Conflict::LoginTaken))), "names differ by more than case");
    let nowhere = RoleAt { role: Role::Staff, place: PlaceId::generate() };
    let homeless = store.create_account(account("li", vec![nowhere])).await;
    assert!(matches!(homeless, Err(StoreError::Conflict(Conflict::UnknownPlace))));
    assert_eq!(store.account_by_login("li").await.unwrap(), None, "a refused account leaves nothing");

    let change = AccountChange {
        name: Some("王小芳".into()),
        roles: Some(vec![RoleAt { role: Role::Staff, place: root.id }]),
        ..AccountChange::default()
    };
    let changed = store.change_account(teacher.id, change.clone()).await.unwrap();
    assert_eq!((changed.name.0.as_str(), changed.roles[0].place), ("王小芳", root.id));
    assert!(matches!(store.change_account(AccountId::generate(), change).await, Err(StoreError::NotFound)));
    let homeless = AccountChange { roles: Some(vec![nowhere]), ..AccountChange::default() };
    assert!(store.change_account(teacher.id, homeless).await.is_err());
    let many = vec![RoleAt { role: Role::Student, place: school.id }; Account::ROLES_MAX + 1];
    let many = AccountChange { roles: Some(many), ..AccountChange::default() };
    assert!(matches!(store.change_account(teacher.id, many).await, Err(StoreError::Full { .. })));
    let store = bench.reopened(store).await;
    assert_eq!(store.account(teacher.id).await.unwrap(), Some(changed));
}

pub(super) async fn first_account(bench: &dyn Bench) {
    let store = bench.fresh().await;
    let root = place(None, Level::Nation, "全国");
    let admin = account("admin", vec![RoleAt { role: Role::Administrator, place: root.id }]);
    assert!(store.create_first(root.clone(), admin.clone()).await.unwrap());
    assert!(!store.create_first(root.clone(), account("second", vec![])).await.unwrap(), "only the first is first");
    let store = bench.reopened(store).await;
    assert_eq!(store.places().await.unwrap(), [root]);
    assert_eq!(store.accounts(None, 10).await.unwrap(), [admin]);
}

pub(super) async fn sessions(bench: &dyn Bench) {
    let (store, _, _, teacher) = settled(bench).await;
    let (_, mut session) = Session::open(teacher.id, NOW);
    store.open_session(session.clone()).await.unwrap();
    assert_eq!(store.session(session.hash).await.unwrap().as_ref(), Some(&session));
    session.seen = UnixMillis(NOW.0 + 5);
    store.touch_session(session.hash, session.seen).await.unwrap();
    store.touch_session(session.hash, NOW).await.unwrap();
    let store = bench.reopened(store).await;
    assert_eq!(store.session(session.hash).await.unwrap().as_ref(), Some(&session), "use never goes back in time");
    store.close_session(session.hash).await.unwrap();
    store.close_session(session.hash).await.unwrap();
    store.touch_session(session.hash, NOW).await.unwrap();
    assert_eq!(store.session(session.hash).await.unwrap(), None);

    // As many as an account may have, and three more: the three unused longest end.
    let mut opened = vec![];
    for i in 0..(PER_ACCOUNT_MAX + 3) as i64 {
        let (_, session) = Session::open(teacher.id, UnixMillis(NOW.0 + i));
        store.open_session(session.clone()).await.unwrap();
        opened.push(session.hash);
    }
    for (i, hash) in opened.iter().enumerate() {
        assert_eq!(store.session(*hash).await.unwrap().is_some(), i >= 3, "session {i}");
    }
    let last = opened[PER_ACCOUNT_MAX + 2];
    assert!(store.session(last).await.unwrap().is_some());

    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    store.change_account(teacher.id, disabled).await.unwrap();
    assert_eq!(store.session(last).await.unwrap(), None, "disabling ends sessions");

    // Expired ones are swept, others stay.
    let (_, old) = Session::open(teacher.id, NOW);
    let (_, new) = Session::open(teacher.id, NOW.plus(IDLE_MAX));
    store.open_session(old.clone()).await.unwrap();
    store.open_session(new.clone()).await.unwrap();
    assert_eq!(store.sweep(NOW.plus(IDLE_MAX)).await.unwrap(), 1);
    assert_eq!(store.session(old.hash).await.unwrap(), None);
    assert_eq!(store.session(new.hash).await.unwrap(), Some(new));
}

pub(super) async fn tokens(bench: &dyn Bench) {
    let (store, _, _, teacher) = settled(bench).await;
    let hash = PasswordHash::of("seven-horses-graze");
    let (_, session) = Session::open(teacher.id, NOW);
    store.open_session(session.clone()).await.unwrap();

    let (_, older) = OneTimeToken::issue(teacher.id, TokenPurpose::Invite, NOW);
    let (text, token) = OneTimeToken::issue(teacher.id, TokenPurpose::Invite, NOW);
    store.put_token(older.clone()).await.unwrap();
    store.put_token(token.clone()).await.unwrap();
    assert_eq!(store.token(older.hash).await.unwrap(), None, "a newer link replaces the older one");
    let store = bench.reopened(store).await;
    assert_eq!(store.token(text.hash()).await.unwrap(), Some(token.clone()));

    let redeem = |hash_of, at| store.redeem_token(hash_of, hash.clone(), at);
    assert_eq!(redeem(TokenText::generate().hash(), NOW).await.unwrap(), None, "unknown");
    assert_eq!(redeem(token.hash, token.expires).await.unwrap(), None, "expired");
    assert_eq!(store.account(teacher.id).await.unwrap().unwrap().password, None, "nothing was set");
    assert_eq!(redeem(token.hash, NOW).await.unwrap(), Some(teacher.id));
    assert_eq!(redeem(token.hash, NOW).await.unwrap(), None, "used");
    assert_eq!(store.account(teacher.id).await.unwrap().unwrap().password, Some(hash.clone()));
    assert_eq!(store.session(session.hash).await.unwrap(), None, "a new password ends sessions");

    let (_, reset) = OneTimeToken::issue(teacher.id, TokenPurpose::Reset, NOW);
    store.put_token(reset.clone()).await.unwrap();
    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    store.change_account(teacher.id, disabled).await.unwrap();
    assert_eq!(redeem(reset.hash, NOW).await.unwrap(), None, "a disabled account gets no password");
    assert_eq!(store.sweep(reset.expires).await.unwrap(), 1);
    assert_eq!(store.token(reset.hash).await.unwrap(), None);
}
