//! Addresses that people type for the server to connect to: of cameras and of webhooks.
//!
//! Belongs here: taking them apart, passwords out of them, and refusing what would make this server speak to itself or to its machine's neighbours
//! on the link (server-side request forgery). A name is resolved where it is connected; that one checks the address again
//! ([`is_reserved`]).

use crate::error::{ApiError, ApiResult};
use lectern_auth::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};
use url::{Host, Url};

/// The longest address, in characters.
const URL_LEN_MAX: usize = 500;

/// What stands in an address in the place of the camera's password.
pub const MASK: &str = "***";

/// A camera's address without the passwords that stood in it.
#[derive(Debug, Clone)]
pub struct CameraUrl {
    /// `rtsp://host:port/path`; where a password stood in path or query (`?user=a&password=b`), [`MASK`].
    pub url: String,
    /// User and password that stood before the host.
    pub user_info: Option<(String, Option<Secret>)>,
    /// The password that stood in path or query.
    pub in_query: Option<Secret>,
}

impl CameraUrl {
    /// Whether the address needs the camera's password in it.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        passwords(&self.url).next().is_some()
    }
}

/// Takes a camera's address apart.
///
/// # Errors
/// What is wrong with it; `field` names where it was typed. The address itself is in no error: a password may stand in it.
pub fn camera_url(field: &str, typed: &str, allow_loopback: bool) -> ApiResult<CameraUrl> {
    let mut url = parse(field, typed, &["rtsp"])?;
    let user_info = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let password = url.password().filter(|p| !p.is_empty()).map(|p| Secret::new(decoded(p)));
        (decoded(url.username()), password)
    });
    // They can be set where there is a host, and there is one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    check_host(field, &url, allow_loopback, "patrol.allow_loopback")?;
    let url = url.to_string();
    let mut found = passwords(&url).map(|range| &url[range]).filter(|text| *text != MASK);
    let in_query = found.next().map(|text| Secret::new(decoded(text)));
    if in_query.as_ref().is_some_and(|first| found.any(|other| decoded(other) != first.expose())) {
        return Err(ApiError::field(field, "two different passwords stand in it"));
    }
    Ok(CameraUrl { url: with(&url, MASK), user_info, in_query })
}

/// What of a password is percent-encoded in an address: all but the unreserved characters of RFC 3986 §2.3 and those of path and
/// query (§3.3) that end no value. Cameras compare what comes with what was typed, and few decode it first.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// An address as the camera wants it: with its password where [`MASK`] stands. Never to be shown or logged.
#[must_use]
pub fn unmasked(url: &str, password: Option<&Secret>) -> String {
    let Some(password) = password else { return url.to_owned() };
    with(url, &percent_encoding::utf8_percent_encode(password.expose(), ENCODED).to_string())
}

/// The address with `text` in the place of each password.
fn with(url: &str, text: &str) -> String {
    let mut out = url.to_owned();
    let found: Vec<_> = passwords(url).collect();
    found.into_iter().rev().for_each(|range| out.replace_range(range, text));
    out
}

/// Names by which cameras ask for a password in their addresses.
const PASSWORD_NAMES: [&str; 6] = ["password", "passwd", "passwort", "pass", "pwd", "psw"];

