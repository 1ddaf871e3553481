//! The one configuration file (TOML). Each key can also be given as `LECTERN_SECTION_KEY` in the environment, which wins.
//!
//! Belongs here: keys, defaults, what excludes what. Does not belong here: opening what a key names.

mod patrol;

pub use patrol::Patrol;

use crate::network::Network;
use figment::{
    Figment,
    providers::{Env, Format as _, Serialized, Toml},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// The sections, as they stand in the file and in the environment.
const SECTIONS: [&str; 8] = ["http", "media", "storage", "class", "patrol", "limits", "log", "time"];

/// Other variables that begin with `LECTERN_`: where the file is, and those of the load tester and of the tests, which start
/// servers in their own environment. All others are slips of the keyboard.
const OTHER_VARIABLES: [&str; 11] = [
    "config",
    "binary",
    "chromium",
    "firefox",
    "python",
    "commit",
    "server",
    "token",
    "password",
    "bless",
    "forbidden",
];
/// And how others may begin.
const OTHER_PREFIXES: [&str; 3] = ["e2e", "fuzz_", "power_cut_"];

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Web pages, API, WebSocket, WHIP and WHEP.
    pub http: Http,
    /// The media plane.
    pub media: Media,
    /// What is kept on disk.
    pub storage: Storage,
    /// Limits and habits of classes.
    pub class: Class,
    /// Cameras of exam sites.
    pub patrol: Patrol,
    /// How often one address may ask.
    pub limits: Limits,
    /// Logs.
    pub log: Log,
    /// The clock on the wall.
    pub time: Time,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Addresses to listen on. Default `127.0.0.1:7780`.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<SocketAddr>,
    /// How clients reach us: `off` (plain http, on loopback addresses only), `local-ca` or `files`.
    pub tls: Tls,
    /// Certificate chain (PEM), for `tls = "files"`.
    pub cert: Option<PathBuf>,
    /// Private key (PEM), for `tls = "files"`.
    pub key: Option<PathBuf>,
    /// Host names and addresses for the local CA's certificate, besides `localhost` and the addresses of this machine.
    #[serde(deserialize_with = "one_or_many")]
    pub names: Vec<String>,
    /// How people write the server's address, if not as it listens: `https://class.example.edu.cn`. Also the origin from
    /// which pages may connect when a reverse proxy stands in front.
    pub public_url: Option<String>,
    /// The reverse proxies whose `X-Forwarded-For` is believed. Default: those on this machine.
    #[serde(deserialize_with = "one_or_many")]
    pub trusted_proxies: Vec<Network>,
    /// Who may read `/metrics`. Default: this machine and private networks. A proxy that names nobody in
    /// `X-Forwarded-For` reads them for whoever asks it.
    #[serde(deserialize_with = "one_or_many")]
    pub metrics_from: Vec<Network>,
}

/// How HTTP is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Not at all: loopback addresses only.
    Off,
    /// By a certificate of a local CA that is made on first start.
    LocalCa,
    /// By own files.
    Files,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// UDP addresses for media; one port serves all peers. Default `[::]:7788` and `0.0.0.0:7788`.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Vec<SocketAddr>,
    /// The addresses told to clients, for servers behind NAT: `203.0.113.7:7788`. Default: those of this machine.
    #[serde(deserialize_with = "one_or_many")]
    pub advertise: Vec<SocketAddr>,
    /// ICE servers for WHIP and WHEP clients: `stun:host:port`, `turn:host:port`. Default none; our own address suffices.
    #[serde(deserialize_with = "one_or_many")]
    pub ice_servers: Vec<String>,
    /// Threads that forward media. 0 = one per core, at most four.
    pub shards: usize,
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The directory of everything that is kept. Default `data`.
    pub data: PathBuf,
    /// Recording stops (and the class goes on) when less than this is free on the disk, in MiB. Default 2048.
    pub reserve_mib: u64,
}

/// `[class]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Class {
    /// The most people in one class, 2 to 2,000. Default 300.
    pub participants_max: u32,
    /// The most people on stage, besides the teacher, 1 to 32. Default 16.
    pub stage_max: u32,
    /// A lesson ends by itself when its teacher is away this long after the planned end, in minutes. Default 15.
    pub away_end_min: u32,
    /// A lesson ends by itself this long after it was opened, whoever is there, 1 to 24 hours: an encoder that nobody
    /// switched off would teach, and be recorded, for ever. Default 8.
    pub lesson_hours_max: u32,
    /// Whether people without an account may join by link and name. Default true.
    pub guests: bool,
}

