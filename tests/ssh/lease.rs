//! Who works on a machine: two contenders, and what happens to the one who sleeps.

use std::fs;
use std::path::Path;

use a3::explain::Explain as _;
use a3::host::Host;
use a3::record::lease::{self, LeaseError};
use a3::record::{Record, store};
use futures_util::future::join_all;

use crate::sshd::Sshd;
use crate::{Deployment, local, remote};

/// Ends the lease's time, as if it had not been renewed for long.
fn expire(folder: &str, number: u64) {
    let path = format!("{folder}/lease-{number}");
    let mut lease: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    lease["expires"] = 1.into();
    fs::write(path, format!("{lease}\n")).unwrap();
}

fn leases(folder: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains("lease")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_second_is_told_who_works_there() {
    let (sshd, deployment) = (Sshd::start(), Deployment::new());
    let folder = deployment.folder();
    let (one, other) = (remote(&sshd).await, local(Path::new("/")));
    store::ensure_folder(&one, &folder).await.unwrap();
    let held = lease::take(&one, &folder, "ann@laptop (7)").await.unwrap();
    assert_eq!(held.lease().number, 1);
    let error = lease::take(&other, &folder, "bob@desk (8)").await.unwrap_err();
    let LeaseError::Held { holder, expires_in, .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder, "ann@laptop (7)");
    assert!((1..=90).contains(expires_in), "{expires_in}");
    assert!(error.help().unwrap().contains("ends by itself in"));
    held.verify().await.unwrap();
    held.release().await.unwrap();
    let held = lease::take(&other, &folder, "bob@desk (8)").await.unwrap();
    assert_eq!(held.lease().number, 2, "numbers only grow");
    assert_eq!(leases(&folder), ["lease-2"]);
}

#[tokio::test]
async fn the_lease_of_a_process_that_died_here_is_taken_over_at_once() {
    let deployment = Deployment::new();
    let folder = deployment.folder();
    let host = local(Path::new("/"));
    store::ensure_folder(&host, &folder).await.unwrap();
    let (here, there) = ("00112233445566aa", "00112233445566bb");
    let died = lease::take_locked(&host, &folder, "ann@laptop (7)", here).await.unwrap();
    assert!(died.lease().is_of(here) && !died.lease().is_of(there) && !died.lease().is_of(""));
    for other in [there, ""] {
        let error = lease::take_locked(&host, &folder, "bob@desk (8)", other).await.unwrap_err();
        assert!(matches!(error, LeaseError::Held { .. }), "{error:?}");
    }
    let next = lease::take_locked(&host, &folder, "ann@laptop (9)", here).await.unwrap();
    assert_eq!(next.lease().number, 2);
    assert!(
        matches!(died.verify().await, Err(LeaseError::Lost { .. })),
        "should it live after all, it stops"
    );
}

#[tokio::test]
async fn of_many_at_once_one_gets_it() {
    let deployment = Deployment::new();
    let folder = deployment.folder();
    let host = local(Path::new("/"));
    store::ensure_folder(&host, &folder).await.unwrap();
    for round in 1..=3 {
        let takes = join_all((0..8).map(|n| {
            let (host, folder) = (host.clone(), folder.clone());
            async move { lease::take(&host, &folder, &format!("contender {n}")).await }
        }));
        let (won, lost): (Vec<_>, Vec<_>) = takes.await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{won:?}");
        for error in lost {
            assert!(matches!(error.unwrap_err(), LeaseError::Held { .. }));
        }
        let held = won.into_iter().next().unwrap().unwrap();
        assert_eq!(held.lease().number, round);
        held.verify().await.unwrap();
        held.release().await.unwrap();
    }
    assert_eq!(leases(&folder), ["lease-3"], "drafts are left over");
}

async fn sleeper(host: &Host, folder: &str) {
    let sleeper = lease::take(host, folder, "sleeper").await.unwrap();
    let number = sleeper.lease().number;
    expire(folder, number);
    // Expired, though nobody else wants it: no more steps.
    assert!(matches!(sleeper.verify().await, Err(LeaseError::Lost { holder: None, .. })));
    let next = lease::take(host, folder, "next").await.unwrap();
    assert_eq!(next.lease().number, number + 1);
    let error = sleeper.verify().await.unwrap_err();
    assert!(matches!(&error, LeaseError::Lost { holder: Some(holder), .. } if holder == "next"), "{error:?}");
    assert!(sleeper.is_lost());
    let error = store::write(&sleeper, &Record::default()).await.unwrap_err();
    assert!(matches!(error, LeaseError::Lost { .. }), "{error:?}");
    assert!(!Path::new(&format!("{folder}/record.json")).exists(), "it wrote");
    assert!(matches!(store::remove_folder(sleeper).await, Err(LeaseError::Lost { .. })));
    next.verify().await.unwrap();
    store::write(&next, &Record::default()).await.unwrap();
    store::remove_folder(next).await.unwrap();
    assert!(!Path::new(folder).exists());
}

#[tokio::test]
async fn a_holder_who_slept_does_no_harm() {
    let (sshd, deployment) = (Sshd::start(), Deployment::new());
    for host in [remote(&sshd).await, local(Path::new("/"))] {
        store::ensure_folder(&host, &deployment.folder()).await.unwrap();
        sleeper(&host, &deployment.folder()).await;
    }
}

#[tokio::test]
async fn a_release_does_not_touch_another_lease() {
    let deployment = Deployment::new();
    let folder = deployment.folder();
    let host = local(Path::new("/"));
    store::ensure_folder(&host, &folder).await.unwrap();
    let sleeper = lease::take(&host, &folder, "sleeper").await.unwrap();
    expire(&folder, 1);
    let next = lease::take(&host, &folder, "next").await.unwrap();
    sleeper.release().await.unwrap();
    next.verify().await.unwrap();
}

#[tokio::test]
async fn unlocking_takes_it_away() {
    let deployment = Deployment::new();
    let folder = deployment.folder();
    let host = local(Path::new("/"));
    store::ensure_folder(&host, &folder).await.unwrap();
    assert_eq!(lease::free(&host, &folder, "me").await.unwrap(), None);
    let held = lease::take(&host, &folder, "dead").await.unwrap();
    assert_eq!(lease::free(&host, &folder, "me").await.unwrap().unwrap().holder, "dead");
    assert!(matches!(held.verify().await, Err(LeaseError::Lost { .. })));
    assert_eq!(lease::free(&host, &folder, "me").await.unwrap(), None);
    assert_eq!(lease::take(&host, &folder, "me").await.unwrap().lease().number, 3);
}
