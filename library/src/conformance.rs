//! The one suite that every engine of the [`Store`] passes, with its durability across reopening.
//!
//! Asserts, because it is a test: call [`run`] from an engine's tests. Does not belong here: what only one engine has
//! (its files, its power cuts).

mod authority;
mod patrol;
mod people;
mod recordings;
mod timetable;

use crate::{
    model::{Account, Class, ClassEntry},
    store::Store,
};
use async_trait::async_trait;
use lectern_auth::{Level, PlaceNode, Redacted, Role, RoleAt};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use lectern_protocol::api::{ClassMode, Repeat};
use std::sync::Arc;

/// How the suite gets its stores.
#[async_trait]
pub trait Bench: Send + Sync {
    /// An empty store.
    async fn fresh(&self) -> Arc<dyn Store>;

    /// The same store, closed and opened again.
    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store>;
}

/// Runs the whole suite.
///
/// # Panics
/// If the engine breaks the contract.
pub async fn run(bench: &dyn Bench) {
    people::places(bench).await;
    people::accounts(bench).await;
    people::first_account(bench).await;
    people::sessions(bench).await;
    people::tokens(bench).await;
    timetable::classes(bench).await;
    timetable::lessons(bench).await;
    timetable::lessons_beside_the_timetable(bench).await;
    timetable::attendance(bench).await;
    recordings::facts_and_lines(bench).await;
    recordings::added_lines(bench).await;
    recordings::deletion(bench).await;
    recordings::replacement(bench).await;
    recordings::positions(bench).await;
    recordings::rooms(bench).await;
    patrol::cameras(bench).await;
    patrol::rules(bench).await;
    patrol::policies(bench).await;
    patrol::holds(bench).await;
    patrol::bookmarks_and_layouts(bench).await;
    patrol::alarms(bench).await;
    patrol::places_hold_cameras(bench).await;
    authority::second_factors(bench).await;
    authority::separation(bench).await;
    together(bench).await;
}

const NOW: UnixMillis = UnixMillis(1_788_220_800_000);

fn place(parent: Option<PlaceId>, level: Level, name: &str) -> PlaceNode {
    PlaceNode { id: PlaceId::generate(), parent, level, name: name.into() }
}

fn account(login: &str, roles: Vec<RoleAt>) -> Account {
    Account {
        id: AccountId::generate(),
        login: login.into(),
        name: Redacted("王芳".into()),
        roles,
        disabled: false,
        password: None,
        created: NOW,
    }
}

fn entry(place: PlaceId, teacher: AccountId) -> ClassEntry {
    ClassEntry {
        title: "分数乘法".into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher,
        place,
        mode: ClassMode::Dedicated,
        starts: NOW,
        duration_min: 40,
        repeat: Repeat::Weekly,
        until: None,
        waiting_room: true,
        record: true,
    }
}

/// A store with a nation, a school in it, and a teacher there.
async fn settled(bench: &dyn Bench) -> (Arc<dyn Store>, PlaceNode, PlaceNode, Account) {
    let store = bench.fresh().await;
    let root = place(None, Level::Nation, "全国");
    let school = place(Some(root.id), Level::School, "第一小学");
    store.put_place(root.clone()).await.unwrap();
    store.put_place(school.clone()).await.unwrap();
    let teacher = account("wang.fang", vec![RoleAt { role: Role::Teacher, place: school.id }]);
    store.create_account(teacher.clone()).await.unwrap();
    (store, root, school, teacher)
}

/// Many at once: each sees a consistent store, exactly one of those that exclude each other wins, nothing is lost.
async fn together(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..200 {
        let store = Arc::clone(&store);
        let class = Class::new(entry(school.id, teacher.id), NOW);
        tasks.spawn(async move {
            store.create_classes(vec![class]).await.unwrap();
            // Ten people want each name.
            u32::from(store.create_account(account(&format!("person{}", i % 20), vec![])).await.is_ok())
        });
    }
    let made: u32 = tasks.join_all().await.into_iter().sum();
    assert_eq!(made, 20, "each name is given once");
    let store = bench.reopened(store).await;
    assert_eq!(store.classes().await.unwrap().len(), 200);
    assert_eq!(store.accounts(None, 1_000).await.unwrap().len(), 21);
    let page = store.accounts(None, 8).await.unwrap();
    let next = store.accounts(Some(page[7].id), 8).await.unwrap();
    assert!(page.iter().chain(&next).map(|a| a.id).is_sorted(), "pages are in the order of ids");
    assert_ne!(page[7].id, next[0].id);
    store.close().await;
    assert!(store.put_place(place(None, Level::Nation, "x")).await.is_err(), "nothing is written after closing");
    assert!(!store.writable());
}