/// `[limits]`: how often one address may ask, in one go and per second after that. A whole school may stand behind one
/// address. This machine itself has no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests to the API, WHIP and WHEP in one go. Default 600.
    pub requests: u32,
    /// And per second. Default 100.
    pub requests_per_second: u32,
    /// Joins by link in one go. Default 300.
    pub joins: u32,
    /// And per second. Default 20.
    pub joins_per_second: u32,
    /// New sockets in one go. Default 300.
    pub sockets: u32,
    /// And per second. Default 20.
    pub sockets_per_second: u32,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is logged: `info`, `debug`, or directives such as `info,lectern_sfu=debug`. Default `info`.
    pub level: String,
    /// `text` for people, `json` for collectors. Default `text`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[time]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Time {
    /// The time zone of the service (IANA name): of the timetable, and of every day and time that people read. Default `Asia/Shanghai`.
    pub zone: String,
}

impl Default for Http {
    fn default() -> Self {
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 7780))];
        Self {
            listen,
            tls: Tls::Off,
            cert: None,
            key: None,
            names: vec![],
            public_url: None,
            trusted_proxies: Network::list(&Network::LOOPBACK),
            metrics_from: Network::list(&Network::PRIVATE),
        }
    }
}

impl Default for Media {
    fn default() -> Self {
        let listen = vec![
            SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 7788)),
            SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 7788)),
        ];
        Self { listen, advertise: vec![], ice_servers: vec![], shards: 0 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { data: "data".into(), reserve_mib: 2048 }
    }
}

impl Default for Class {
    fn default() -> Self {
        Self { participants_max: 300, stage_max: 16, away_end_min: 15, lesson_hours_max: 8, guests: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 600,
            requests_per_second: 100,
            joins: 300,
            joins_per_second: 20,
            sockets: 300,
            sockets_per_second: 20,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl Default for Time {
    fn default() -> Self {
        Self { zone: "Asia/Shanghai".into() }
    }
}

/// A configuration that can't be used. Says which key, in which line if it stands in a file, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// `section.key`; empty for faults of the whole file.
    pub key: String,
    /// File and line, or the environment variable.
    pub place: String,
    /// What is wrong and what would be right.
    pub fault: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.fault)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads `file` (or only defaults) and the environment, and checks the whole.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn load(file: Option<&Path>) -> Result<Self, Vec<ConfigError>> {
        Self::load_with(file, |_| ())
    }

    /// As [`Config::load`], with `change` (the command line) applied before the check.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn load_with(file: Option<&Path>, change: impl FnOnce(&mut Self)) -> Result<Self, Vec<ConfigError>> {
        let text = match file.map(|f| (f, std::fs::read_to_string(f))) {
            None => String::new(),
            Some((_, Ok(text))) => text,
            Some((file, Err(e))) => {
                let fault = format!("cannot be read: {e}");
                return Err(vec![ConfigError { key: String::new(), place: file.display().to_string(), fault }]);
            }
        };
        let unknown = unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let source = Source { file, text: &text };
        // Only the first underscore separates section and key: LECTERN_HTTP_PUBLIC_URL is http.public_url.
        let env = Env::prefixed("LECTERN_")
            .map(|k| k.as_str().to_ascii_lowercase().replacen('_', ".", 1).into())
            .filter(|k| k.as_str().split_once('.').is_some_and(|(section, _)| SECTIONS.contains(&section)));
        let figment = Figment::from(Serialized::defaults(Self::default())).merge(Toml::string(&text)).merge(env);
        let mut config: Self =
            figment.extract().map_err(|e| e.into_iter().map(|e| source.fault(&e)).collect::<Vec<_>>())?;
        change(&mut config);
        let faults: Vec<_> = config.faults().into_iter().map(|(key, fault)| source.at(key, fault)).collect();
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// What excludes what, as `(key, fault)`.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let http = &self.http;
        if http.listen.is_empty() {
            faults.push(("http.listen", "names no address; the default is \"127.0.0.1:7780\"".into()));
        }
        if http.tls == Tls::Off {
            for addr in http.listen.iter().filter(|a| !is_loopback(a.ip())) {
                faults.push((
                    "http.listen",
                    format!(
                        "{addr} can be reached from other machines, and browsers give camera and microphone to https \
                         pages only: set http.tls to \"local-ca\" or \"files\", or listen on 127.0.0.1"
                    ),
                ));
            }
        }
        match (http.tls, &http.cert, &http.key) {
            (Tls::Files, None, _) => faults.push(("http.cert", "is needed with http.tls = \"files\"".into())),
            (Tls::Files, _, None) => faults.push(("http.key", "is needed with http.tls = \"files\"".into())),
            (Tls::Off | Tls::LocalCa, Some(_), _) => {
                faults.push(("http.cert", "is only used with http.tls = \"files\"".into()));
            }
            (Tls::Off | Tls::LocalCa, _, Some(_)) => {
                faults.push(("http.key", "is only used with http.tls = \"files\"".into()));
            }
            _ => {}
        }
        if let Some(url) = &http.public_url {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(|h| h.is_empty() || h.contains('/')) {
                faults.push(("http.public_url", "is not of the form https://host or https://host:port".into()));
            }
        }
        if self.media.listen.is_empty() {
            faults.push(("media.listen", "names no address; the default is [\"[::]:7788\", \"0.0.0.0:7788\"]".into()));
        }
        if let Some(addr) = self.media.advertise.iter().find(|a| a.ip().is_unspecified()) {
            faults.push(("media.advertise", format!("{addr} is not an address that a client could send to")));
        }
        if self.media.shards > 64 {
            faults.push(("media.shards", "is more than 64".into()));
        }
        if !(2..=2000).contains(&self.class.participants_max) {
            faults.push(("class.participants_max", "is not between 2 and 2000".into()));
        }
        if !(1..=32).contains(&self.class.stage_max) {
            faults.push(("class.stage_max", "is not between 1 and 32".into()));
        }
        if self.class.away_end_min > 24 * 60 {
            faults.push(("class.away_end_min", "is more than a day".into()));
        }
        if !(1..=24).contains(&self.class.lesson_hours_max) {
            faults.push(("class.lesson_hours_max", "is not between 1 and 24".into()));
        }
        faults.extend(self.patrol.faults());
        let limits = &self.limits;
        for (key, value) in [
            ("limits.requests", limits.requests),
            ("limits.requests_per_second", limits.requests_per_second),
            ("limits.joins", limits.joins),
            ("limits.joins_per_second", limits.joins_per_second),
            ("limits.sockets", limits.sockets),
            ("limits.sockets_per_second", limits.sockets_per_second),
        ] {
            if !(1..=1_000_000).contains(&value) {
                faults.push((key, "is not between 1 and 1000000".into()));
            }
        }
        if let Err(e) = crate::log::filter(&self.log.level) {
            faults.push(("log.level", e));
        }
        faults
    }
}

