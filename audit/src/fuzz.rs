//! Entry points for fuzzing: a log is read from a disk that others may have written to.

use crate::{
    entry, scan,
    verify::{Verifying, verify_export},
};

/// A file of the log.
///
/// # Panics
/// If what is wrong is counted otherwise than it is listed.
pub fn log(data: &[u8]) {
    let mut verifying = Verifying::new(None);
    verifying.file("audit-2026-11.jsonl", data);
    let report = verifying.end();
    assert_eq!(report.ok, report.faults.is_empty());
    let report = verify_export("audit.jsonl", data, None);
    assert_eq!(report.ok, report.faults.is_empty());
    let mut cursor = scan::Cursor::default();
    let read = scan::lines(data, &mut cursor, |read| {
        let _ = entry::entry_in(read.bytes);
        true
    });
    assert!(read.is_ok(), "memory is read without errors");
}

/// Logs that are whole, to be mutated.
#[must_use]
pub fn log_seeds() -> Vec<Vec<u8>> {
    use lectern_media::UnixMillis;
    use lectern_protocol::api::AuditAction;
    let (mut out, mut hash) = (Vec::new(), [0; 32]);
    let mut seeds = Vec::new();
    for n in 1..4 {
        let entry = entry::Entry::new(UnixMillis(n), AuditAction::Played);
        if let Ok(next) = entry::write_line(&mut out, n as u64, &hash, &entry) {
            hash = next;
        }
        seeds.push(out.clone());
    }
    seeds
}