/// Where passwords stand behind the host: `?user=a&password=b`, `/user=a&password=b&channel=1`, and with `_` between, as
/// `/user=a_password=b_channel=1.sdp`.
fn passwords(url: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let host = url.find("://").map_or(0, |at| at + 3);
    let start = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    let ends = |at: usize| url[at..].find(['&', '/', '?', ';', '#']).map_or(url.len(), |n| at + n);
    url[start..].match_indices('=').filter_map(move |(at, _)| {
        let at = start + at;
        let name_at = url[start..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map(|n| start + n)?;
        let name = url[name_at + 1..at].to_ascii_lowercase();
        let mut end = ends(at + 1);
        if url.as_bytes()[name_at] == b'_' {
            // The next name follows the last `_` before the next `=`, else the ending of a file.
            let value = &url[at + 1..end];
            let next = value.find('=').and_then(|eq| value[..eq].rfind('_')).or_else(|| value.rfind('.'));
            end = next.map_or(end, |n| at + 1 + n);
        }
        (PASSWORD_NAMES.contains(&name.as_str()) && end > at + 1).then_some(at + 1..end)
    })
}

/// Checks where a webhook is sent: `https`, and plain `http` to this machine only where that is allowed.
///
/// # Errors
/// What is wrong with it.
pub fn hook_url(field: &str, typed: &str, allow_loopback: bool) -> ApiResult<String> {
    let schemes: &[&str] = if allow_loopback { &["https", "http"] } else { &["https"] };
    let mut url = parse(field, typed, schemes)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ApiError::field(field, "user and password can't stand in it; calls are signed instead"));
    }
    url.set_fragment(None);
    if url.scheme() == "http" && !is_loopback_host(&url) {
        return Err(ApiError::field(field, "https only; plain http is for this machine"));
    }
    check_host(field, &url, allow_loopback, "patrol.allow_loopback")?;
    Ok(url.to_string())
}

fn parse(field: &str, typed: &str, schemes: &[&str]) -> ApiResult<Url> {
    let typed = typed.trim();
    if typed.chars().count() > URL_LEN_MAX {
        return Err(ApiError::field(field, "at most 500 characters"));
    }
    let url = Url::parse(typed).map_err(|e| ApiError::field(field, format!("not an address: {e}")))?;
    if !schemes.contains(&url.scheme()) {
        return Err(ApiError::field(field, format!("begins with {}://", schemes.join(":// or "))));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err(ApiError::field(field, "names no host")),
    }
}

fn check_host(field: &str, url: &Url, allow_loopback: bool, key: &str) -> ApiResult<()> {
    let refused = match ip_of(url) {
        Some(ip) => is_reserved(ip),
        None => is_loopback_host(url),
    };
    if refused && !allow_loopback {
        let why = format!("an address of this machine or of its link; the operator can allow it with {key} = true");
        return Err(ApiError::field(field, why));
    }
    Ok(())
}

/// The address that stands in the URL; none for a name. Schemes that the URL standard does not know keep their host as text.
fn ip_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        // `rtsp://2130706433/` and `rtsp://0x7f.1/` are 127.0.0.1 for the resolver, too.
        Host::Domain(name) => match Host::parse(name).ok()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        },
    }
}

fn is_loopback_host(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || ip_of(url).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether an address is this machine's own, its link's, or no single machine's (RFC 6890): nothing that a camera or a
/// webhook has.
#[must_use]
pub fn is_reserved(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            let embedded = embedded_v4(ip).is_some_and(|v4| is_reserved(v4.into()));
            ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() || embedded
        }
    }
}

/// The IPv4 address in an IPv4-compatible or NAT64 one (RFC 4291 §2.5.5.1, RFC 6052 §2.1).
fn embedded_v4(ip: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let s = ip.segments();
    let carries = s[..6] == [0; 6] || s[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let bytes = ((u32::from(s[6]) << 16) | u32::from(s[7])).to_be_bytes();
    carries.then(|| bytes.into())
}

/// How long names may take to be resolved, all together.
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);

/// The machines behind these addresses, each by every address that it is connected at: whatever way a host is written that
/// resolvers understand, and whatever name it goes by. None if one of them is not known now: then nothing can be said.
pub(crate) async fn machines(urls: &HashSet<&str>) -> Option<HashSet<IpAddr>> {
    let resolved = async {
        let (mut found, mut asked) = (HashSet::new(), HashSet::new());
        for url in urls {
            let url = Url::parse(url).ok()?;
            let host = url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase();
            if let Ok(ip) = host.parse::<IpAddr>() {
                found.insert(machine(ip));
                continue;
            }
            if !asked.insert(host.clone()) {
                continue;
            }
            // As ingest does when it connects; and numbers as the URL standard reads them, which resolvers need not agree with.
            let resolved = tokio::net::lookup_host((host.as_str(), 0)).await.ok().into_iter().flatten();
            let ips: Vec<IpAddr> = resolved.map(|at| at.ip()).chain(ip_of(&url)).collect();
            if ips.is_empty() {
                return None;
            }
            found.extend(ips.into_iter().map(machine));
        }
        Some(found)
    };
    tokio::time::timeout(RESOLVE_WITHIN, resolved).await.ok().flatten()
}

