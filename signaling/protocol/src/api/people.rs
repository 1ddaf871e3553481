//! Places, people, signing in.

use lectern_media::{AccountId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

words! {
    /// The levels of the one tree of places.
    pub enum PlaceLevel {
        /// Nation.
        Nation,
        /// Province.
        Province,
        /// City.
        City,
        /// District or county.
        District,
        /// School.
        School,
        /// Exam site.
        ExamSite,
        /// Class (a group of pupils with its own classroom).
        Class,
    }
}

words! {
    /// What somebody is at a place and everywhere below it; a student only at exactly that place.
    pub enum Role {
        /// Manages people, places and settings.
        Administrator,
        /// Teaches classes.
        Teacher,
        /// Attends classes.
        Student,
        /// Searches, watches and reviews recordings.
        Staff,
        /// 巡查员: looks at exam sites through their cameras.
        PatrolOfficer,
        /// 考点管理员: runs the cameras of one site and looks through them.
        SiteAdministrator,
        /// 系统管理员: places, cameras, accounts, settings; looks at no picture.
        SystemAdministrator,
        /// 安全管理员: roles, rules of looking, second factors; looks at no picture.
        SecurityAdministrator,
        /// 审计管理员: reads the audit log, nothing else.
        AuditAdministrator,
    }
}

body! {
    /// A node of the tree.
    pub struct Place {
        /// Id.
        pub id: PlaceId,
        /// Parent; the root has none.
        pub parent: Option<PlaceId>,
        /// Level.
        pub level: PlaceLevel,
        /// Name.
        pub name: String,
    }
}

body! {
    /// Makes a place.
    pub struct NewPlace {
        /// Parent.
        pub parent: PlaceId,
        /// Level, below the parent's.
        pub level: PlaceLevel,
        /// Name, 1 to 100 characters.
        pub name: String,
    }
}

body! {
    /// A role held at a place.
    pub struct RoleAt {
        /// Role.
        pub role: Role,
        /// Where, and everywhere below; a student only at exactly this place.
        pub place: PlaceId,
    }
}

body! {
    /// A person's account, without secrets.
    pub struct Account {
        /// Id.
        pub id: AccountId,
        /// Log-in name.
        pub login: String,
        /// Name to show.
        pub name: String,
        /// What they may do, where.
        pub roles: Vec<RoleAt>,
        /// Disabled accounts can't sign in.
        pub disabled: bool,
        /// Invited, but has not chosen a password yet.
        pub invited: bool,
    }
}

body! {
    /// Makes an account; the person chooses a password through the invitation link in the answer.
    pub struct NewAccount {
        /// Log-in name, 2 to 64 characters.
        pub login: String,
        /// Name to show, 1 to 100 characters.
        pub name: String,
        /// Roles, each at a place that the caller administers.
        pub roles: Vec<RoleAt>,
    }
}

secret_body! {
    /// An account with the link by which the person chooses a password. Valid once, for seven days.
    pub struct Invitation {
        /// The account.
        pub account: Account,
        /// Path of the page, with the token in the fragment: `/welcome#…`.
        pub link: String,
        /// Until when.
        pub expires: UnixMillis,
    }
}

secret_body! {
    /// Signs in.
    pub struct SignIn {
        /// Log-in name.
        pub login: String,
        /// Password.
        pub password: String,
    }
}

secret_body! {
    /// Chooses a password with an invitation or reset token.
    pub struct ChoosePassword {
        /// The token of the link.
        pub token: String,
        /// The new password, 10 to 200 characters.
        pub password: String,
    }
}

secret_body! {
    /// Changes one's own password. All other sessions end.
    pub struct ChangePassword {
        /// The password until now.
        pub old: String,
        /// The new password, 10 to 200 characters.
        pub new: String,
    }
}

body! {
    /// Renames a place.
    pub struct PlaceChange {
        /// Name, 1 to 100 characters.
        pub name: String,
    }
}

body! {
    /// Changes an account; what is absent stays.
    pub struct AccountChange {
        /// Name to show, 1 to 100 characters.
        pub name: Option<String>,
        /// All roles. Each that is added or taken away must be at a place that the caller administers.
        pub roles: Option<Vec<RoleAt>>,
        /// Disabled accounts can't sign in, and their sessions end.
        pub disabled: Option<bool>,
    }
}

secret_body! {
    /// Who is signed in. `csrf` goes back in the header `x-csrf-token` of every request that changes something.
    pub struct Me {
        /// The account.
        pub account: Account,
        /// The token.
        pub csrf: String,
        /// Whether the account may see a camera somewhere, or add one: whether the pages of exam patrol are for it.
        pub patrol: bool,
        /// Its second factor.
        pub factor: super::FactorState,
        /// The service's time zone (IANA name, `Asia/Shanghai`): its days and times of day are in it, wherever the caller is.
        pub zone: String,
    }
}
