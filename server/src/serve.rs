//! `lectern serve`: from configuration to a running server, and to its orderly end.

use crate::{assemble, machine, tls};
use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use lectern_base::{Config, DataDir, Shutdown};
use lectern_media::UnixMillis;
use lectern_signaling::http;
use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio::{task::JoinSet, time::MissedTickBehavior};

/// How long requests that are under way may take when the server ends.
const DRAIN: Duration = Duration::from_secs(3);
/// How often the media threads are looked after: whoever is in class notices within a few seconds.
const MEDIA_LOOK: Duration = Duration::from_millis(500);

/// Runs the server until it is asked to end.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    lectern_base::log::init(&config.log);
    machine::raise_open_files();
    let shutdown = Shutdown::new();
    shutdown.on_signals().context("could not listen for signals")?;
    let data = DataDir::open(&config.storage.data)?;
    let listeners = listen(&config.http.listen)?;
    let addresses = reachable(&listeners);
    let ips: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
    let https = tls::prepare(&config, &ips).await?;
    let local_ca = https.as_ref().and_then(|h| h.local_ca.clone());
    let server = assemble::assemble(&config, &data, https.is_some(), local_ca.clone()).await?;

    // Whoever was in class when we ended is let back in before anybody else is.
    let rooms = server.app.rooms.clone();
    match rooms.resume().await.context("could not read which lessons were live")? {
        0 => {}
        resumed => tracing::info!(resumed, "lessons that were live go on"),
    }
    let house = tokio::spawn(http::keep_house(server.app.clone(), {
        let shutdown = shutdown.clone();
        async move { shutdown.begun().await }
    }));

    let first = server.library.first_run(UnixMillis::now()).await.context("could not make the first account")?;
    tokio::spawn(server.recorders.clone().keep_sealing());
    let patrolling = server
        .patrol
        .start(&config, {
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        })
        .await?;
    let handle = Handle::new();
    let mut serving = JoinSet::new();
    let router = http::router(server.app.clone());
    for listener in listeners {
        let (router, handle) = (router.clone(), handle.clone());
        let tls = https.as_ref().map(|h| h.config.clone());
        serving.spawn(async move { serve_on(listener, router, tls, handle).await });
    }
    announce(&config, &addresses, https.is_some(), local_ca.as_deref(), first.as_ref());

    let failed = tokio::select! {
        () = shutdown.begun() => false,
        Some(ended) = serving.join_next() => {
            ended?.context("could not serve http any more")?;
            false
        }
        () = media_failed(MEDIA_LOOK, || server.sfu.is_running()) => {
            tracing::error!("a media thread has failed: ending in order, so that a restart brings the classes back");
            shutdown.ask();
            true
        }
    };
    let ended = shutdown
        .unless_forced(async {
            // Clients are told first, so that they know why their sockets close; then recordings are closed so that they
            // can be resumed; media flows until then.
            rooms.close().await;
            if patrolling.await.is_err() {
                tracing::error!("what runs beside exam patrol had failed");
            }
            server.patrol.end().await;
            handle.graceful_shutdown(Some(DRAIN));
            server.sfu.shutdown().await;
            if house.await.is_err() {
                tracing::error!("housekeeping had failed");
            }
            while serving.join_next().await.is_some() {}
            server.library.store().close().await;
        })
        .await;
    match ended {
        Some(()) => tracing::info!("ended in order"),
        None => tracing::warn!("ended at once, as asked"),
    }
    drop(data);
    anyhow::ensure!(!failed, "a media thread has failed; the log says where");
    Ok(())
}

/// Returns when the media plane does not run as a whole any more. A thread of it that has failed cannot be started again:
/// its peers' keys are gone, and all their clients have to come back anyway.
async fn media_failed(every: Duration, is_running: impl Fn() -> bool) {
    let mut look = tokio::time::interval(every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while is_running() {
        look.tick().await;
    }
}

fn listen(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let bind = |addr: &SocketAddr| {
        // An IPv6 socket takes only IPv6: 0.0.0.0 is listed beside [::], and both must fit.
        let domain = socket2::Domain::for_address(*addr);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&(*addr).into())?;
        socket.listen(1024)?;
        Ok::<TcpListener, std::io::Error>(socket.into())
    };
    addresses
        .iter()
        .map(|addr| bind(addr).with_context(|| format!("could not listen on {addr} (http.listen)")))
        .collect()
}

/// Where the listeners can be reached: an unspecified address stands for every one of this machine.
fn reachable(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let machine = machine::addresses();
    let mut all: Vec<_> = listeners
        .iter()
        .filter_map(|l| l.local_addr().ok())
        .flat_map(|addr| {
            let every =
                machine.iter().filter(|ip| ip.is_ipv4() == addr.is_ipv4()).map(|ip| SocketAddr::new(*ip, addr.port()));
            if addr.ip().is_unspecified() { every.collect() } else { vec![addr] }
        })
        .collect();
    all.dedup();
    all
}

async fn serve_on(
    listener: TcpListener,
    router: Router,
    tls: Option<axum_server::tls_rustls::RustlsConfig>,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // With a timer, hyper gives a client thirty seconds for its headers: who dribbles them holds no socket for ever.
    match tls {
        Some(config) => {
            let mut server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
            server.http_builder().http1().timer(TokioTimer::new());
            server.serve(service).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            server.http_builder().http1().timer(TokioTimer::new());
            server.serve(service).await
        }
    }
}

/// Says where the server is, and once who may sign in first.
fn announce(
    config: &Config,
    addresses: &[SocketAddr],
    tls: bool,
    local_ca: Option<&str>,
    first: Option<&lectern_library::FirstAdministrator>,
) {
    let scheme = if tls { "https" } else { "http" };
    let mut text = String::from("\nLectern 讲台 is running.\n\n");
    match &config.http.public_url {
        Some(url) => text.push_str(&format!("  address   {url}\n")),
        None => {
            let mut shown: Vec<_> = addresses.iter().map(|addr| shown(*addr)).collect();
            shown.dedup();
            shown.iter().for_each(|addr| text.push_str(&format!("  address   {scheme}://{addr}\n")));
        }
    }
    if let Some(fingerprint) = local_ca.and_then(tls::fingerprint) {
        text.push_str(&format!("  CA        SHA-256 {fingerprint}\n            devices install it once: open /ca\n"));
    }
    if let Some(first) = first {
        text.push_str("\nSign in first as administrator; this is printed once:\n\n");
        text.push_str(&format!("  login     {}\n  password  {}\n", first.login, first.password.expose()));
    }
    text.push('\n');
    // Nobody may be reading; the server runs all the same.
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}

/// An address as one types it: the loopback ones by name, because browsers give camera and microphone to localhost.
fn shown(addr: SocketAddr) -> String {
    match addr.ip() {
        ip if ip.is_loopback() => format!("localhost:{}", addr.port()),
        _ => addr.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test]
    async fn a_media_thread_that_fails_later_is_noticed() {
        let looks = Cell::new(0);
        media_failed(Duration::from_millis(1), || {
            looks.set(looks.get() + 1);
            looks.get() < 5
        })
        .await;
        assert_eq!(looks.get(), 5);
    }
}
