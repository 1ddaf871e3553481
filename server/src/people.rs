//! `lectern user …`: accounts, while the server is stopped. While it runs, its web page does the same.

use crate::{Place, archive};
use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use lectern_auth::{OneTimeToken, Redacted, Role, RoleAt, TokenPurpose};
use lectern_library::{Account, Library};
use lectern_media::{AccountId, PlaceId, UnixMillis};

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
            let (library, _data) = open(&place).await?;
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
            library.store().create_account(account).await.context("could not make the account")?;
            print_link(&library, id, TokenPurpose::Invite, now).await
        }
        UserCommand::Reset { place, login } => {
            let (library, _data) = open(&place).await?;
            let account = library.store().account_by_login(&login).await.context("could not read the catalogue")?;
            let account = account.with_context(|| format!("there is no account with the log-in name {login}"))?;
            print_link(&library, account.id, TokenPurpose::Reset, now).await
        }
    }
}

async fn open(place: &Place) -> anyhow::Result<(Library, lectern_base::DataDir)> {
    let (config, data) = place.open()?;
    Ok((archive::open_library(&config, &data).await?, data))
}

async fn print_link(library: &Library, id: AccountId, purpose: TokenPurpose, now: UnixMillis) -> anyhow::Result<()> {
    let (text, token) = OneTimeToken::issue(id, purpose, now);
    library.store().put_token(token).await.context("could not keep the link")?;
    println!("open this page of the server to choose a password:  /welcome#{}", text.expose());
    library.store().close().await;
    Ok(())
}
