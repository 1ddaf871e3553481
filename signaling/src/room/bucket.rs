//! A token bucket: so many at once, so many a second after that.

use std::time::Duration;

/// How much a bucket allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// At once.
    pub burst: f64,
    /// After that.
    pub per_second: f64,
}

impl Rate {
    /// Frames of one socket, before anybody looks into them: twice what a room takes of a person, so that a page that breaks
    /// the room's limit is told so by the room.
    pub const SOCKET: Self = Self { burst: 400.0, per_second: 40.0 };
    /// Any message. Scrolling through a wall of tiles makes the most.
    pub const MESSAGE: Self = Self { burst: 200.0, per_second: 20.0 };
    /// Chat.
    pub const CHAT: Self = Self { burst: 6.0, per_second: 1.0 };
    /// Questions.
    pub const ASK: Self = Self { burst: 3.0, per_second: 0.1 };
    /// Hands, votes, mutes.
    pub const GESTURE: Self = Self { burst: 20.0, per_second: 2.0 };
    /// Offers: each costs the media plane a handshake.
    pub const OFFER: Self = Self { burst: 12.0, per_second: 0.5 };
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    rate: Rate,
    level: f64,
    at: Duration,
}

impl Bucket {
    pub fn full(rate: Rate, now: Duration) -> Self {
        Self { rate, level: rate.burst, at: now }
    }

    /// Takes one; `false` if there is none.
    pub fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.rate.per_second).min(self.rate.burst);
        let enough = self.level >= 1.0;
        if enough {
            self.level -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let at = Duration::from_secs_f64;
        let mut bucket = Bucket::full(Rate { burst: 2.0, per_second: 1.0 }, at(10.0));
        for (now, want) in [
            (10.0, true),
            (10.0, true),
            (10.0, false),
            (10.5, false),
            (11.1, true),
            (11.2, false),
            (5.0, false),
            (99.0, true),
        ] {
            assert_eq!(bucket.take(at(now)), want, "at {now} s");
        }
    }
}
