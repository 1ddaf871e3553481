//! Real lines for real processes: one server namespace, N viewer namespaces, between each viewer and the server a pair
//! of TUN devices with a [`Link`](crate::Link) in each direction.
//!
//! ```text
//!   netns lct<pid>-<n>s               this process                    netns lct<pid>-<n>v1
//!   10.99.0.1, fd99::1   dev v1 ──► down: queue, wire, loss, flight ──► dev line   10.99.1.1, fd99::1:1
//!                               ◄── up                              ◄──
//!                        dev v2 …                                              … v2
//! ```
//!
//! The namespaces have no way out: what runs inside reaches the other end and nothing else. Needs root and iproute2.
//! Does not belong here: how a link behaves ([`crate::link`]).

pub mod control;
mod netns;
mod pump;
mod tun;

use crate::link::{Counters, LinkConfig};
use netns::Netns;
use pump::{Bell, Line, Order};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};
use tun::Tun;

/// The most viewers of one hub: two descriptors and a namespace each.
pub const VIEWERS_MAX: usize = 200;

const NAME_PREFIX: &str = "lct";

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// Namespaces and devices can be made by root only.
    #[error("network namespaces need root")]
    NotRoot,
    /// The number of viewers is out of range.
    #[error("{0} viewers: from 1 to {VIEWERS_MAX} are possible")]
    Viewers(usize),
    /// There is no such viewer.
    #[error("there is no viewer {0}")]
    UnknownViewer(usize),
    /// `ip` could not be started.
    #[error("could not start `{command}`")]
    IpStart {
        /// The command.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `ip` refused.
    #[error("`{command}` failed: {said}")]
    Ip {
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// The namespace could not be entered.
    #[error("could not enter the namespace {netns}")]
    Enter {
        /// Its name.
        netns: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No TUN device could be made.
    #[error("could not make a TUN device in the namespace {netns}")]
    Tun {
        /// The namespace.
        netns: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The pump could not be started.
    #[error("could not start the pump")]
    Pump(#[source] io::Error),
    /// The pump is gone.
    #[error("the pump has ended")]
    Gone,
}

/// Which way, seen from the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the server to the viewer.
    Down,
    /// From the viewer to the server.
    Up,
}

/// Where an end lives.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// The namespace, for `ip netns exec`.
    pub netns: String,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

/// The state of one direction of one line.
#[derive(Debug, Clone, Copy)]
pub struct LineStats {
    /// How it behaves.
    pub config: LinkConfig,
    /// What it counted.
    pub counters: Counters,
    /// Bytes that wait now.
    pub queued_bytes: u64,
    /// Reads and writes that the devices refused.
    pub device_errors: u64,
}

/// A running emulator. Dropping it removes devices and namespaces.
#[derive(Debug)]
pub struct Hub {
    orders: mpsc::Sender<Order>,
    bell: Arc<Bell>,
    pump: Mutex<Option<thread::JoinHandle<()>>>,
    server: (Netns, Place),
    viewers: Vec<(Netns, Place)>,
}

impl Hub {
    /// Makes the namespaces and starts carrying packets; all lines begin as `config`. The same `seed` gives the same
    /// losses for the same packets.
    ///
    /// # Errors
    /// [`EmulatorError`]; what was made until then is removed again.
    pub fn start(viewers: usize, config: LinkConfig, seed: u64) -> Result<Self, EmulatorError> {
        static HUBS: AtomicU32 = AtomicU32::new(0);
        // SAFETY: no arguments, cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Err(EmulatorError::NotRoot);
        }
        if !(1..=VIEWERS_MAX).contains(&viewers) {
            return Err(EmulatorError::Viewers(viewers));
        }
        netns::remove_leftovers(NAME_PREFIX);
        let name = format!("{NAME_PREFIX}{}-{}", std::process::id(), HUBS.fetch_add(1, Ordering::Relaxed));
        let here = Place {
            netns: format!("{name}s"),
            ipv4: Ipv4Addr::new(10, 99, 0, 1),
            ipv6: Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1),
        };
        let server = make_netns(&here)?;
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        for n in 1..=viewers {
            let there = Place {
                netns: format!("{name}v{n}"),
                ipv4: Ipv4Addr::new(10, 99, 1, n as u8),
                ipv6: Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 1, n as u16),
            };
            let viewer = make_netns(&there)?;
            let (near, far) = (open_tun(&server, &format!("v{n}"))?, open_tun(&viewer, "line")?);
            server.ip(&format!(
                "link set v{n} up txqueuelen 5000\naddr add {s4}/32 peer {v4}/32 dev v{n}\n\
                 addr add {s6}/128 dev v{n} nodad\nroute add {v6}/128 dev v{n}\n",
                s4 = here.ipv4,
                v4 = there.ipv4,
                s6 = here.ipv6,
                v6 = there.ipv6,
            ))?;
            viewer.ip(&format!(
                "link set line up txqueuelen 5000\naddr add {v4}/32 peer {s4}/32 dev line\n\
                 addr add {v6}/128 dev line nodad\nroute add default dev line\nroute add {s6}/128 dev line\n\
                 route add ::/0 dev line\n",
                s4 = here.ipv4,
                v4 = there.ipv4,
                s6 = here.ipv6,
                v6 = there.ipv6,
            ))?;
            lines.push(Line::new(near, far, config, seed.wrapping_add(n as u64)));
            ends.push((viewer, there));
        }
        let bell = Arc::new(Bell::new().map_err(EmulatorError::Pump)?);
        let (orders, taken) = mpsc::channel();
        let pump = thread::Builder::new()
            .name("netem-pump".to_owned())
            .spawn({
                let bell = Arc::clone(&bell);
                move || pump::run(lines, &taken, &bell)
            })
            .map_err(EmulatorError::Pump)?;
        Ok(Self { orders, bell, pump: Mutex::new(Some(pump)), server: (server, here), viewers: ends })
    }

    /// The server's end.
    #[must_use]
    pub fn server(&self) -> &Place {
        &self.server.1
    }

    /// The viewers' ends; viewer 1 comes first.
    pub fn viewers(&self) -> impl ExactSizeIterator<Item = &Place> {
        self.viewers.iter().map(|(_, place)| place)
    }

    /// Changes one direction of the line of viewer `n` (counted from 1), beginning with the next packet.
    ///
    /// # Errors
    /// [`EmulatorError::UnknownViewer`], or [`EmulatorError::Gone`] if the pump has died.
    pub fn update(
        &self,
        n: usize,
        direction: Direction,
        change: impl FnOnce(&mut LinkConfig) + Send + 'static,
    ) -> Result<(), EmulatorError> {
        self.viewer(n)?;
        self.order(Order::Update(n - 1, direction, Box::new(change)))
    }

    /// The state of all lines as (down, up); viewer 1 comes first.
    ///
    /// # Errors
    /// [`EmulatorError::Gone`] if the pump has died.
    pub fn stats(&self) -> Result<Vec<(LineStats, LineStats)>, EmulatorError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.order(Order::Stats(reply))?;
        answer.recv().map_err(|_| EmulatorError::Gone)
    }

    /// Runs `f` on a thread inside the server's namespace; sockets it returns stay there.
    ///
    /// # Errors
    /// [`EmulatorError::Enter`].
    pub fn in_server<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, EmulatorError> {
        self.server.0.enter(f)
    }

    /// Runs `f` on a thread inside the namespace of viewer `n` (counted from 1); sockets it returns stay there.
    ///
    /// # Errors
    /// [`EmulatorError::UnknownViewer`], [`EmulatorError::Enter`].
    pub fn in_viewer<T: Send>(&self, n: usize, f: impl FnOnce() -> T + Send) -> Result<T, EmulatorError> {
        self.viewer(n)?.0.enter(f)
    }

    /// Stops carrying packets and removes devices and namespaces. What still runs inside keeps its sockets, to nowhere.
    pub fn close(&self) {
        let _ = self.order(Order::Stop); // the devices go with the pump
        if let Some(pump) = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = pump.join();
        }
        self.server.0.remove();
        for (ns, _) in &self.viewers {
            ns.remove();
        }
    }

    fn viewer(&self, n: usize) -> Result<&(Netns, Place), EmulatorError> {
        n.checked_sub(1).and_then(|i| self.viewers.get(i)).ok_or(EmulatorError::UnknownViewer(n))
    }

    fn order(&self, order: Order) -> Result<(), EmulatorError> {
        self.orders.send(order).map_err(|_| EmulatorError::Gone)?;
        self.bell.ring();
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

fn make_netns(place: &Place) -> Result<Netns, EmulatorError> {
    let ns = Netns::create(place.netns.clone())?;
    ns.enter(|| {
        // Only against noise in the counters (router solicitations, link-local multicast), hence a failure is no matter.
        for (key, value) in [("router_solicitations", "0"), ("addr_gen_mode", "1"), ("accept_ra", "0")] {
            let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/default/{key}"), value);
        }
    })?;
    Ok(ns)
}

fn open_tun(ns: &Netns, device: &str) -> Result<Tun, EmulatorError> {
    ns.enter(|| Tun::open(device))?.map_err(|source| EmulatorError::Tun { netns: ns.name().to_owned(), source })
}
