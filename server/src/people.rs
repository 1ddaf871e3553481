//! `lectern user …`: accounts, while the server is stopped. While it runs, its web page does the same.

use crate::{Place, archive, patrol_audit::AuditLog};
use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use lectern_auth::{OneTimeToken, Redacted, Role, RoleAt, TokenPurpose};
use lectern_library::{Account, Library};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use lectern_protocol::api::AuditAction;
use lectern_recorder::Signer;
use lectern_signaling::patrol::{
    ports::Audit as _,
    trail::{Act, What, Who},
};
use std::{path::Path, sync::Arc};

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Makes an account and prints the link by which its owner chooses a password.
    Add {
        #[command(flatten)]
        place: Place,
        /// Log-in name.
        login: String,
        /// Name to show; the log-in name if it is left out.
        #[arg(long)]
        name: Option<String>,
        /// What they may do.
        #[arg(long, value_enum, default_value = "administrator")]
        role: RoleName,
        /// Where; the root of the tree if it is left out.
        #[arg(long)]
        at: Option<PlaceId>,
    },
    /// Prints a link by which somebody who lost the password chooses a new one. Ends their sessions when it is used.
    Reset {
        #[command(flatten)]
        place: Place,
        /// Log-in name.
        login: String,
    },
}

/// A role as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleName {
    /// Manages people, places and settings.
    Administrator,
    /// Teaches classes.
    Teacher,
    /// Attends classes.
    Student,
    /// Searches, watches and reviews recordings.
    Staff,
    /// Looks at exam sites through their cameras.
    #[value(alias = "examiner")]
    PatrolOfficer,
    /// Runs the cameras of one site and looks through them.
    SiteAdministrator,
    /// Places, cameras, accounts, settings; looks at no picture.
    SystemAdministrator,
    /// Roles, rules of looking, second factors; looks at no picture.
    SecurityAdministrator,
    /// Reads the audit log, nothing else.
    AuditAdministrator,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Administrator => Self::Administrator,
            RoleName::Teacher => Self::Teacher,
            RoleName::Student => Self::Student,
            RoleName::Staff => Self::Staff,
            RoleName::PatrolOfficer => Self::PatrolOfficer,
            RoleName::SiteAdministrator => Self::SiteAdministrator,
            RoleName::SystemAdministrator => Self::SystemAdministrator,
            RoleName::SecurityAdministrator => Self::SecurityAdministrator,
            RoleName::AuditAdministrator => Self::AuditAdministrator,
        }
    }
}

/// Carries a command out.
pub async fn run(command: UserCommand) -> anyhow::Result<()> {
    let now = UnixMillis::now();
    match command {
        UserCommand::Add { place, login, name, role, at } => {
            let (library, data) = open(&place).await?;
            // The root of the tree, if there is none yet.
            if let Some(first) = library.first_run(now).await.context("could not make the first account")? {
                println!("made the first account: login {} password {}", first.login, first.password.expose());
            }
            let at = at.or_else(|| library.tree().root()).context("there is no place yet")?;
            let account = Account {
                id: AccountId::generate(),
                name: Redacted(name.unwrap_or_else(|| login.clone())),
                login,
                roles: vec![RoleAt { role: role.into(), place: at }],
                disabled: false,
                password: None,
                created: now,
            };
            let id = account.id;
            let place = library.tree().get(at).map(|p| p.name.clone()).unwrap_or_default();
            let detail = format!("made {} on the command line: {:?} {place}", account.login, account.roles[0].role);
            library.store().create_account(account).await.context("could not make the account")?;
            write_down(data.path(), library.zone().clone(), detail, now).await?;
            print_link(&library, id, TokenPurpose::Invite, now).await
        }
        UserCommand::Reset { place, login } => {
            let (library, data) = open(&place).await?;
            let account = library.store().account_by_login(&login).await.context("could not read the catalogue")?;
            let account = account.with_context(|| format!("there is no account with the log-in name {login}"))?;
            let detail = format!("link to choose a password for {}, on the command line", account.login);
            write_down(data.path(), library.zone().clone(), detail, now).await?;
            print_link(&library, account.id, TokenPurpose::Reset, now).await
        }
    }
}

async fn open(place: &Place) -> anyhow::Result<(Library, lectern_base::DataDir)> {
    let (config, data) = place.open()?;
    Ok((archive::open_library(&config, &data).await?, data))
}

/// Whoever has the machine may do this, and whoever reads the audit log sees that it was done.
async fn write_down(data: &Path, zone: TimeZone, detail: String, now: UnixMillis) -> anyhow::Result<()> {
    let signer = Signer::load_or_create(&data.join("signing-key")).context("could not read the signing key")?;
    let log = AuditLog::open(data, Arc::new(signer), zone).await?;
    let act = Act::new(now, Who::default(), AuditAction::RightsChanged, What::default(), detail);
    log.append(&[act]).await.context("could not write the audit log")?;
    log.0.close().await;
    Ok(())
}

async fn print_link(library: &Library, id: AccountId, purpose: TokenPurpose, now: UnixMillis) -> anyhow::Result<()> {
    let (text, token) = OneTimeToken::issue(id, purpose, now);
    library.store().put_token(token).await.context("could not keep the link")?;
    println!("open this page of the server to choose a password:  /welcome#{}", text.expose());
    library.store().close().await;
    Ok(())
}
