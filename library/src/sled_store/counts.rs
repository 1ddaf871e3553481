//! How many records there are of what has a limit. A count stands beside its records, so that a limit costs one read and
//! not a walk through all of them; a catalogue from before is counted once.

use super::writer::Tx;
use crate::error::{Result, StoreError};

/// Makes room for `more` records of the table before they are put there.
///
/// Removed classes and disabled accounts keep their records, and so count.
pub(super) fn add(tx: &mut Tx<'_>, table: &'static str, what: &'static str, more: usize, max: usize) -> Result<()> {
    let key = format!("count/{table}");
    let known: usize = match tx.get(&key)? {
        Some(known) => known,
        None => tx.keys(&format!("{table}/"))?.len(),
    };
    let after = known.saturating_add(more);
    if after > max {
        return Err(StoreError::Full { what, max });
    }
    tx.put(key, &after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sled_store::SledStore;

    #[tokio::test]
    async fn a_table_takes_as_much_as_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        // From a time when nobody counted.
        store.writer.write(|tx| tx.put("thing/0".into(), &0)).await.unwrap();
        let put = async |range: std::ops::Range<usize>| {
            let put = store.writer.write(move |tx| {
                add(tx, "thing", "things", range.len(), 3)?;
                range.clone().try_for_each(|i| tx.put(format!("thing/{i}"), &i))
            });
            put.await
        };
        assert!(matches!(put(1..4).await, Err(StoreError::Full { what: "things", max: 3 })), "all or none");
        put(1..3).await.unwrap();
        assert!(put(3..4).await.is_err());
        // What is removed from sight still takes its room.
        store.writer.write(|tx| tx.put("thing/1".into(), &"removed")).await.unwrap();
        assert!(put(3..4).await.is_err());
    }
}
