//! What to pull and with which bounds. Passwords live in [`Secret`] only; a URL here never carries one.

use lectern_media::{Bitrate, CameraId};
use std::{fmt, net::IpAddr, time::Duration};
use url::Url;
use zeroize::Zeroizing;

/// A password: wiped when dropped, never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How RTP comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Interleaved in the RTSP connection (RFC 2326 §10.12): nothing is lost, a stall delays.
    #[default]
    Tcp,
    /// In datagrams: no stalls, what is lost is lost.
    Udp,
}

/// One camera.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraConfig {
    /// Which camera.
    pub id: CameraId,
    /// Its name, for logs.
    pub name: String,
    /// `rtsp://host[:port]/path` of the main stream. User and password in it are taken out before use.
    pub main_url: String,
    /// The same of the substream, if it has one.
    pub sub_url: Option<String>,
    /// How RTP is asked for, of both streams.
    pub transport: Transport,
    /// The user; empty if the camera asks for none.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// What the picture of the main stream may have. More than 1.5 times of it for 2 s is refused and counted.
    pub bitrate_max: Bitrate,
    /// What the substream may have, with the same allowance.
    pub sub_bitrate_max: Bitrate,
}

impl CameraConfig {
    /// A usual bound of a substream.
    pub const SUB_BITRATE_MAX: Bitrate = Bitrate::kbps(2_000);

    /// Whether the same is pulled in the same way: a name or a bound can change without a gap.
    pub(crate) fn pulls_like(&self, other: &Self) -> bool {
        let what = |c: &Self| (c.id, c.main_url.clone(), c.sub_url.clone(), c.transport, c.username.clone());
        what(self) == what(other) && self.password == other.password
    }

    /// The same with user and password taken out of the URLs; those of the configuration itself go first.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let mut found = None;
        for url in [Some(&mut self.main_url), self.sub_url.as_mut()].into_iter().flatten() {
            let (clean, credentials) = split_credentials(url);
            *url = clean;
            found = found.or(credentials);
        }
        if let Some((username, password)) = found
            && self.username.is_empty()
        {
            self.username = username;
            self.password = password;
        }
        self
    }
}

impl fmt::Debug for CameraConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CameraConfig")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("main_url", &host_of(&self.main_url))
            .field("sub_url", &self.sub_url.as_deref().map(host_of))
            .field("transport", &self.transport)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("bitrate_max", &self.bitrate_max)
            .field("sub_bitrate_max", &self.sub_bitrate_max)
            .finish()
    }
}

/// Scheme and host of a URL: in path and query of some cameras' addresses a password stands.
fn host_of(url: &str) -> String {
    let clean = split_credentials(url).0;
    let start = clean.find("://").map_or(0, |at| at + 3);
    let end = clean[start..].find(['/', '?', '#']).map_or(clean.len(), |at| start + at);
    clean[..end].to_owned()
}

/// Takes user and password out of a URL: the URL without them, and them, percent-decoded. What is no URL but has something
/// before an `@` loses that as well, so that no text that came through here carries a password.
#[must_use]
pub fn split_credentials(url: &str) -> (String, Option<(String, Secret)>) {
    if let Ok(mut parsed) = Url::parse(url) {
        if parsed.username().is_empty() && parsed.password().is_none() {
            return (url.to_owned(), None);
        }
        let decoded = |text: &str| percent_decode(text);
        let username = decoded(parsed.username());
        let password = Secret::new(parsed.password().map(decoded).unwrap_or_default());
        // Only URLs without a host refuse this, and those have no user either.
        if parsed.set_username("").is_ok() && parsed.set_password(None).is_ok() {
            return (parsed.into(), Some((username, password)));
        }
    }
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => (format!("{}{}", &url[..start], &url[start + at + 1..]), None),
        None => (url.to_owned(), None),
    }
}

/// Percent-encoding undone (RFC 3986 §2.1); what is not well-formed stays as it is.
fn percent_decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let hex = (first == b'%').then(|| tail.get(..2)).flatten();
        match hex.and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Says whether a camera may have an address. Asked at each connection, of each address that its host has then.
pub type AddressRule = fn(IpAddr) -> bool;

/// Bounds and waits of the whole ingest.
#[derive(Debug, Clone)]
pub struct IngestConfig {
    /// Which addresses are connected to; all by default, as what is reserved is the operator's to say.
    pub address_allowed: AddressRule,
    /// The most connections begun a second over all cameras, so that a restart is no storm.
    pub connects_per_second: u32,
    /// How long a connection and each answer may take.
    pub answer_within: Duration,
    /// After so long without a packet a stream is silent.
    pub silent_after: Duration,
    /// After so long without a packet the session is begun anew: some cameras come back only then.
    pub renew_after: Duration,
    /// How often an absence that lasts is told to the archive again.
    pub repeat_absence_every: Duration,
    /// How often figures are told to who listens to changes.
    pub figures_every: Duration,
    /// Where the jitter of reconnects comes from; each camera mixes in its id.
    pub seed: u64,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            address_allowed: |_| true,
            connects_per_second: 20,
            answer_within: Duration::from_secs(5),
            silent_after: Duration::from_secs(2),
            renew_after: Duration::from_secs(10),
            repeat_absence_every: Duration::from_secs(5),
            figures_every: Duration::from_secs(5),
            seed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::CameraId;

    #[test]
    fn credentials_leave_the_url() {
        // (given, left, user, password)
        for (given, left, user, password) in [
            ("rtsp://admin:p%40ss%2Fw@10.0.0.1:554/a?b=1", "rtsp://10.0.0.1:554/a?b=1", Some("admin"), "p@ss/w"),
            ("rtsp://admin@10.0.0.1/", "rtsp://10.0.0.1/", Some("admin"), ""),
            ("rtsp://10.0.0.1/a@b", "rtsp://10.0.0.1/a@b", None, ""),
            ("rtsp://a:b@[::1", "rtsp://[::1", None, ""),
            ("not a url user:pass@host/x", "host/x", None, ""),
        ] {
            let (url, credentials) = split_credentials(given);
            assert_eq!(url, left, "{given}");
            assert_eq!(credentials.as_ref().map(|c| c.0.as_str()), user, "{given}");
            assert_eq!(credentials.map(|c| c.1.expose().to_owned()).unwrap_or_default(), password, "{given}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let config = CameraConfig {
            id: CameraId::generate(),
            name: "gate".to_owned(),
            main_url: "rtsp://u:hunter2@h/1?password=hunter2".to_owned(),
            sub_url: Some("rtsp://u:hunter2@h/2".to_owned()),
            transport: Transport::Tcp,
            username: "u".to_owned(),
            password: "hunter2".into(),
            bitrate_max: Bitrate::kbps(8_000),
            sub_bitrate_max: CameraConfig::SUB_BITRATE_MAX,
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        let clean = config.normalised();
        assert!(!format!("{clean:?}{:?}", clean.sub_url).contains("hunter2"));
        assert_eq!(clean.main_url, "rtsp://h/1?password=hunter2", "the camera wants it so");
        assert_eq!(clean.password.expose(), "hunter2");
    }
}
