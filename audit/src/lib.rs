//! The audit log of exam patrol: who looked at which camera when, what was refused, what was changed. Append-only files
//! of one month each, `audit-<yyyy-mm>.jsonl`, in which every line carries the hash of the line before it and whose head is
//! signed; a stranger can verify them with [`verify`] and no server.
//!
//! - [`entry`]: what an entry is and how it is a line. [`chain`]: hashes and signatures.
//! - [`Audit`]: the way in ([`Audit::append`], [`Audit::append_sync`]); one thread writes.
//! - [`query`]: reading, newest first, with bounded memory; sums; exports.
//! - [`verify`]: what is wrong, by file and line, with a log or with an exported piece of one ([`verify_export`]).
//!
//! What is always true, and what a check means:
//! 1. Line `n` of the log holds the number `n` (from 1, through all months) and the hash of line `n − 1`.
//! 2. What was acknowledged ([`Audit::append_sync`], or a second after [`Audit::append`]) survives a power cut.
//! 3. `head.json` names the last line that was acknowledged, signed: lines cut off the end are missed.
//! 4. Nothing is rewritten. A line that a crash tore is moved to a file of its own, and an entry says so.
//!
//! What it does not withstand: whoever holds the signing key and the disk can write another history. Print or send heads
//! elsewhere ([`Audit::head`]) against that.
//!
//! Does not belong here: who may read it (`lectern-auth`), pages and HTTP (`lectern-signaling`), the key's file (`server`).

pub mod chain;
mod count;
pub mod entry;
pub mod fuzz;
mod handle;
mod index;
mod log;
pub mod query;
mod scan;
pub mod verify;

pub use chain::{Head, HeadSigner};
pub use entry::{Entry, Stored, Who};
pub use handle::{Audit, AuditError};
pub use query::{Exported, Format, Page, Query, Sum};
pub use verify::{Fault, Report, verify, verify_export};
