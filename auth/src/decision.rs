//! The answer to "may they?", with the reason of a no: what the audit log writes down and the metrics count.
//!
//! Does not belong here: how it is decided ([`crate::rights`], [`crate::camera`]), which HTTP status it becomes.

use lectern_media::UnixMillis;
use std::time::Duration;

/// How long a second factor that was shown is good for: an exam day.
pub const SECOND_FACTOR_LASTS: Duration = Duration::from_secs(12 * 3600);

/// Whether a second factor shown at `shown` is still good. One from the future is not: the clock went back.
#[must_use]
pub fn second_factor_good(shown: Option<UnixMillis>, now: UnixMillis) -> bool {
    shown.is_some_and(|shown| shown <= now && now < shown.plus(SECOND_FACTOR_LASTS))
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Yes.
    Allowed,
    /// Yes, once this session has shown the account's second factor.
    NeedsSecondFactor,
    /// No.
    Denied(Denial),
}

impl Decision {
    pub(crate) fn allowed_once_shown(needed: bool, shown: Option<UnixMillis>, now: UnixMillis) -> Self {
        if needed && !second_factor_good(shown, now) { Self::NeedsSecondFactor } else { Self::Allowed }
    }

    /// Whether it is a plain yes.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self == Self::Allowed
    }

    /// Why not, as the audit log and the metric label `reason` say it; none for a yes.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Allowed => None,
            Self::NeedsSecondFactor => Some("second_factor"),
            Self::Denied(denial) => Some(denial.reason()),
        }
    }
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The place is not in the tree.
    #[error("there is no such place")]
    UnknownPlace,
    /// There is no such camera, or it is removed and shows nothing live.
    #[error("there is no such camera")]
    UnknownCamera,
    /// No role at the place or above allows it, and no rule does.
    #[error("no role and no rule allows it")]
    NoRole,
    /// A sealed-paper room: only its site's administrator, or whom a rule names.
    #[error("a sealed-paper room needs a rule, or the site's administrator")]
    SealedRoom,
    /// A rule forbids it now.
    #[error("a rule forbids it")]
    RuleForbids,
    /// A rule limits it to other hours.
    #[error("outside the hours that a rule allows")]
    OutsideHours,
    /// One of the separated administrators: they look at no picture.
    #[error("separated administrators look at no pictures")]
    SeparatedAdministrator,
    /// The action is not about a camera.
    #[error("not an action on a camera")]
    NotACameraAction,
}

impl Denial {
    /// The value of the metric label `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnknownPlace => "unknown_place",
            Self::UnknownCamera => "unknown_camera",
            Self::NoRole => "no_role",
            Self::SealedRoom => "sealed_room",
            Self::RuleForbids => "rule_forbids",
            Self::OutsideHours => "outside_hours",
            Self::SeparatedAdministrator => "separated_administrator",
            Self::NotACameraAction => "not_a_camera_action",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_factor_is_good_for_half_a_day() {
        let shown = UnixMillis(1_000);
        let end = shown.plus(SECOND_FACTOR_LASTS);
        for (at, good) in [(shown, true), (UnixMillis(end.0 - 1), true), (end, false), (UnixMillis(999), false)] {
            assert_eq!(second_factor_good(Some(shown), at), good, "{at:?}");
        }
        assert!(!second_factor_good(None, shown));
    }
}
