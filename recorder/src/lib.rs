//! Records the tracks of a room as they arrive, without re-encoding, so that nothing announced is ever lost.
//!
//! What is always true of a recording and which steps keep it true is written down in `INVARIANTS.md` next to this crate;
//! comments here refer to it by number. The way through: [`Recorder::start`] gives a [`RecordingHandle`]; its
//! [`tap`](RecordingHandle::tap) is handed to the forwarding plane; a thread of the recording's own reads it
//! ([`session`](crate)), turns packets into fragments (`track`), and writes, syncs, chains and announces them (`writer`).
//!
//! - [`vod`] reads recordings, running ones too: facts, playlists, segments, downloads.
//! - [`camera`] records cameras around the clock, signs what it records, and keeps it as long as the rules say.
//! - [`check()`] verifies every invariant and names the file and offset that fails.
//! - [`scan()`] lists what is on disk, to rebuild a catalogue.
//!
//! Does not belong here: who may record or watch, HTTP, the catalogue.

pub mod camera;
mod chain;
mod check;
mod clock;
pub mod evidence;
pub mod fuzz;
mod journal;
mod limits;
mod meta;
mod recorder;
mod recover;
mod scan;
mod session;
mod signer;
pub mod storage;
mod track;
pub mod vod;
mod writer;

pub use chain::{ChainKind, ChainLine, ChainRecord, parse_lines as parse_chain};
pub use check::{Finding, Report, check};
pub use journal::{Entry, Line};
pub use limits::Limits;
pub use meta::{FORMAT, Header, HeaderError, RecordingMeta, RecordingSummary, SUITE, Seal, Subject};
pub use recorder::{
    FailReason, FinishError, KeyframePort, OpenError, Recorder, RecordingHandle, Sealed, StartError, State, Status,
};
pub use recover::Recovered;
pub use scan::scan;
pub use signer::{HeadSignature, Signer, SignerError, key_id, verify};
pub use writer::day_of;