/// Variables that look like a key but are none: what is mistyped must not be ignored.
fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<ConfigError> {
    let mut unknown: Vec<_> = names
        .filter(|name| {
            let Some(rest) = name.strip_prefix("LECTERN_").map(str::to_ascii_lowercase) else { return false };
            let is_key = rest.split_once('_').is_some_and(|(section, _)| SECTIONS.contains(&section));
            let is_other =
                OTHER_VARIABLES.contains(&rest.as_str()) || OTHER_PREFIXES.iter().any(|p| rest.starts_with(p));
            !is_key && !is_other
        })
        .map(|name| ConfigError {
            key: String::new(),
            place: name,
            fault: format!("is no key: it is LECTERN_SECTION_KEY, and the sections are {}", SECTIONS.join(", ")),
        })
        .collect();
    unknown.sort_by(|a, b| a.place.cmp(&b.place));
    unknown
}

/// Whether only this machine can reach the address.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Where the text came from, to say in which line a key stands.
struct Source<'a> {
    file: Option<&'a Path>,
    text: &'a str,
}

impl Source<'_> {
    fn fault(&self, e: &figment::Error) -> ConfigError {
        let key = e.path.join(".");
        self.at(&key, e.kind.to_string().replacen("TOML parse error at ", "", 1))
    }

    fn at(&self, key: &str, fault: String) -> ConfigError {
        let variable = format!("LECTERN_{}", key.to_ascii_uppercase().replacen('.', "_", 1));
        let file = self.file.map(|f| f.display().to_string());
        let place = if !key.is_empty() && std::env::var_os(&variable).is_some() {
            variable
        } else {
            match (file, line_of(self.text, key)) {
                (Some(file), Some(line)) => format!("{file}:{line}"),
                (Some(file), None) => file,
                (None, _) => "configuration".into(),
            }
        };
        ConfigError { key: key.to_owned(), place, fault: fault.trim_end().to_owned() }
    }
}

/// The line (from 1) in which `section.key` stands.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let name = name.split('.').next().unwrap_or(name);
    let mut current = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(head) = line.strip_prefix('[') {
            current = head.trim_end_matches(']').trim();
            if name == current && section.is_empty() {
                return Some(index + 1);
            }
        } else if let Some((left, _)) = line.split_once('=') {
            let left = left.trim();
            if (current == section && left == name) || (current.is_empty() && left == key) {
                return Some(index + 1);
            }
        }
    }
    None
}

