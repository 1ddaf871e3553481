//! When a webhook's calls go out: the pure part. One queue per webhook, tries with growing waits, a signature that the
//! receiver can check.
//!
//! Does not belong here: HTTP (the [`Deliveries`](super::ports::Deliveries) port), which alarms a webhook hears.

use hmac::{Hmac, Mac as _};
use lectern_media::UnixMillis;
use sha2::Sha256;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use ulid::Ulid;

/// Calls that wait for one webhook. The oldest goes when it is full: the newest alarms matter most.
pub const WAITING_MAX: usize = 500;
/// The first wait after a failed try; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(2);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// A call that could not be delivered for so long is given up.
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id, the same at every try: the receiver can tell a repetition.
    pub id: Ulid,
    /// When what it tells happened.
    pub at: UnixMillis,
    /// The JSON.
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Call>,
    failures: u32,
    next: UnixMillis,
    under_way: bool,
}

/// The queues of all webhooks.
#[derive(Debug, Default)]
pub struct Hooks {
    queues: BTreeMap<Ulid, Queue>,
}

impl Hooks {
    /// Puts a call into a webhook's queue.
    pub fn push(&mut self, hook: Ulid, call: Call) {
        let queue = self.queues.entry(hook).or_default();
        if queue.waiting.len() >= WAITING_MAX {
            // The one at the front may be under way; the one behind it is the oldest that waits.
            queue.waiting.remove(usize::from(queue.under_way));
            dropped("full");
        }
        queue.waiting.push_back(call);
    }

    /// Forgets a webhook.
    pub fn remove(&mut self, hook: Ulid) {
        self.queues.remove(&hook);
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self, hook: Ulid) -> usize {
        self.queues.get(&hook).map_or(0, |q| q.waiting.len())
    }

    /// The calls that are to be tried now, one per webhook at most; each must be followed by [`Hooks::done`].
    pub fn due(&mut self, now: UnixMillis) -> Vec<(Ulid, Call)> {
        let mut due = Vec::new();
        for (hook, queue) in self.queues.iter_mut().filter(|(_, q)| !q.under_way && q.next <= now) {
            while queue.waiting.front().is_some_and(|call| now.since(call.at) >= AGE_MAX) {
                queue.waiting.pop_front();
                dropped("too_old");
            }
            if let Some(call) = queue.waiting.front() {
                queue.under_way = true;
                due.push((*hook, call.clone()));
            }
        }
        due
    }

    /// How the try of a webhook's first call ended.
    pub fn done(&mut self, hook: Ulid, call: Ulid, good: bool, now: UnixMillis) {
        let Some(queue) = self.queues.get_mut(&hook) else { return };
        queue.under_way = false;
        if good {
            queue.failures = 0;
            queue.next = now;
            if queue.waiting.front().is_some_and(|c| c.id == call) {
                queue.waiting.pop_front();
            }
        } else {
            let wait = WAIT_FIRST.saturating_mul(1 << queue.failures.min(10)).min(WAIT_MAX);
            queue.failures = queue.failures.saturating_add(1);
            queue.next = now.plus(wait);
        }
    }
}

fn dropped(reason: &'static str) {
    metrics::counter!("lectern_patrol_webhook_calls_dropped_total", "reason" => reason).increment(1);
}

/// The value of `x-lectern-signature`: `t=<unix seconds>,v1=<hex>` with HMAC-SHA-256 (RFC 2104) over `<t>.<body>`. The time
/// is in it, so that a call that was overheard can't be repeated for long.
#[must_use]
pub fn signature(secret: &[u8], at: UnixMillis, body: &[u8]) -> String {
    let seconds = at.0.div_euclid(1_000);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixMillis = UnixMillis(1_700_000_000_000);

    fn call(at: UnixMillis) -> Call {
        Call { id: Ulid::new(), at, body: b"{}".to_vec() }
    }

    #[test]
    fn tried_again_ever_more_rarely_until_it_arrives() {
        let (mut hooks, hook) = (Hooks::default(), Ulid::new());
        hooks.push(hook, call(T0));
        let mut now = T0;
        let mut waits = vec![];
        for _ in 0..10 {
            let due = hooks.due(now);
            assert_eq!(due.len(), 1);
            assert!(hooks.due(now).is_empty(), "one at a time");
            hooks.done(hook, due[0].1.id, false, now);
            let since = now;
            while hooks.due(now).is_empty() {
                now = now.plus(Duration::from_secs(1));
            }
            waits.push(now.since(since).as_secs());
            hooks.queues.get_mut(&hook).unwrap().under_way = false;
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let due = hooks.due(now);
        hooks.done(hook, due[0].1.id, true, now);
        assert_eq!(hooks.waiting(hook), 0);
        hooks.push(hook, call(now));
        assert_eq!(hooks.due(now).len(), 1, "the next one goes at once");
    }

    #[test]
    fn queues_are_bounded_and_calls_grow_old() {
        let (mut hooks, hook) = (Hooks::default(), Ulid::new());
        for n in 0..WAITING_MAX as i64 + 10 {
            hooks.push(hook, call(UnixMillis(T0.0 + n)));
        }
        assert_eq!(hooks.waiting(hook), WAITING_MAX);
        assert_eq!(hooks.due(T0)[0].1.at, UnixMillis(T0.0 + 10), "the oldest went");
        hooks.queues.get_mut(&hook).unwrap().under_way = false;
        assert!(hooks.due(T0.plus(AGE_MAX + Duration::from_secs(9))).is_empty());
        assert_eq!(hooks.waiting(hook), 0);
        hooks.remove(hook);
        hooks.done(hook, Ulid::new(), true, T0);
    }

    #[test]
    fn the_signature_is_the_one_that_receivers_compute() {
        // echo -n '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let text = signature(b"key", T0, b"{\"a\":1}");
        let (time, mac) = text.split_once(',').unwrap();
        assert_eq!(time, "t=1700000000");
        assert_eq!(mac, "v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
        assert_ne!(signature(b"kez", T0, b"{\"a\":1}"), text);
    }
}
