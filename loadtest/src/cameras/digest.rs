//! Digest authentication as cameras do it: MD5 (RFC 2617 §3.2, RFC 7616 §3.4), with or without `qop`.

use md5::{Digest as _, Md5};

/// The realm of all cameras.
pub const REALM: &str = "lectern camera";

/// Who may see the pictures.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login of {}", self.user)
    }
}

impl Login {
    /// Whether the value of an `Authorization` header proves it, for a request of `method` answered under `nonce`.
    #[must_use]
    pub fn proves(&self, header: &str, method: &str, nonce: &str) -> bool {
        let Some(words) = header.strip_prefix("Digest ") else { return false };
        let word = |name| value(words, name);
        if word("username").as_deref() != Some(&self.user)
            || word("realm").as_deref() != Some(REALM)
            || word("nonce").as_deref() != Some(nonce)
        {
            return false;
        }
        let (Some(uri), Some(response)) = (word("uri"), word("response")) else { return false };
        let a1 = hash(&format!("{}:{REALM}:{}", self.user, self.password));
        let a2 = hash(&format!("{method}:{uri}"));
        let want = match (word("qop"), word("nc"), word("cnonce")) {
            (Some(qop), Some(nc), Some(cnonce)) => hash(&format!("{a1}:{nonce}:{nc}:{cnonce}:{qop}:{a2}")),
            _ => hash(&format!("{a1}:{nonce}:{a2}")),
        };
        response.eq_ignore_ascii_case(&want)
    }
}

impl Login {
    /// The value of an `Authorization` header that proves it, without `qop`.
    #[must_use]
    pub fn proof(&self, method: &str, uri: &str, nonce: &str) -> String {
        let a1 = hash(&format!("{}:{REALM}:{}", self.user, self.password));
        let a2 = hash(&format!("{method}:{uri}"));
        let response = hash(&format!("{a1}:{nonce}:{a2}"));
        format!(
            "Digest username=\"{}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"",
            self.user
        )
    }
}

/// The value of a `WWW-Authenticate` header.
#[must_use]
pub fn challenge(nonce: &str) -> String {
    format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5")
}

fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// The value of `name` in a list like `a="x, y", b=z`.
fn value(mut list: &str, name: &str) -> Option<String> {
    loop {
        let (key, rest) = list.split_once('=')?;
        let (found, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found.trim().to_owned());
        }
        list = rest.trim_start().strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let list = r#"username="a, b", qop=auth, nc=00000001,uri="rtsp://x/?a=b""#;
        for (name, want) in [("username", "a, b"), ("qop", "auth"), ("nc", "00000001"), ("uri", "rtsp://x/?a=b")] {
            assert_eq!(value(list, name).as_deref(), Some(want));
        }
        assert_eq!(value(list, "nonce"), None);
        assert_eq!(value("username=\"open", "username"), None);
    }

    #[test]
    fn only_the_password_proves() {
        let login = Login { user: "exam".to_owned(), password: "s3cret".to_owned() };
        let a1 = hash(&format!("exam:{REALM}:s3cret"));
        let a2 = hash("DESCRIBE:rtsp://c/");
        let plain = hash(&format!("{a1}:n1:{a2}"));
        let header = |r: &str| {
            format!(r#"Digest username="exam", realm="{REALM}", nonce="n1", uri="rtsp://c/", response="{r}""#)
        };
        assert!(login.proves(&header(&plain), "DESCRIBE", "n1"));
        assert!(login.proves(&login.proof("DESCRIBE", "rtsp://c/", "n1"), "DESCRIBE", "n1"));
        assert!(!login.proves(&header(&plain), "SETUP", "n1"), "for another method");
        assert!(!login.proves(&header(&plain), "DESCRIBE", "n2"), "under another nonce");
        let with_qop = hash(&format!("{a1}:n1:00000001:xyz:auth:{a2}"));
        let header = format!("{}, qop=auth, nc=00000001, cnonce=\"xyz\"", header(&with_qop));
        assert!(login.proves(&header, "DESCRIBE", "n1"));
        let other = Login { password: "other".to_owned(), ..login };
        assert!(!other.proves(&header, "DESCRIBE", "n1"));
        assert!(!other.proves("Basic abc", "DESCRIBE", "n1"));
        assert_eq!(format!("{other:?}"), "Login of exam");
    }

    #[test]
    fn the_hash_is_that_of_rfc_1321() {
        assert_eq!(hash("abc"), "900150983cd24fb0d6963f7d28e17f72");
    }
}