/// Takes one value where a list of one would be meant; an environment variable may separate several by commas.
fn one_or_many<'de, D, T>(d: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: fmt::Display,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Form::deserialize(d)? {
        Form::One(text) => text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect(),
        Form::Many(texts) => texts,
    };
    texts
        .into_iter()
        .map(|t| t.parse().map_err(|e| serde::de::Error::custom(format!("\"{t}\" cannot be read: {e}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn load(text: &str) -> Result<Config, Vec<String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let path = file.path().display().to_string();
        Config::load(Some(file.path()))
            .map_err(|faults| faults.iter().map(|f| f.to_string().replace(&path, "lectern.toml")).collect())
    }

    #[test]
    fn nothing_configured_is_a_server_on_this_machine() {
        assert_eq!(Config::load(None), Ok(Config::default()));
        assert_eq!(load(""), Ok(Config::default()));
    }

    #[test]
    fn one_address_may_stand_without_a_list() {
        let config = load("[http]\nlisten = \"[::1]:80\"\n[media]\nadvertise = [\"203.0.113.7:7788\"]\n").unwrap();
        assert_eq!(config.http.listen, vec!["[::1]:80".parse().unwrap()]);
        assert_eq!(config.media.advertise.len(), 1);
    }

    #[test]
    fn faults_name_key_and_line() {
        for (text, want) in [
            ("\n[http]\nlisten = \"nowhere\"\n", "lectern.toml:3: http.listen: "),
            ("[http]\nlisten = \"0.0.0.0:80\"\n", "lectern.toml:2: http.listen: 0.0.0.0:80 can be reached"),
            ("[http]\nport = 80\n", "lectern.toml:2: http.port: unknown field"),
            ("[storrage]\n", "lectern.toml:1: storrage: unknown field"),
            ("[http]\ntls = \"files\"\n", "lectern.toml: http.cert: is needed"),
            ("[http]\ntls = \"yes\"\n", "lectern.toml:2: http.tls: "),
            ("[http]\npublic_url = \"class.example\"\n", "lectern.toml:2: http.public_url: "),
            ("[class]\nstage_max = 0\n", "lectern.toml:2: class.stage_max: "),
            ("[class]\nlesson_hours_max = 0\n", "lectern.toml:2: class.lesson_hours_max: "),
            ("[patrol]\nroll_s = 3601\n", "lectern.toml:2: patrol.roll_s: "),
            ("[patrol]\nissuer = \"a:b\"\n", "lectern.toml:2: patrol.issuer: "),
            ("[http]\ntrusted_proxies = \"10.0.0.0/40\"\n", "lectern.toml:2: http.trusted_proxies: "),
            ("[limits]\njoins_per_second = 0\n", "lectern.toml:2: limits.joins_per_second: "),
            ("[log]\nlevel = \"lectern=loud\"\n", "lectern.toml:2: log.level: "),
            ("[http\n", "lectern.toml: line 1"),
        ] {
            let faults = load(text).expect_err(text);
            assert!(faults.iter().any(|f| f.starts_with(want)), "{text:?} gave {faults:?}, expected {want:?}");
        }
    }

    #[test]
    fn a_mistyped_variable_is_refused() {
        let unknown = |names: &[&str]| -> Vec<String> {
            unknown_variables(names.iter().map(|n| (*n).to_owned())).into_iter().map(|e| e.place).collect()
        };
        let good = ["PATH", "LECTERN_CLASS_GUESTS", "LECTERN_CONFIG", "LECTERN_E2E_KEEP", "LECTERN_LIMITS_JOINS"];
        assert!(unknown(&good).is_empty());
        let wrong = ["LECTERN_CLAS_GUESTS", "LECTERN_HTTP", "LECTERN_", "LECTERN_HTP_LISTEN"];
        assert_eq!(unknown(&wrong), ["LECTERN_", "LECTERN_CLAS_GUESTS", "LECTERN_HTP_LISTEN", "LECTERN_HTTP"]);
    }

    #[test]
    fn networks_and_limits() {
        let config =
            load("[http]\ntrusted_proxies = \"10.0.0.0/8, ::1\"\nmetrics_from = []\n[limits]\njoins = 5\n").unwrap();
        assert_eq!(config.http.trusted_proxies, Network::list(&["10.0.0.0/8", "::1"]));
        assert!(config.http.metrics_from.is_empty());
        assert_eq!((config.limits.joins, config.limits.joins_per_second), (5, 20));
    }

    #[test]
    fn a_key_of_another_section_is_not_mistaken() {
        assert_eq!(line_of("[media]\nlisten = 1\n[http]\n# listen = 2\nlisten = 3\n", "http.listen"), Some(5));
        assert_eq!(line_of("http.listen = 3\n", "http.listen"), Some(1));
    }
}
