//! Who may do what, and how they prove who they are: the tree of places, rights at a place, passwords, tokens, sessions,
//! second factors, signed grants for media, who may look through which camera, secrets at rest, and the brake on guessing.
//!
//! Belongs here: decisions that take `now` and facts and give back an answer. Does not belong here: where accounts are
//! kept (`lectern-library`), cookies and HTTP (`lectern-signaling`), any clock. Randomness comes from the operating
//! system, because a secret that can be repeated is none.

pub mod backoff;
pub mod camera;
pub mod camera_grant;
pub mod decision;
pub mod fuzz;
pub mod grant;
pub mod password;
pub mod place;
pub mod redact;
pub mod rights;
pub mod seal;
pub mod second_factor;
pub mod session;
pub mod token;
pub mod totp;
pub mod webauthn;

pub use backoff::{Backoff, BackoffPolicy};
pub use camera::{CameraGroup, CameraObject, CameraRule, Looker, RuleEffect, RuleScope, Window, may_look};
pub use camera_grant::{CAMERA_GRANT_LIFE_MAX, CameraGrant, CameraGrantError};
pub use decision::{Decision, Denial, SECOND_FACTOR_LASTS, second_factor_good};
pub use grant::{Grant, GrantError, GrantRole, Keyring, Purpose};
pub use password::{PasswordFault, PasswordHash};
pub use place::{Level, PlaceNode, PlaceTree, TreeError};
pub use redact::{Redacted, Secret};
pub use rights::{Action, Object, Rights, Role, RoleAt, roles_clash};
pub use seal::{SealError, Sealed, SealedFor, SealingKeys};
pub use second_factor::{FactorError, KeyRequest, SecondFactors, SecurityKey, Shown, TotpSetup};
pub use session::Session;
pub use token::{OneTimeToken, TokenHash, TokenPurpose, TokenText};
pub use webauthn::{KeyAnswer, RelyingParty, WebAuthnError};
