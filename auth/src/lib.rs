//! Who may do what, and how they prove who they are: the tree of places, rights at a place, passwords, tokens, sessions,
//! signed grants for media, and the brake on guessing.
//!
//! Belongs here: decisions that take `now` and facts and give back an answer. Does not belong here: where accounts are
//! kept (`lectern-library`), cookies and HTTP (`lectern-signaling`), any clock. Randomness comes from the operating
//! system, because a secret that can be repeated is none.

pub mod backoff;
pub mod grant;
pub mod password;
pub mod place;
pub mod redact;
pub mod rights;
pub mod session;
pub mod token;

pub use backoff::{Backoff, BackoffPolicy};
pub use grant::{Grant, GrantError, GrantRole, Keyring, Purpose};
pub use password::{PasswordFault, PasswordHash};
pub use place::{Level, PlaceNode, PlaceTree, TreeError};
pub use redact::{Redacted, Secret};
pub use rights::{Action, Object, Rights, Role, RoleAt};
pub use session::Session;
pub use token::{OneTimeToken, TokenHash, TokenPurpose, TokenText};
