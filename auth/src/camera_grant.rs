//! Signed tokens for the media of one camera: one action, one range, at most a minute, bound to the session that asked.
//! Part of a path, so that `<video>` and downloads carry it; copied to another browser it is worth nothing, because that
//! browser's cookie has another hash.
//!
//! Wire form: `c1.` and then as [`crate::grant`]. Verification needs no store; it is taken back by its end and by asking
//! [`crate::camera::may_look`] again before the next one. Does not belong here: who gets one.

use crate::{
    grant::{GrantError, Keyring},
    rights::Action,
    token::TokenHash,
};
use lectern_media::{AccountId, CameraId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use ulid::Ulid;

/// The longest that a token lives.
pub const CAMERA_GRANT_LIFE_MAX: Duration = Duration::from_secs(60);

const PREFIX: &str = "c1.";

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraGrant {
    /// The camera.
    #[serde(rename = "c")]
    pub camera: CameraId,
    /// What may be done with it.
    #[serde(rename = "d")]
    pub action: Action,
    /// The stretch of its recording; none for what is live.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    pub range: Option<(UnixMillis, UnixMillis)>,
    /// A job whose result may be fetched (an export).
    #[serde(rename = "j", skip_serializing_if = "Option::is_none", default)]
    pub job: Option<Ulid>,
    /// Whose.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// Hash of the session's token.
    #[serde(rename = "s")]
    pub session: TokenHash,
    /// Until when.
    #[serde(rename = "e")]
    pub expires: UnixMillis,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CameraGrantError {
    /// Form, signature or end.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// It would live longer than any may.
    #[error("the grant lives longer than a minute")]
    TooLong,
    /// Another session's.
    #[error("the grant belongs to another session")]
    WrongSession,
    /// For another camera.
    #[error("the grant is for another camera")]
    WrongCamera,
    /// For something else.
    #[error("the grant is for another action")]
    WrongAction,
    /// For another part of the recording.
    #[error("the grant is for another stretch of the recording")]
    WrongRange,
}

impl CameraGrantError {
    /// The value of the metric label `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Grant(error) => error.reason(),
            Self::TooLong => "too_long",
            Self::WrongSession => "wrong_session",
            Self::WrongCamera => "wrong_camera",
            Self::WrongAction => "wrong_action",
            Self::WrongRange => "wrong_range",
        }
    }
}

impl CameraGrant {
    /// Whether the media between these moments is within the token's range.
    ///
    /// # Errors
    /// [`CameraGrantError::WrongRange`].
    pub fn check_range(&self, from: UnixMillis, to: UnixMillis) -> Result<(), CameraGrantError> {
        match self.range {
            Some((first, end)) if first <= from && from <= to && to <= end => Ok(()),
            _ => Err(CameraGrantError::WrongRange),
        }
    }

    /// Whether the token is for this camera.
    ///
    /// # Errors
    /// [`CameraGrantError::WrongCamera`].
    pub fn check_camera(&self, camera: CameraId) -> Result<(), CameraGrantError> {
        if self.camera == camera { Ok(()) } else { Err(CameraGrantError::WrongCamera) }
    }
}

impl Keyring {
    /// Signs a token; its end is set to at most a minute from now.
    #[must_use]
    pub fn sign_camera(&self, mut grant: CameraGrant, now: UnixMillis) -> String {
        grant.expires = grant.expires.min(now.plus(CAMERA_GRANT_LIFE_MAX));
        self.sign_as(PREFIX, &grant)
    }

