//! Wrappers that keep names of people and secrets out of logs.
//!
//! Belongs here: the two wrappers and the proof that they hide. Does not belong here: deciding what is a secret.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// A person's name, an address, anything personal: may be stored and sent, never logged. `Debug` and `Display` show
/// only that something is there.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A secret text (password, token, key): wiped when dropped, not comparable, not serialisable, never logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. The name is long on purpose: each use is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_names_nor_secrets_reach_a_log() {
        #[derive(Debug)]
        #[expect(dead_code, reason = "only its Debug form is of interest")]
        struct Record {
            name: Redacted<String>,
            password: Secret,
        }
        let record = Record { name: Redacted("王芳".into()), password: Secret::new("correct horse".into()) };
        let log = format!("{record:?} {record:#?} {}", record.name);
        assert!(!log.contains('王') && !log.contains("correct"), "{log}");
        assert!(log.contains("[redacted]") && log.contains("[secret]"), "{log}");
    }

    #[test]
    fn a_redacted_name_still_serialises_as_itself() {
        assert_eq!(serde_json::to_string(&Redacted("王芳")).unwrap(), "\"王芳\"");
    }
}
