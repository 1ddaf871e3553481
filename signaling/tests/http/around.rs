//! What surrounds every request: whose it is, what browsers are told to insist on, who may read the metrics.

use crate::world::{Answer, World};
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use lectern_base::Network;
use lectern_signaling::app::Settings;
use std::net::SocketAddr;

/// A request from this address, with what proxies said about it.
async fn from(w: &World, peer: &str, told: Option<&str>, path: &str) -> Answer {
    let mut request = Request::get(path).extension(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4)));
    if let Some(told) = told {
        request = request.header("x-forwarded-for", told);
    }
    w.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn metrics_are_for_the_networks_that_may_read_them() {
    let w = World::new().await;
    for (peer, told, want) in [
        ("127.0.0.1", None, 200),
        ("10.1.2.3", None, 200),
        ("203.0.113.5", None, 404),
        ("203.0.113.5", Some("10.1.2.3"), 404),
        ("127.0.0.1", Some("203.0.113.5"), 404),
    ] {
        assert_eq!(from(&w, peer, told, "/metrics").await.status.as_u16(), want, "{peer} {told:?}");
    }
    let only = Network::list(&["198.51.100.0/24"]);
    let w = World::with(Settings { metrics_from: only, ..Settings::default() }).await;
    assert_eq!(from(&w, "198.51.100.9", None, "/metrics").await.status, StatusCode::OK);
    assert_eq!(from(&w, "127.0.0.1", None, "/metrics").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_proxy_elsewhere_is_believed_if_it_is_trusted() {
    let path = "/api/v1/classes/by-code/222222222";
    // One who guesses codes behind a proxy of another machine, and one who does not.
    let guess = async |w: &World| {
        for _ in 0..100 {
            from(w, "10.9.9.9", Some("203.0.113.5"), path).await;
        }
        from(w, "10.9.9.9", Some("203.0.113.6"), path).await.code()
    };
    let trusted_proxies = Network::list(&["10.9.9.9"]);
    let trusting = World::with(Settings { trusted_proxies, ..Settings::default() }).await;
    assert_eq!(guess(&trusting).await, "unknown_class", "others behind the proxy are not slowed down");
    assert_eq!(from(&trusting, "10.9.9.9", Some("203.0.113.5"), path).await.code(), "too_often");
    assert_eq!(guess(&World::new().await).await, "too_often", "an unknown proxy is one client");
}

#[tokio::test]
async fn browsers_insist_on_tls_only_where_they_can_trust_it() {
    for (tls, hsts) in [(true, true), (true, false), (false, false)] {
        let w = World::with(Settings { tls, hsts, ..Settings::default() }).await;
        let answer = from(&w, "127.0.0.1", None, "/healthz").await;
        assert_eq!(answer.headers.contains_key(header::STRICT_TRANSPORT_SECURITY), hsts, "{tls} {hsts}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_read_why_a_device_is_refused() {
    let w = World::new().await;
    for path in [format!("/whip/{}", w.class.room), format!("/whep/{}/x", w.class.room), "/whip/nowhere/x/y".into()] {
        let request = Request::post(&path).header(header::ORIGIN, "https://player.example").body(Body::empty());
        let answer = w.send(request.unwrap()).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
    }
    let other = from(&w, "127.0.0.1", None, "/api/v1/me").await;
    assert!(!other.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "nothing else is for others to read");
}
