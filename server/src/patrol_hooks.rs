//! Calls of webhooks: HTTP to others, to the address that was checked and no other.

use async_trait::async_trait;
use lectern_signaling::patrol::{ports::Deliveries, target::is_reserved};
use std::{net::SocketAddr, time::Duration};

/// Bytes of an answer that are read: nobody looks at them.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Webhooks over HTTP.
pub struct Hooks {
    /// Whether addresses of this machine are allowed.
    pub allow_loopback: bool,
}

#[async_trait]
impl Deliveries for Hooks {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), String> {
        let url = reqwest::Url::parse(url).map_err(|_| "not an address".to_owned())?;
        let host = url.host_str().ok_or("no host")?.to_owned();
        let port = url.port_or_known_default().ok_or("no port")?;
        // Resolved here, checked, and pinned: a name that changes its mind between check and connection leads nowhere.
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host.trim_matches(['[', ']']), port))
            .await
            .map_err(|_| "the name is not known".to_owned())?
            .filter(|a| self.allow_loopback || !is_reserved(a.ip()))
            .collect();
        if found.is_empty() {
            return Err("the address is this machine's or its link's".into());
        }
        let client = reqwest::Client::builder()
            .resolve_to_addrs(&host, &found)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .build()
            .map_err(|e| e.without_url().to_string())?;
        let mut request = client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.map_err(|e| e.without_url().to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("answered {}", status.as_u16())) }
    }
}
