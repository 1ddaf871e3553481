//! What can go wrong with the catalogue.

use std::{io, path::PathBuf};

/// A request that contradicts what is there. The caller can tell the person; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// Another account has this log-in name.
    #[error("the log-in name is taken")]
    LoginTaken,
    /// The place has places, people or classes in it.
    #[error("the place is in use")]
    PlaceInUse,
    /// The parent does not exist or its level is not above.
    #[error("the place does not fit there")]
    PlaceDoesNotFit,
    /// A role names a place that does not exist.
    #[error("there is no such place")]
    UnknownPlace,
    /// The join code is in use; make another.
    #[error("the join code is in use")]
    CodeTaken,
    /// Another camera at the place has this name.
    #[error("the name is taken by another camera at the place")]
    CameraNameTaken,
    /// Another camera has this code.
    #[error("the code is taken by another camera")]
    CameraCodeTaken,
    /// The camera is not removed, or a hold is on it.
    #[error("the camera is in use")]
    CameraInUse,
    /// The hold was released.
    #[error("the hold was released already")]
    HoldReleased,
    /// Nobody asked for the release.
    #[error("nobody asked for the release")]
    ReleaseNotAsked,
    /// It takes two people.
    #[error("somebody else has to agree")]
    SamePerson,
    /// The roles can't be held together while administrators are separated.
    #[error("the roles can't be held together")]
    RolesExclude,
    /// There would be no system, security or audit administrator who can sign in.
    #[error("it would take the last administrator of the kind away")]
    LastAdministrator,
    /// The caller does not hold the role at the root that this takes.
    #[error("it takes an administrator of the root")]
    NotTheAdministrator,
    /// Administrators are separated already.
    #[error("administrators are separated already")]
    AlreadySeparated,
    /// Administrators are not separated.
    #[error("administrators are not separated")]
    NotSeparated,
    /// The account is disabled, or nobody chose its password yet.
    #[error("the account can't sign in")]
    CannotSignIn,
}

/// Why the catalogue could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such thing (any more).
    #[error("not in the catalogue")]
    NotFound,
    /// The request contradicts what is there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A stated limit is reached.
    #[error("the catalogue holds as many {what} as it may ({max})")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// Another process has the catalogue open.
    #[error("the catalogue in {dir} is open in another process")]
    Locked {
        /// Where.
        dir: PathBuf,
    },
    /// Written by a newer version of Lectern.
    #[error("the catalogue has format {found}, this version of Lectern reads up to {known}: install the newer version")]
    NewerFormat {
        /// On disk.
        found: u32,
        /// The newest this program reads.
        known: u32,
    },
    /// The journal is damaged before its end, so acknowledged entries are missing: a person must decide.
    #[error("{path} is damaged at byte {offset}: restore it from a back-up")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// The disk is full; reading still works, and writing again once there is room.
    #[error("no room left on the catalogue's disk")]
    DiskFull,
    /// The disk refused; after a failed sync nothing more is written until the server is restarted.
    #[error("could not {what}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The index can't be read; it is rebuilt from the journal at the next start.
    #[error("the catalogue's index failed")]
    Index(#[source] sled::Error),
    /// A record is not what this version writes.
    #[error("the record {key} is not readable")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record is larger than a journal line may be.
    #[error("a record of {len} bytes is too large")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// Others changed the same record again and again; try again.
    #[error("others change the same record of the catalogue")]
    Busy,
    /// The store was closed, or its thread died; the log says why.
    #[error("the catalogue is closed")]
    Closed,
}

/// What the store's calls return.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                Self::DiskFull
            } else {
                Self::Io { what, source }
            }
        }
    }
}
