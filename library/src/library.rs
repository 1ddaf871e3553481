//! The catalogue as the rest of the server uses it: the store, the tree and the search index held together, with rights
//! applied before anything is counted.
//!
//! Does not belong here: HTTP, and what an engine does.

mod cameras;
mod classes;
mod recordings;

pub use cameras::CameraSet;
pub use classes::Imported;
pub use recordings::{Found, PAGE_LEN_MAX, Query, SearchPage};

use crate::{
    error::{Result, StoreError},
    model::{Account, Class},
    search::{SearchIndex, tokens},
    sled_store::SledStore,
    store::Store,
};
use jiff::tz::TimeZone;
use lectern_auth::{
    Level, PasswordHash, PlaceNode, PlaceTree, Redacted, Role, RoleAt, Secret, Session, TokenText, password,
};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use parking_lot::RwLock;
use std::{path::Path, sync::Arc};
use tokio::sync::watch;

/// What the composition decides.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// The server's time zone: which day a lesson is on.
    pub zone: TimeZone,
    /// The name of the root place that a first start makes.
    pub root_name: String,
}

impl Default for LibraryOptions {
    fn default() -> Self {
        let zone = crate::timetable::zone("Asia/Shanghai").unwrap_or(TimeZone::UTC);
        Self { zone, root_name: "全国".into() }
    }
}

/// The catalogue.
pub struct Library {
    store: Arc<dyn Store>,
    options: LibraryOptions,
    tree: RwLock<Arc<PlaceTree>>,
    /// Those that were not removed. Asked with every look at the day's lessons, changed a few times a term.
    classes: RwLock<Arc<Vec<Class>>>,
    /// Cameras, and who may look through them.
    cameras: RwLock<Arc<CameraSet>>,
    index: Arc<RwLock<SearchIndex>>,
    /// Held while tree, timetable or a recording is read anew, so that an older reading never replaces a newer one.
    reloading: Arc<tokio::sync::Mutex<()>>,
    /// Whether everything that was said is in the index.
    indexed: watch::Sender<bool>,
}

/// The account that a first start makes. The password exists nowhere else; print it once.
#[derive(Debug)]
pub struct FirstAdministrator {
    /// Log-in name.
    pub login: String,
    /// Password.
    pub password: Secret,
}

/// Somebody with a live session.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The session.
    pub session: Session,
    /// The account.
    pub account: Account,
}

