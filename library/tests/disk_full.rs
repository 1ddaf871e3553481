//! A full disk: writing is refused, reading goes on, nothing acknowledged is lost, and after a restart with room it is
//! written again. On a small tmpfs in a mount namespace of the test's own thread; needs root, says so without.

use lectern_auth::Redacted;
use lectern_library::{Account, SledStore, Store as _, StoreError, store::People as _};
use lectern_media::{AccountId, UnixMillis};
use std::{
    path::Path,
    process::{Command, Stdio},
};

fn sh(command: &str, args: &[&str]) -> bool {
    let done = Command::new(command).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn account(login: String) -> Account {
    Account {
        id: AccountId::generate(),
        login,
        name: Redacted("长".repeat(20_000)),
        roles: vec![],
        disabled: false,
        password: None,
        created: UnixMillis(0),
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mount = dir.path().to_str().unwrap();
    // SAFETY: both calls take no pointers; unshare changes only this thread.
    let alone = unsafe { libc::geteuid() == 0 && libc::unshare(libc::CLONE_NEWNS) == 0 };
    if !(alone
        && sh("mount", &["--make-rprivate", "/"])
        && sh("mount", &["-t", "tmpfs", "-o", "size=6m", "tmpfs", mount]))
    {
        // A test that never runs protects nothing.
        assert!(std::env::var("CI").as_deref() != Ok("true"), "not run under CI: no root or no loop devices");
        println!("skipped: no root: a full disk is not tested here");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let catalogue = Path::new(mount).join("catalogue");
    let written = runtime.block_on(fill(&catalogue));
    assert!(sh("mount", &["-o", "remount,size=64m", mount]));
    runtime.block_on(async {
        let store = SledStore::open(&catalogue).unwrap();
        assert_eq!(store.accounts(None, usize::MAX).await.unwrap().len(), written, "acknowledged is there");
        store.create_account(account("afterwards".into())).await.unwrap();
        store.close().await;
    });
    drop(runtime);
    // Lazily: the index that failed stays open until the process ends.
    assert!(sh("umount", &["-l", mount]));
}

/// Writes until it is refused; tells how many were acknowledged.
async fn fill(catalogue: &Path) -> usize {
    let store = SledStore::open(catalogue).unwrap();
    for written in 0..1_000 {
        let Err(refused) = store.create_account(account(format!("person-{written}"))).await else { continue };
        assert!(matches!(refused, StoreError::DiskFull | StoreError::Closed), "{refused}");
        assert_eq!(store.accounts(None, usize::MAX).await.unwrap().len(), written, "reading goes on");
        assert!(store.account_by_login("person-0").await.unwrap().is_some());
        store.close().await;
        return written;
    }
    panic!("60 MB fit on a disk of 6");
}
