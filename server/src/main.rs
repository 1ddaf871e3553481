//! The `lectern` binary: the server, and the commands of its operator.

mod adapt_files;
mod adapt_media;
mod adapt_recordings;
mod archive;
mod assemble;
mod audit;
mod evidence;
mod keys;
mod machine;
mod patrol;
mod patrol_audit;
mod patrol_cameras;
mod patrol_footage;
mod patrol_health;
mod patrol_hooks;
mod patrol_idle;
mod patrol_live;
mod patrol_sound;
mod patrol_words;
mod people;
mod serve;
mod tls;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use lectern_base::{Config, DataDir};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Live classes and their recordings: one program, one data directory.
#[derive(Debug, Parser)]
#[command(name = "lectern", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve {
        #[command(flatten)]
        place: Place,
        /// Addresses to listen on, instead of `http.listen`.
        #[arg(long, value_delimiter = ',')]
        listen: Vec<SocketAddr>,
        /// Only checks configuration and data directory, and says what is wrong.
        #[arg(long)]
        check: bool,
    },
    /// Looks after recordings on disk.
    #[command(subcommand)]
    Recorder(RecorderCommand),
    /// Verifies and exports evidence of cameras.
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Verifies the audit log of exam patrol.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Measures pictures of cameras; the server starts it for itself.
    #[command(name = patrol_health::COMMAND, hide = true)]
    HealthWorker,
    /// Makes sound for browsers of the sound of cameras; the server starts it for itself.
    #[command(name = patrol_sound::COMMAND, hide = true)]
    SoundWorker,
    /// Looks after the catalogue.
    #[command(subcommand)]
    Library(LibraryCommand),
    /// Looks after accounts, while the server is stopped.
    #[command(subcommand)]
    User(people::UserCommand),
}

#[derive(Debug, Subcommand)]
enum RecorderCommand {
    /// Verifies everything that is always true of recordings (recorder/INVARIANTS.md).
    Check {
        /// One recording, or a directory of them.
        dir: PathBuf,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says that this machine's clock is right, though it leapt: days of cameras' footage are counted by it from then on. The
    /// running server heeds it within a minute.
    ConfirmClock {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum LibraryCommand {
    /// Makes the catalogue's recordings exactly those on disk, and places that they name and the tree lacks, while the
    /// server is stopped.
    Rebuild {
        #[command(flatten)]
        place: Place,
        /// Begins a new catalogue because the old one is damaged and there is no back-up. The old journal is kept under
        /// another name; its people and timetable are not read.
        #[arg(long)]
        new: bool,
    },
}

/// Where configuration and data are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The configuration file (TOML). Without it everything has its default.
    #[arg(long, env = "LECTERN_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory, instead of `storage.data`.
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Place {
    fn load(&self, change: impl FnOnce(&mut Config)) -> anyhow::Result<Config> {
        Config::load_with(self.config.as_deref(), |config| {
            if let Some(data) = &self.data {
                config.storage.data.clone_from(data);
            }
            change(config);
        })
        .map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(|f| format!("  {f}")).collect();
            anyhow::anyhow!("the configuration cannot be used:\n{}", lines.join("\n"))
        })
    }

    /// The configuration and the data directory, locked: the server must not run.
    fn open(&self) -> anyhow::Result<(Config, DataDir)> {
        let config = self.load(|_| ())?;
        lectern_base::log::init(&config.log);
        let data = DataDir::open(&config.storage.data)?;
        Ok((config, data))
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lectern: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve { place, listen, check } => {
            let config = place.load(|config| {
                if !listen.is_empty() {
                    config.http.listen = listen;
                }
            })?;
            if check {
                checked(&config)?;
                println!("the configuration is good");
                return Ok(ExitCode::SUCCESS);
            }
            machine::return_memory();
            runtime()?.block_on(serve::serve(config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Recorder(RecorderCommand::Check { dir, json }) => check_recordings(&dir, json),
        Command::Recorder(RecorderCommand::ConfirmClock { place }) => confirm_clock(&place.load(|_| ())?),
        Command::Evidence(command) => evidence::run(command),
        Command::Audit(command) => audit::run(command),
        Command::HealthWorker => {
            lectern_health::worker::run(std::io::stdin().lock(), std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::SoundWorker => {
            lectern_transcode::worker::run(std::io::stdin().lock(), std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Library(LibraryCommand::Rebuild { place, new }) => {
            let (config, data) = place.open()?;
            let archive::Rebuilt { recordings, places, aside } =
                runtime()?.block_on(archive::rebuild(&config, &data, new))?;
            if let Some(aside) = aside {
                println!("the old journal is kept as {}", aside.display());
                println!("nobody has an account now: the next start makes the first one and prints who may sign in");
            }
            if places > 0 {
                println!("{places} places were made again, as the recordings name them");
            }
            println!("the catalogue holds {recordings} recordings, as on disk");
            Ok(ExitCode::SUCCESS)
        }
        Command::User(command) => runtime()?.block_on(people::run(command)).map(|()| ExitCode::SUCCESS),
    }
}

/// What a start would fail on, without starting.
fn checked(config: &Config) -> anyhow::Result<()> {
    match DataDir::version(&config.storage.data)? {
        Some(found) if found > lectern_base::data_dir::FORMAT_VERSION => {
            let dir = config.storage.data.clone();
            Err(lectern_base::DataDirError::Newer { dir, found }.into())
        }
        _ => {
            archive::zone(config)?;
            tls::checked(config)
        }
    }
}

fn confirm_clock(config: &Config) -> anyhow::Result<ExitCode> {
    let dir = patrol::cameras_dir(&config.storage.data);
    anyhow::ensure!(dir.is_dir(), "{} is not there: no camera was ever recorded", dir.display());
    let now = lectern_media::UnixMillis::now();
    let says = jiff::Timestamp::from_millisecond(now.0).context("no clock says that")?;
    lectern_recorder::camera::confirm_clock(&dir, now)
        .with_context(|| format!("could not write into {}", dir.display()))?;
    let says = says.to_zoned(archive::zone(config)?);
    println!("within a minute days of footage are counted by this machine's clock: {says:.0}");
    Ok(ExitCode::SUCCESS)
}

fn check_recordings(dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(dir.is_dir(), "{} is not a directory", dir.display());
    let report = lectern_recorder::check(dir);
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("could not start the runtime")
}
