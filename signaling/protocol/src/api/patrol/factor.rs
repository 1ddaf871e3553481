//! The second factor, and the separation of administrators.

use lectern_media::UnixMillis;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

body! {
    /// What of a second factor an account has.
    pub struct FactorState {
        /// A code from an app is set up.
        pub totp: bool,
        /// Names of security keys.
        pub keys: Vec<String>,
        /// Recovery codes left.
        pub recovery_left: u8,
        /// Until when this session need not show it again; none: it has not.
        pub shown_until: Option<UnixMillis>,
        /// Whether the account's roles need one.
        pub needed: bool,
    }
}

secret_body! {
    /// A new secret for an app, to be confirmed with a first code.
    pub struct TotpSetup {
        /// Base 32.
        pub secret: String,
        /// `otpauth://totp/…` (Key Uri Format), for a QR code.
        pub uri: String,
        /// The QR code as SVG.
        pub qr_svg: String,
    }
}

secret_body! {
    /// A code: six digits of the app, or a recovery code.
    pub struct FactorCode {
        /// The code.
        pub code: String,
    }
}

secret_body! {
    /// Recovery codes, told once.
    pub struct RecoveryCodes {
        /// Ten of them.
        pub codes: Vec<String>,
    }
}

body! {
    /// Options for `navigator.credentials.create` or `.get` (W3C WebAuthn L2), binary values as base64url.
    pub struct WebAuthnOptions {
        /// The JSON of `publicKey`.
        pub public_key: String,
        /// What to send back with the answer.
        pub state: String,
    }
}

body! {
    /// The answer of an authenticator.
    pub struct WebAuthnAnswer {
        /// From [`WebAuthnOptions`].
        pub state: String,
        /// Name of the key, when it is set up, 1 to 40 characters.
        pub name: Option<String>,
        /// Credential id, base64url.
        pub id: String,
        /// clientDataJSON, base64url.
        pub client_data: String,
        /// attestationObject (set up) or authenticatorData (sign in), base64url.
        pub data: String,
        /// Signature, base64url; empty when it is set up.
        pub signature: String,
    }
}

body! {
    /// Turns on the separation of system, security and audit administrators (三员分立). The account that asks hands over
    /// and ends.
    pub struct SeparateAdministrators {
        /// Log-in name of the system administrator.
        pub system: String,
        /// … of the security administrator.
        pub security: String,
        /// … of the audit administrator.
        pub audit: String,
    }
}

body! {
    /// Whether system, security and audit administrators are separated.
    pub struct Separation {
        /// Whether they are.
        pub on: bool,
        /// Since when it is as it is.
        pub since: Option<UnixMillis>,
        /// Who asked for its end, by name; the other of system and security administrator has to agree.
        pub end_asked_by: Option<String>,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<FactorState>();
    v.visit::<TotpSetup>();
    v.visit::<FactorCode>();
    v.visit::<RecoveryCodes>();
    v.visit::<WebAuthnOptions>();
    v.visit::<WebAuthnAnswer>();
    v.visit::<SeparateAdministrators>();
    v.visit::<Separation>();
}
