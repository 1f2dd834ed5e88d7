//! What a machine says about itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use a3::host::{Ask, AskedFile, FolderState, Host, HostError};
use a3::id::Digest;
use a3::observed::FileSeen;
use a3::record::{CopiedFile, Record, lease, store};
use secrecy::ExposeSecret as _;

use crate::sshd::Sshd;
use crate::{Deployment, local, remote};

fn plain(path: impl Into<String>) -> AskedFile {
    AskedFile { path: path.into(), sudo: false }
}

async fn files_are_described(host: &Host, relative: &Path) {
    let deployment = Deployment::new();
    let folder = tempfile::tempdir_in(relative).unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("it's $HOME\\n"), "content").unwrap();
    fs::set_permissions(path("it's $HOME\\n"), fs::Permissions::from_mode(0o4640)).unwrap();
    fs::write(path("root's"), "").unwrap();
    symlink(path("root's"), path("link")).unwrap();
    symlink(path("nothing"), path("dangling")).unwrap();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let ask = Ask::new(
        &deployment.name,
        vec![
            AskedFile { path: path("root's").display().to_string(), sudo: true },
            plain(format!("{name}/it's $HOME\\n")),
            plain(format!("./{name}/../{name}/link")),
            plain(path("dangling").display().to_string()),
            plain(folder.path().display().to_string()),
            plain(format!("{name}/nothing here")),
            plain("~/surely/nothing/here"),
        ],
    );
    let facts = host.facts(&ask).await.unwrap();
    let seen = |name: &str| &facts.files[&path(name).display().to_string()];
    let file = |content: &[u8], mode| FileSeen::File { digest: Digest::of(content), mode };
    assert_eq!(*seen("it's $HOME\\n"), file(b"content", 0o4640));
    assert_eq!(*seen("root's"), file(b"", 0o644));
    assert_eq!(*seen("link"), file(b"", 0o644));
    assert_eq!(*seen("dangling"), FileSeen::Other);
    assert_eq!(facts.files[folder.path().to_str().unwrap()], FileSeen::Other);
    assert_eq!(*seen("nothing here"), FileSeen::Absent);
    assert_eq!(facts.files[&format!("{}/surely/nothing/here", facts.home)], FileSeen::Absent);
    assert_eq!(facts.files.len(), 7);
    assert_eq!(facts.base, relative.display().to_string());
}

#[tokio::test]
async fn files_are_described_by_digest_and_mode() {
    let sshd = Sshd::start();
    let home = std::env::home_dir().unwrap();
    files_are_described(&remote(&sshd).await, &home).await;
    let base = tempfile::tempdir().unwrap();
    files_are_described(&local(base.path()), base.path()).await;
}

#[tokio::test]
async fn a_machine_without_a3_says_where_the_folder_would_be() {
    let deployment = Deployment::new();
    let sshd = Sshd::start();
    let facts = remote(&sshd).await.facts(&Ask::new(&deployment.name, Vec::new())).await.unwrap();
    let machine = String::from_utf8(Command::new("uname").arg("-m").output().unwrap().stdout).unwrap();
    assert_eq!(facts.arch, machine.trim().parse().unwrap());
    assert_eq!((facts.folder.path, facts.folder.state), (deployment.folder(), FolderState::Absent));
    assert!(facts.sudo && facts.record.is_none() && facts.key.is_none() && facts.lease.is_none());
    assert!(facts.disk_free.unwrap() > 1 << 20);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(facts.now.abs_diff(now) < 60);
    assert!(!Path::new(&deployment.folder()).exists(), "looking made something");
}

#[tokio::test]
async fn what_was_written_down_is_read_again() {
    let deployment = Deployment::new();
    let sshd = Sshd::start();
    let host = remote(&sshd).await;
    let folder = deployment.folder();
    let key = store::ensure_folder(&host, &folder).await.unwrap();
    let again = store::ensure_folder(&host, &folder).await.unwrap();
    assert_eq!(key.expose_secret(), again.expose_secret());
    assert_eq!(key.expose_secret().len(), 64);
    let mode = |name: &str| fs::metadata(format!("{folder}/{name}")).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("key")), (0o770, 0o640));

    let held = lease::take(&host, &folder, "it's \"me\" \\ (1)").await.unwrap();
    let mut record = Record { version: 1, ..Record::default() };
    let left = tempfile::NamedTempFile::new().unwrap();
    let copied = CopiedFile { service: "s2".into(), digest: Digest::of(b"x"), mode: 0o644, sudo: false };
    record.files.insert(left.path().display().to_string(), copied);
    store::write(&held, &record).await.unwrap();
    assert_eq!(mode("record.json"), 0o660);

    let facts = host.facts(&Ask::new(&deployment.name, Vec::new())).await.unwrap();
    assert_eq!(facts.record, Some(record.clone()));
    assert_eq!(facts.key.unwrap().expose_secret(), key.expose_secret());
    assert_eq!(facts.lease.as_ref(), Some(held.lease()));
    assert_eq!(facts.lease.unwrap().holder, "it's \"me\" \\ (1)");
    assert_eq!(facts.folder.state, FolderState::Usable);
    // A file that only the record knows is looked at too.
    let left = &facts.files[&left.path().display().to_string()];
    assert!(matches!(left, FileSeen::File { .. }), "{left:?}");

    // A large record comes through whole.
    for n in 0..3000 {
        let copied = CopiedFile { service: "s2".into(), digest: Digest::of(b"x"), mode: 0o644, sudo: false };
        record.files.insert(format!("/nowhere/{n}/it's"), copied);
    }
    store::write(&held, &record).await.unwrap();
    held.release().await.unwrap();
    let facts = host.facts(&Ask::new(&deployment.name, Vec::new())).await.unwrap();
    assert!(facts.record == Some(record));
    assert_eq!(facts.files.len(), 3001);
    assert_eq!(facts.lease, None, "a lease that was given back is in force");
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_named() {
    let deployment = Deployment::new();
    let host = local(Path::new("/"));
    fs::create_dir_all(deployment.folder()).unwrap();
    let record = format!("{}/record.json", deployment.folder());
    let ask = Ask::new(&deployment.name, Vec::new());
    fs::write(&record, "{ not json").unwrap();
    let error = host.facts(&ask).await.unwrap_err();
    assert!(matches!(error, HostError::Record { .. }), "{error:?}");
    fs::write(&record, r#"{"version": 2, "files": {}, "in_place": {}, "releases": []}"#).unwrap();
    let error = host.facts(&ask).await.unwrap_err();
    assert!(matches!(error, HostError::NewerRecord { version: 2, .. }), "{error:?}");
}

#[tokio::test]
async fn the_scripts_are_posix() {
    // What runs on a machine is in the hands of its sh: Debian's is dash, Alpine's is busybox.
    let shells: Vec<&[&str]> = [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]]
        .into_iter()
        .filter(|shell| Command::new(shell[0]).args(&shell[1..]).args(["-c", "true"]).status().is_ok())
        .collect();
    assert!(shells.len() >= 2);
    for folder in ["src/host/scripts", "src/record/scripts"] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            for shell in &shells {
                let status = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&path).status().unwrap();
                assert!(status.success(), "{shell:?} does not read {}", path.display());
            }
        }
    }
}
