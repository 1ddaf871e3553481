//! How often one address may ask. A whole school may stand behind one address, so limits are wide: they stop machines,
//! not people.

use crate::extract::ClientAddr;
use lectern_auth::{Backoff, BackoffPolicy};
use lectern_base::config;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Addresses remembered by one limit; at the limit those that are full again are forgotten.
const ADDRESSES_MAX: usize = 50_000;

/// The limits of the HTTP API.
#[derive(Debug)]
pub struct Limits {
    /// Any request under `/api`, `/whip`, `/whep`.
    pub requests: AddressLimit,
    /// Joins by link.
    pub joins: AddressLimit,
    /// New WebSockets.
    pub sockets: AddressLimit,
    /// Join codes that nobody has.
    pub wrong_codes: Mutex<Backoff<IpAddr>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(&config::Limits::default())
    }
}

impl Limits {
    /// The limits as configured.
    #[must_use]
    pub fn new(limits: &config::Limits) -> Self {
        let of = |name, burst: u32, per_second: u32| AddressLimit::new(name, burst.into(), per_second.into());
        Self {
            requests: of("requests", limits.requests, limits.requests_per_second),
            joins: of("joins", limits.joins, limits.joins_per_second),
            sockets: of("sockets", limits.sockets, limits.sockets_per_second),
            wrong_codes: Mutex::new(Backoff::new(BackoffPolicy::ADDRESS)),
        }
    }
}

/// A token bucket for each address (an IPv6 network of 64 bits counts as one).
#[derive(Debug)]
pub struct AddressLimit {
    name: &'static str,
    burst: f64,
    per_second: f64,
    levels: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl AddressLimit {
    /// `burst` at once, `per_second` after that.
    #[must_use]
    pub fn new(name: &'static str, burst: f64, per_second: f64) -> Self {
        Self { name, burst, per_second, levels: Mutex::default() }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait for the next.
    pub fn take(&self, addr: ClientAddr, now: Instant) -> Result<(), Duration> {
        // A tool on this machine, or a reverse proxy that names nobody: a limit would hit everybody behind it.
        if addr.0.is_loopback() {
            return Ok(());
        }
        let key = network(addr.0);
        let mut levels = self.levels.lock();
        if levels.len() >= ADDRESSES_MAX && !levels.contains_key(&key) {
            let full_after = Duration::from_secs_f64(self.burst / self.per_second);
            levels.retain(|_, (_, at)| now.saturating_duration_since(*at) < full_after);
            if levels.len() >= ADDRESSES_MAX {
                metrics::counter!("lectern_http_limited_total", "reason" => "table_full").increment(1);
                return Err(Duration::from_secs(1));
            }
        }
        let (level, at) = levels.entry(key).or_insert((self.burst, now));
        let passed = now.saturating_duration_since(*at).as_secs_f64();
        *level = (*level + passed * self.per_second).min(self.burst);
        *at = now;
        if *level >= 1.0 {
            *level -= 1.0;
            return Ok(());
        }
        metrics::counter!("lectern_http_limited_total", "reason" => self.name).increment(1);
        Err(Duration::from_secs_f64((1.0 - *level) / self.per_second))
    }
}

/// One subscriber's network: providers hand out 64 bits of IPv6 to a customer.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::from([s[0], s[1], s[2], s[3], 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_and_others_do_not() {
        let limit = AddressLimit::new("test", 2.0, 1.0);
        let now = Instant::now();
        let addr = |text: &str| ClientAddr(text.parse().unwrap());
        assert!(limit.take(addr("192.0.2.1"), now).is_ok() && limit.take(addr("192.0.2.1"), now).is_ok());
        assert!(limit.take(addr("192.0.2.1"), now).is_err_and(|wait| wait <= Duration::from_secs(1)));
        assert!(limit.take(addr("192.0.2.2"), now).is_ok());
        assert!(limit.take(addr("192.0.2.1"), now + Duration::from_secs(1)).is_ok());
        assert!(limit.take(addr("2001:db8::1"), now).is_ok() && limit.take(addr("2001:db8::2"), now).is_ok());
        assert!(limit.take(addr("2001:db8::3"), now).is_err(), "one network of 64 bits is one customer");
        assert!((0..9).all(|_| limit.take(addr("127.0.0.1"), now).is_ok()), "this machine may");
    }
}