/// One address for each machine: an IPv4 address that stands in an IPv6 one is that machine's.
fn machine(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_taken_out() {
        let url = camera_url("main_url", " rtsp://ad%40min:p%3Ass@10.1.2.3:8554/a?b=1#c ", false).unwrap();
        assert_eq!(url.url, "rtsp://10.1.2.3:8554/a?b=1");
        let (user, password) = url.user_info.clone().unwrap();
        assert_eq!((user.as_str(), password.unwrap().expose()), ("ad@min", "p:ss"));
        assert!(!format!("{url:?}").contains("p:ss"));
        assert!(camera_url("main_url", "rtsp://10.1.2.3/a", false).unwrap().user_info.is_none());
    }

    #[test]
    fn passwords_in_path_and_query_are_masked_and_come_back() {
        // (typed, kept, password)
        for (typed, kept, password) in [
            ("rtsp://10.1.2.3/a?user=u&password=p%26q", "rtsp://10.1.2.3/a?user=u&password=***", "p&q"),
            ("rtsp://10.1.2.3/user=u&PWD=geheim&channel=1", "rtsp://10.1.2.3/user=u&PWD=***&channel=1", "geheim"),
            (
                "rtsp://10.1.2.3/user=u_password=a_b_channel=1.sdp",
                "rtsp://10.1.2.3/user=u_password=***_channel=1.sdp",
                "a_b",
            ),
            ("rtsp://10.1.2.3/user=u_password=ab.sdp", "rtsp://10.1.2.3/user=u_password=***.sdp", "ab"),
            ("rtsp://10.1.2.3?pass=x", "rtsp://10.1.2.3?pass=***", "x"),
            ("rtsp://10.1.2.3/a;passwd=x/b", "rtsp://10.1.2.3/a;passwd=***/b", "x"),
        ] {
            let url = camera_url("main_url", typed, false).unwrap();
            assert_eq!((url.url.as_str(), url.is_masked()), (kept, true), "{typed}");
            let secret = url.in_query.clone().unwrap();
            assert_eq!(secret.expose(), password, "{typed}");
            assert!(!format!("{url:?}").contains(password) || password.len() < 3, "{typed}");
            // What is kept is typed again when a form is sent, and becomes what it was.
            let again = camera_url("main_url", kept, false).unwrap();
            assert!(again.url == kept && again.in_query.is_none());
            let back = camera_url("main_url", &unmasked(kept, Some(&secret)), false).unwrap();
            assert_eq!(back.in_query.unwrap().expose(), password, "{typed}");
        }
        // Cameras compare the address as text: what was typed is what they get.
        for typed in [
            "rtsp://10.1.2.3/user=u_password=a_b_channel=1.sdp",
            "rtsp://10.1.2.3/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream",
            "rtsp://10.1.2.3/live?user=admin&pwd=a-b.c!",
            "rtsp://10.1.2.3/user=u&password=A~b*(c)$d,e+f:g@h'i&channel=1",
            "rtsp://10.1.2.3/a?password=a=b==&c=1",
            "rtsp://10.1.2.3/a?password=p%26q%2Fr%25s%20t%E7%A0%81",
        ] {
            let CameraUrl { url, in_query, .. } = camera_url("main_url", typed, false).unwrap();
            assert!(url.contains(MASK), "{url}");
            assert_eq!(unmasked(&url, in_query.as_ref()), typed);
        }
        for plain in ["rtsp://10.1.2.3/a?b=1&bypass=2&password=", "rtsp://10.1.2.3/password", "rtsp://10.1.2.3/a=b"] {
            let url = camera_url("main_url", plain, false).unwrap();
            assert!(url.url == plain && !url.is_masked() && unmasked(plain, Some(&Secret::new("x".into()))) == plain);
        }
        assert!(camera_url("main_url", "rtsp://10.1.2.3/a?pwd=a&password=b", false).is_err(), "which one?");
    }

    #[tokio::test]
    async fn a_machine_is_one_by_whatever_name() {
        let of = async |host: &str| machines(&HashSet::from([format!("rtsp://{host}/a").as_str()])).await;
        let one = of("10.1.1.1").await.unwrap();
        assert_eq!(one.len(), 1);
        for same in [
            "10.1.1.1.",
            "10.1.257",
            "0xa010101",
            "167837953",
            "012.1.1.1",
            "[::ffff:10.1.1.1]",
            "[64:ff9b::10.1.1.1]",
            "[::ffff:a01:101]:8554",
        ] {
            assert_eq!(of(same).await.as_ref(), Some(&one), "{same}");
        }
        assert!(of("10.1.1.2").await.unwrap().is_disjoint(&one));
        let here = of("127.0.0.1").await.unwrap();
        for name in ["localhost", "LocalHost"] {
            assert!(!of(name).await.unwrap().is_disjoint(&here), "{name}: a name has the address of its machine");
        }
        // RFC 6761 §6.4: nobody has this name.
        assert_eq!(of("recorder.invalid").await, None);
        let both = HashSet::from(["rtsp://10.1.1.1/a", "rtsp://recorder.invalid/a"]);
        assert_eq!(machines(&both).await, None, "one that is not known may be any");
    }

    #[test]
    fn only_cameras_are_connected() {
        for (typed, ok) in [
            ("rtsp://cam1.example/a", true),
            ("rtsp://192.168.1.2/a", true),
            ("rtsp://[fd00::1]:554/a", true),
            ("http://192.168.1.2/a", false),
            ("file:///etc/passwd", false),
            ("rtsp:///a", false),
            ("rtsp:a", false),
            ("camera", false),
            ("rtsp://127.0.0.1/a", false),
            ("rtsp://127.9.9.9/a", false),
            ("rtsp://2130706433/a", false),
            ("rtsp://0x7f.1/a", false),
            ("rtsp://0177.0.0.1/a", false),
            ("rtsp://localhost/a", false),
            ("rtsp://x.localhost./a", false),
            ("rtsp://[::1]/a", false),
            ("rtsp://[::ffff:127.0.0.1]/a", false),
            ("rtsp://[64:ff9b::127.0.0.1]/a", false),
            ("rtsp://169.254.169.254/a", false),
            ("rtsp://[fe80::1]/a", false),
            ("rtsp://0.0.0.0/a", false),
            ("rtsp://239.1.1.1/a", false),
        ] {
            assert_eq!(camera_url("main_url", typed, false).is_ok(), ok, "{typed}");
        }
        assert!(camera_url("main_url", "rtsp://127.0.0.1:8554/a", true).is_ok(), "demo and tests");
        let error = camera_url("main_url", "rtsp://u:secret@127.0.0.1/a", false).unwrap_err();
        assert!(!error.to_string().contains("secret") && error.to_string().contains("patrol.allow_loopback"));
    }

    #[test]
    fn webhooks_go_out_over_https() {
        for (typed, loopback, ok) in [
            ("https://alarm.example/x", false, true),
            ("http://alarm.example/x", false, false),
            ("http://alarm.example/x", true, false),
            ("http://127.0.0.1:9/x", true, true),
            ("https://127.0.0.1:9/x", false, false),
            ("https://u:p@alarm.example/x", false, false),
        ] {
            assert_eq!(hook_url("url", typed, loopback).is_ok(), ok, "{typed} {loopback}");
        }
    }
}
