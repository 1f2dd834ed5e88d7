//! Files on their way to a machine, remote and local alike.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Mutex;

use a3::event::Activity;
use a3::explain::Explain as _;
use a3::host::{Host, HostError, Removal, Upload};
use a3::id::Digest;
use tempfile::TempDir;

use crate::sshd::Sshd;
use crate::{local, remote};

fn upload(source: &Path, content: &[u8], target: &Path, mode: u32) -> Upload {
    fs::write(source, content).unwrap();
    Upload {
        source: source.to_owned(),
        target: target.display().to_string(),
        mode,
        size: content.len() as u64,
        digest: Digest::of(content),
        sudo: false,
    }
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn many_small_files_and_a_large_one() {
    let sshd = Sshd::start();
    let there = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let mut files: Vec<Upload> = (0..100)
        .map(|n| {
            let content = format!("content of {n}").repeat(n);
            let target = there.path().join(format!("folder {}/it's \"{n}\" $HOME", n % 7));
            upload(&here.path().join(n.to_string()), content.as_bytes(), &target, 0o640)
        })
        .collect();
    let large: Vec<u8> =
        (0..64_u32 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    files.push(upload(&here.path().join("large"), &large, &there.path().join("large.bin"), 0o755));

    let heard = Mutex::new(Vec::new());
    let sink = |activity| heard.lock().unwrap().push(activity);
    remote(&sshd).await.upload(&files, &sink).await.unwrap();

    for file in &files {
        assert!(fs::read(&file.target).unwrap() == fs::read(&file.source).unwrap(), "{}", file.target);
        assert_eq!(mode(Path::new(&file.target)), file.mode);
    }
    let count = (0..7).map(|n| names(&there.path().join(format!("folder {n}"))).len()).sum::<usize>();
    assert_eq!(count, 100, "something is left over");
    let heard = heard.into_inner().unwrap();
    let last = heard.iter().rev().find_map(|activity| match activity {
        Activity::Progress { part, done, total, status } if part.ends_with("large.bin") => {
            Some((*done, *total, status.as_str()))
        }
        _ => None,
    });
    assert_eq!(last, Some((64 << 20, Some(64 << 20), "copied")));
}

async fn replaces_in_one_step(host: &Host) {
    let there = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let target = there.path().join("music.csv");
    let first = upload(&here.path().join("a"), b"first", &target, 0o600);
    host.upload(&[first], &|_| {}).await.unwrap();
    let before = fs::metadata(&target).unwrap().ino();
    assert_eq!(mode(&target), 0o600);
    // A leftover of an interrupted run is no hindrance.
    fs::write(there.path().join(".music.csv.a3-new"), "half").unwrap();
    let second = upload(&here.path().join("a"), b"second", &target, 0o644);
    host.upload(&[second], &|_| {}).await.unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"second");
    assert_eq!(mode(&target), 0o644);
    assert_ne!(fs::metadata(&target).unwrap().ino(), before, "the file was written in place");
    assert_eq!(names(there.path()), ["music.csv"]);

    // A link is replaced, what it points to is not touched.
    fs::write(there.path().join("other"), "other").unwrap();
    let link = there.path().join("link");
    symlink(there.path().join("other"), &link).unwrap();
    let third = upload(&here.path().join("a"), b"", &link, 0o644);
    host.upload(&[third], &|_| {}).await.unwrap();
    assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(there.path().join("other")).unwrap(), b"other");
}

#[tokio::test]
async fn a_file_that_exists_is_replaced_in_one_step() {
    let sshd = Sshd::start();
    replaces_in_one_step(&remote(&sshd).await).await;
    replaces_in_one_step(&local(Path::new("/"))).await;
}

async fn refuses(host: &Host) {
    let there = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let folder = there.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let good = upload(&here.path().join("good"), b"good", &there.path().join("good"), 0o644);
    let bad = upload(&here.path().join("bad"), b"bad", &folder, 0o644);
    let error = host.upload(&[good.clone(), bad], &|_| {}).await.unwrap_err();
    assert!(matches!(error, HostError::TargetIsFolder { .. }), "{error:?}");
    assert!(error.help().unwrap().ends_with("folder/"));

    // Even root cannot make a folder below a file.
    let below = upload(&here.path().join("bad"), b"bad", Path::new("/proc/version/x"), 0o644);
    let error = host.upload(&[good.clone(), below], &|_| {}).await.unwrap_err();
    assert!(matches!(error, HostError::NotWritable { .. }), "{error:?}");
    assert!(error.help().unwrap().contains("sudo: true"));

    fs::write(here.path().join("good"), "edited meanwhile").unwrap();
    let error = host.upload(&[good], &|_| {}).await.unwrap_err();
    assert!(matches!(error, HostError::SourceChanged { .. }), "{error:?}");
    assert_eq!(names(there.path()), ["folder"], "something was written");
}

#[tokio::test]
async fn what_cannot_be_written_is_found_before_anything_is() {
    let sshd = Sshd::start();
    refuses(&remote(&sshd).await).await;
    refuses(&local(Path::new("/"))).await;
}

async fn sudo_and_removal(host: &Host) {
    let there: TempDir = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let target = there.path().join("deep/er/file");
    let mut file = upload(&here.path().join("a"), b"root's", &target, 0o604);
    file.sudo = true;
    let plain = upload(&here.path().join("b"), b"mine", &there.path().join("deep/mine"), 0o644);
    host.upload(&[plain, file], &|_| {}).await.unwrap();
    assert_eq!((fs::read(&target).unwrap(), mode(&target)), (b"root's".to_vec(), 0o604));
    assert_eq!(names(target.parent().unwrap()), ["file"]);

    let removal = |name: &str, sudo| Removal { target: there.path().join(name).display().to_string(), sudo };
    let gone = [removal("deep/er/file", true), removal("deep/mine", false), removal("never/there", false)];
    host.remove_files(&gone).await.unwrap();
    assert!(!target.exists() && !there.path().join("deep/mine").exists());
    let error = host.remove_files(&[removal("deep", false)]).await.unwrap_err();
    assert!(matches!(error, HostError::NotRemoved { .. }), "{error:?}");
    host.remove_empty_folders(&gone).await.unwrap();
}

#[tokio::test]
async fn files_of_root_and_their_end() {
    let sshd = Sshd::start();
    sudo_and_removal(&remote(&sshd).await).await;
    sudo_and_removal(&local(Path::new("/"))).await;
}

#[tokio::test]
async fn empty_folders_go_and_others_stay() {
    let base = tempfile::tempdir().unwrap();
    let host = local(base.path());
    fs::create_dir_all(base.path().join("a/b/c")).unwrap();
    fs::create_dir_all(base.path().join("full")).unwrap();
    fs::write(base.path().join("full/x"), "").unwrap();
    let removal = |name: &str| Removal { target: base.path().join(name).display().to_string(), sudo: false };
    let outside = Removal { target: "/tmp/never-there/x".into(), sudo: false };
    host.remove_empty_folders(&[removal("a/b/c/file"), removal("full/y"), removal("top"), outside])
        .await
        .unwrap();
    assert_eq!(names(base.path()), ["full"]);
}
