//! Refusals counted together: the first of a person or address with one reason is an entry at once, those of the minute
//! after it are one entry with their number, so that nobody fills the log by knocking.
//!
//! Pure. What is counted and not yet written is lost if the server is killed in that minute; that there were refusals is
//! written already.

use crate::entry::Entry;
use lectern_media::{AccountId, CameraId, UnixMillis};
use std::{collections::HashMap, time::Duration};

/// Refusals are counted over this time.
const OVER: Duration = Duration::from_secs(60);
/// Different refusals at once; beyond that, those of one reason are counted together, whosever they are.
const KINDS_MAX: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    account: Option<AccountId>,
    address: String,
    camera: Option<CameraId>,
    detail: String,
}

impl Kind {
    fn of(entry: &Entry) -> Self {
        Self {
            account: entry.who.account,
            address: entry.address.clone(),
            camera: entry.camera,
            detail: entry.detail.clone(),
        }
    }
}

struct Counted {
    since: UnixMillis,
    last: Entry,
    count: u64,
}

#[derive(Default)]
pub(crate) struct Counter(HashMap<Kind, Counted>);

impl Counter {
    /// Takes a refusal; gives the entry to be written at once, if it is the first of its kind.
    pub(crate) fn refused(&mut self, entry: Entry, now: UnixMillis) -> Option<Entry> {
        let mut kind = Kind::of(&entry);
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(&kind) {
            kind = Kind { account: None, address: String::new(), camera: None, detail: entry.detail.clone() };
        }
        if let Some(counted) = self.0.get_mut(&kind) {
            counted.count += entry.count;
            counted.last = entry;
            return None;
        }
        self.0.insert(kind, Counted { since: now, last: entry.clone(), count: 0 });
        Some(entry)
    }

    /// The entries of the minutes that are over; of all if `all`.
    pub(crate) fn due(&mut self, now: UnixMillis, all: bool) -> Vec<Entry> {
        let mut due = Vec::new();
        self.0.retain(|_, counted| {
            let over = all || now < counted.since || now.since(counted.since) >= OVER;
            if over && counted.count > 0 {
                let (from, to) = (Some(counted.since), Some(counted.last.at));
                due.push(Entry { count: counted.count, from, to, ..counted.last.clone() });
            }
            !over
        });
        due.sort_by_key(|entry| entry.at);
        due
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Who;
    use lectern_protocol::api::AuditAction;

    fn refusal(at: i64, account: AccountId, detail: &str) -> Entry {
        let who = Who { account: Some(account), ..Who::default() };
        Entry { who, detail: detail.into(), ..Entry::new(UnixMillis(at), AuditAction::Refused) }
    }

    #[test]
    fn the_first_is_written_and_the_rest_of_the_minute_counted() {
        let (me, other) = (AccountId::generate(), AccountId::generate());
        let mut counter = Counter::default();
        let mut written = vec![];
        for at in 0..100 {
            written.extend(counter.refused(refusal(at, me, "no_role"), UnixMillis(at)));
        }
        written.extend(counter.refused(refusal(50, me, "outside_hours"), UnixMillis(50)));
        written.extend(counter.refused(refusal(50, other, "no_role"), UnixMillis(50)));
        assert_eq!(written.len(), 3, "each kind once");
        assert!(counter.due(UnixMillis(59_000), false).is_empty());
        let due = counter.due(UnixMillis(60_050), false);
        assert_eq!(due.iter().map(|e| e.count).collect::<Vec<_>>(), [99]);
        assert_eq!((due[0].from, due[0].to), (Some(UnixMillis(0)), Some(UnixMillis(99))));
        assert!(counter.is_empty(), "a new minute begins with a new entry");
    }

    #[test]
    fn a_flood_of_kinds_is_bounded_and_none_is_forgotten() {
        let mut counter = Counter::default();
        let mut sum = 0;
        let total = KINDS_MAX as i64 + 5_000;
        for i in 0..total {
            let entry = refusal(i, AccountId::generate(), "no_role");
            sum += counter.refused(entry, UnixMillis(i)).map_or(0, |e| e.count);
        }
        assert!(counter.0.len() <= KINDS_MAX + 1);
        sum += counter.due(UnixMillis(0), true).iter().map(|e| e.count).sum::<u64>();
        assert_eq!(sum, total as u64);
    }
}