    /// Checks form, signature, end, session and action. The camera is in the answer ([`CameraGrant::check_camera`]).
    ///
    /// # Errors
    /// The first thing that is wrong; nothing of the content is looked at before the signature fits.
    pub fn verify_camera(
        &self,
        text: &str,
        action: Action,
        session: TokenHash,
        now: UnixMillis,
    ) -> Result<CameraGrant, CameraGrantError> {
        let grant: CameraGrant = self.verify_as(PREFIX, text)?;
        if now >= grant.expires {
            return Err(GrantError::Expired.into());
        }
        // Also when the clock went back.
        if grant.expires > now.plus(CAMERA_GRANT_LIFE_MAX) {
            return Err(CameraGrantError::TooLong);
        }
        if grant.session != session {
            return Err(CameraGrantError::WrongSession);
        }
        if grant.action != action {
            return Err(CameraGrantError::WrongAction);
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{grant::Purpose, token::TokenText};
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn grant() -> CameraGrant {
        CameraGrant {
            camera: CameraId::generate(),
            action: Action::PlayCamera,
            range: Some((UnixMillis(1_000), UnixMillis(9_000))),
            job: None,
            account: AccountId::generate(),
            session: TokenText::generate().hash(),
            expires: NOW.plus(CAMERA_GRANT_LIFE_MAX),
        }
    }

    #[test]
    fn a_token_is_good_for_its_session_its_action_its_range_and_a_minute() {
        let keys = Keyring::generate();
        let g = grant();
        let text = keys.sign_camera(g.clone(), NOW);
        let play = |session, now| keys.verify_camera(&text, Action::PlayCamera, session, now);
        assert_eq!(play(g.session, NOW), Ok(g.clone()));
        assert_eq!(play(g.session, g.expires), Err(GrantError::Expired.into()));
        assert_eq!(play(TokenText::generate().hash(), NOW), Err(CameraGrantError::WrongSession));
        let export = keys.verify_camera(&text, Action::ExportCamera, g.session, NOW);
        assert_eq!(export, Err(CameraGrantError::WrongAction));
        assert_eq!(g.check_camera(CameraId::generate()), Err(CameraGrantError::WrongCamera));
        for (from, to, good) in [
            (1_000, 9_000, true),
            (2_000, 2_000, true),
            (999, 2_000, false),
            (8_000, 9_001, false),
            (5_000, 4_000, false),
        ] {
            assert_eq!(g.check_range(UnixMillis(from), UnixMillis(to)).is_ok(), good, "{from} to {to}");
        }
        assert!(
            CameraGrant { range: None, ..g }.check_range(UnixMillis(1), UnixMillis(2)).is_err(),
            "live is no recording"
        );
    }

    #[test]
    fn none_lives_longer_than_a_minute() {
        let keys = Keyring::generate();
        let long = CameraGrant { expires: NOW.plus(Duration::from_secs(3_600)), ..grant() };
        let text = keys.sign_camera(long.clone(), NOW);
        let read = keys.verify_camera(&text, Action::PlayCamera, long.session, NOW).unwrap();
        assert_eq!(read.expires, NOW.plus(CAMERA_GRANT_LIFE_MAX));
        let forged = keys.sign_as(PREFIX, &long);
        let read = keys.verify_camera(&forged, Action::PlayCamera, long.session, NOW);
        assert_eq!(read, Err(CameraGrantError::TooLong));
    }

    #[test]
    fn one_kind_of_grant_is_never_taken_for_the_other() {
        let keys = Keyring::parse(&format!("c1 {}", "ab".repeat(32))).unwrap();
        let g = grant();
        let camera = keys.sign_camera(g.clone(), NOW);
        for purpose in [Purpose::Join, Purpose::Resume, Purpose::Whip, Purpose::Whep] {
            assert!(keys.verify(&camera, purpose, NOW).is_err());
        }
        let unprefixed = keys.sign_as("", &g);
        assert!(keys.verify_camera(&unprefixed, Action::PlayCamera, g.session, NOW).is_err());
        assert!(keys.verify_camera(&format!("c1.{unprefixed}"), Action::PlayCamera, g.session, NOW).is_err());
    }

    proptest! {
        #[test]
        fn no_changed_token_is_accepted(at in 0_usize..400, with in 33_u8..127) {
            let keys = Keyring::generate();
            let g = grant();
            let mut bytes = keys.sign_camera(g.clone(), NOW).into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(keys.verify_camera(&text, Action::PlayCamera, g.session, NOW).is_err(), "{text}");
        }
    }
}
