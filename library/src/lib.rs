//! The catalogue: the tree of places, people and their sessions, the timetable, lessons, attendance, recordings and the
//! state of rooms that must outlive a restart; and the search over recordings.
//!
//! - [`store`]: what is kept, as traits that any engine can implement, and [`conformance`], the one suite all must pass.
//! - [`SledStore`]: the embedded engine. An append-only synced journal is the truth, sled its index.
//! - [`timetable`] and [`import`]: pure; entries to lessons of a day, CSV to entries.
//! - [`search`]: the in-memory index over recordings.
//! - [`Library`]: all of it together, with rights applied before anything is counted.
//!
//! Does not belong here: media bytes (the recorder's), HTTP, who may do what (`lectern-auth` decides, this asks).

pub mod code;
pub mod conformance;
pub mod error;
pub mod fuzz;
pub mod import;
pub mod library;
pub mod model;
pub mod patrol;
pub mod search;
mod sled_store;
pub mod store;
pub mod timetable;

pub use error::{Conflict, StoreError};
pub use library::{Authenticated, CameraSet, FirstAdministrator, Imported, Library, LibraryOptions, Query, SearchPage};
pub use model::{
    Account, AccountChange, AttendanceRow, Class, ClassEntry, Lesson, LessonChange, Position, Recording,
    RecordingSummary, TextLine,
};
pub use patrol::{
    Alarm, AlarmChange, AlarmQuery, Authority, Bookmark, By, Camera, CameraChange, Hang, Hold, Hung, Layout,
    ReleaseFailure, RetentionRule, Said, Separation, Stay, ThresholdsAt, Webhook,
};
pub use sled_store::SledStore;
pub use store::Store;
