//! Entry points for fuzzing: each takes anything and must neither panic nor loop.

use crate::sled_store::journal;

/// The catalogue's journal, as found on a disk that others can write.
pub fn catalogue_journal(data: &[u8]) {
    journal::fuzz(data);
}

/// Valid inputs of [`catalogue_journal`].
#[must_use]
pub fn catalogue_journals() -> Vec<Vec<u8>> {
    journal::fuzz_seeds()
}