impl Library {
    /// Opens the embedded catalogue in `dir` (made if missing) and reads its recordings into the index.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    pub async fn open(dir: &Path, options: LibraryOptions) -> Result<Self> {
        let dir = dir.to_owned();
        let store =
            tokio::task::spawn_blocking(move || SledStore::open(&dir)).await.map_err(|_| StoreError::Closed)??;
        Self::with_store(Arc::new(store), options).await
    }

    /// The catalogue on any engine.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn with_store(store: Arc<dyn Store>, options: LibraryOptions) -> Result<Self> {
        let library = Self {
            store,
            options,
            tree: RwLock::default(),
            classes: RwLock::default(),
            cameras: RwLock::default(),
            index: Arc::default(),
            reloading: Arc::default(),
            indexed: watch::Sender::new(false),
        };
        library.reload_tree().await?;
        library.reload_classes().await?;
        library.reload_cameras().await?;
        library.load_facts().await?;
        library.load_lines();
        Ok(library)
    }

    /// The store, for what needs no more than that. Places, classes and recordings are changed through the methods here,
    /// which keep tree, timetable and index in step.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The server's time zone.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.options.zone
    }

    /// The tree of places as it is now.
    #[must_use]
    pub fn tree(&self) -> Arc<PlaceTree> {
        Arc::clone(&self.tree.read())
    }

    /// The root of the tree, or the one that a first start makes.
    fn root_or_new(&self) -> PlaceNode {
        let tree = self.tree();
        tree.root().and_then(|id| tree.get(id).cloned()).unwrap_or_else(|| PlaceNode {
            id: PlaceId::generate(),
            parent: None,
            level: Level::Nation,
            name: self.options.root_name.clone(),
        })
    }

    /// The root place, made if there is none.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn plant_root(&self) -> Result<PlaceId> {
        let root = self.root_or_new();
        let id = root.id;
        if self.tree().root().is_none() {
            self.put_place(root).await?;
        }
        Ok(id)
    }

    /// Makes the root place and the account `admin`, if there is no account at all.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn first_run(&self, now: UnixMillis) -> Result<Option<FirstAdministrator>> {
        let root = self.root_or_new();
        if !self.store.accounts(None, 1).await?.is_empty() {
            return Ok(None);
        }
        let password = Secret::new(password::generate());
        let account = Account {
            id: AccountId::generate(),
            login: "admin".into(),
            name: Redacted("管理员".into()),
            roles: vec![RoleAt { role: Role::Administrator, place: root.id }],
            disabled: false,
            password: Some(hash_password(password.clone()).await?),
            created: now,
        };
        let login = account.login.clone();
        let made = self.store.create_first(root, account).await?;
        self.reload_tree().await?;
        Ok(made.then_some(FirstAdministrator { login, password }))
    }

    /// Who is behind a session's token, if the session lives and the account is not disabled. Notes the use.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn authenticate(&self, token: &TokenText, now: UnixMillis) -> Result<Option<Authenticated>> {
        let Some(session) = self.store.session(token.hash()).await? else { return Ok(None) };
        if !session.valid(now) {
            self.store.close_session(session.hash).await?;
            return Ok(None);
        }
        let Some(account) = self.store.account(session.account).await?.filter(|a| !a.disabled) else { return Ok(None) };
        if session.touch_due(now) {
            let store = Arc::clone(&self.store);
            let hash = session.hash;
            // Nobody waits for it, and a use that is not noted costs at most a quarter of an hour of a session.
            tokio::spawn(async move {
                if let Err(error) = store.touch_session(hash, now).await {
                    tracing::warn!(%error, "the use of a session was not noted");
                }
            });
        }
        Ok(Some(Authenticated { session, account }))
    }

    /// Makes or changes a place.
    ///
    /// # Errors
    /// As [`crate::store::People::put_place`].
    pub async fn put_place(&self, place: PlaceNode) -> Result<()> {
        self.store.put_place(place).await?;
        self.reload_tree().await
    }

    /// Removes an empty place.
    ///
    /// # Errors
    /// As [`crate::store::People::remove_place`].
    pub async fn remove_place(&self, place: PlaceId) -> Result<()> {
        self.store.remove_place(place).await?;
        self.reload_tree().await
    }

    async fn reload_tree(&self) -> Result<()> {
        let _alone = self.reloading.lock().await;
        let places = self.store.places().await?;
        match PlaceTree::build(places) {
            Ok(tree) => *self.tree.write() = Arc::new(tree),
            // Each write is checked, so this is a catalogue that was edited by hand. What is there keeps working.
            Err(error) => tracing::error!(%error, "the places in the catalogue are no tree"),
        }
        Ok(())
    }

    async fn reload_classes(&self) -> Result<()> {
        let _alone = self.reloading.lock().await;
        let classes = self.store.classes().await?;
        *self.classes.write() = Arc::new(classes);
        Ok(())
    }

    /// Waits until everything that was said in recordings is in the index. Until then they are found by title, teacher,
    /// subject and school.
    pub async fn indexed(&self) {
        // The sender is ours, so it is there.
        let _ = self.indexed.subscribe().wait_for(|done| *done).await;
    }

    /// Reads the recordings into a new index: quick, so that a start waits for it.
    async fn load_facts(&self) -> Result<()> {
        let mut after = None;
        let mut index = SearchIndex::default();
        loop {
            let chunk = self.store.recording_facts(after, FACTS_CHUNK).await?;
            let Some(last) = chunk.last() else { break };
            after = Some(last.id);
            index = blocking(move || {
                chunk.into_iter().for_each(|recording| index.put(recording, vec![]));
                index
            })
            .await?;
        }
        *self.index.write() = index;
        Ok(())
    }

    /// Reads what was said into the index, beside everything else: a library of years takes seconds.
    fn load_lines(&self) {
        let (store, index) = (Arc::clone(&self.store), Arc::clone(&self.index));
        let (reloading, indexed) = (Arc::clone(&self.reloading), self.indexed.clone());
        indexed.send_replace(false);
        tokio::spawn(async move {
            if let Err(error) = load_lines(&*store, &index, &reloading).await {
                tracing::error!(%error, "what was said in recordings can't be searched until the next start");
            }
            indexed.send_replace(true);
        });
    }
}

/// Recordings read from the store at a time, without and with what was said in them.
const FACTS_CHUNK: usize = 1_000;
const LINES_CHUNK: usize = 50;

async fn load_lines(
    store: &dyn Store,
    index: &Arc<RwLock<SearchIndex>>,
    reloading: &tokio::sync::Mutex<()>,
) -> Result<()> {
    // The dictionary takes a moment: load it now, not in the first search.
    blocking(tokens::warm_up).await?;
    let mut after = None;
    loop {
        // Nobody changes lines between their being read and being put into the index.
        let _alone = reloading.lock().await;
        let chunk = store.recordings(after, LINES_CHUNK).await?;
        let Some(last) = chunk.last() else { return Ok(()) };
        after = Some(last.recording.id);
        let index = Arc::clone(index);
        blocking(move || {
            // Searches get in between two recordings.
            for summary in chunk.into_iter().filter(|summary| !summary.lines.is_empty()) {
                index.write().put_lines(summary.recording.id, summary.lines);
            }
        })
        .await?;
    }
}

/// Hashes a password on a blocking thread.
///
/// # Errors
/// Only if the runtime is shutting down.
pub async fn hash_password(password: Secret) -> Result<PasswordHash> {
    blocking(move || PasswordHash::of(password.expose())).await
}

/// Checks a password on a blocking thread, in the same time whether there is a hash or not.
///
/// # Errors
/// Only if the runtime is shutting down.
pub async fn verify_password(password: Secret, hash: Option<PasswordHash>) -> Result<bool> {
    blocking(move || password::verify(password.expose(), hash.as_ref())).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}

#[cfg(test)]
mod tests;
