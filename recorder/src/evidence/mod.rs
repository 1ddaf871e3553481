//! Evidence: a range of cameras as one file that proves by itself what was recorded when, and that nothing was changed since.
//!
//! - [`export()`] copies the archive's bytes as they lie, with the links and signatures that cover them (`plan`), what is known of gaps and
//!   clocks, who looked, and a sheet to print (`sheet`), into one container (`zip`), hashes and signs it.
//! - [`verify()`] needs no server: it computes every link anew, and says AUTHENTIC or which camera, stream and second is wrong
//!   and how ([`Report`]).
//!
//! The format (`format`) is told field by field in `docs/evidence-format.md`; `scripts/verify-evidence.py` is another reader.
//! Does not belong here: who may export, the audit log, jobs.

mod chain;
mod explain;
mod export;
pub mod format;
pub(crate) mod fuzz;
mod plan;
mod report;
mod sheet;
mod verify;
mod zip;

pub use export::{Continue, ExportError, ExportRequest, ExportSummary, Progress, export, file_name};
pub use format::{Bound, CAMERAS_MAX, FORMAT, Viewer, ViewerEntry};
pub use report::{CameraChecked, FINDINGS_MAX, Finding, KeyVerdict, Problem, Report, fingerprint};
pub use verify::{parse_key, verify, verify_source};
pub use zip::Source;
