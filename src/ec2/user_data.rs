//! What a new instance's cloud-init gets: the person's data, and for a `ttl` a script of ours beside
//! it in one multipart.
//!
//! The script holds a duration, never a time: the same launch is the same request, which the client
//! token needs. It goes in as `text/x-shellscript`, which every cloud-init runs once an instance
//! (`text/x-shellscript-per-boot` needs 22.1), and installs itself as a per-boot script.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::CloudError;
use crate::plan::step::Launch;

/// What EC2 takes, before base64
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>).
pub(super) const LIMIT: usize = 16 * 1024;

/// The user data of a launch, in base64 as RunInstances takes it.
pub(super) fn encode(deployment: &str, launch: &Launch) -> Result<Option<String>, CloudError> {
    let own = launch.ttl.map(|ttl| ttl_script(deployment, Some(ttl), None));
    let data = match (own, &launch.user_data) {
        (None, None) => return Ok(None),
        (None, Some(data)) => data.clone(),
        (Some(script), data) => multipart(&script, data.as_deref()),
    };
    if data.len() > LIMIT {
        return Err(CloudError::UserData { slot: launch.slot.to_string(), bytes: data.len() });
    }
    Ok(Some(STANDARD.encode(data)))
}

/// Our script first, so that nothing in the person's data can keep it from running.
fn multipart(script: &str, data: Option<&str>) -> String {
    let parts: Vec<String> =
        [Some(part("text/x-shellscript", script)), data.map(users_part)].into_iter().flatten().collect();
    // From the content: no random value, and nothing in the content can hold it.
    let hash = sha2::Sha256::digest(parts.concat());
    let boundary = format!("a3-{}", data_encoding::HEXLOWER.encode(&hash[..16]));
    let mut whole = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n");
    for part in parts {
        whole.push_str(&format!("--{boundary}\n{part}\n"));
    }
    whole.push_str(&format!("--{boundary}--\n"));
    whole
}

/// The person's data as a part. A multipart of theirs is nested: cloud-init walks into it. For the
/// rest cloud-init goes by the first line, as it does without a multipart
/// (<https://docs.cloud-init.io/en/latest/explanation/format.html>).
fn users_part(data: &str) -> String {
    let begins =
        |prefix: &str| data.get(..prefix.len()).is_some_and(|found| found.eq_ignore_ascii_case(prefix));
    if begins("MIME-Version:") || begins("Content-Type: multipart/") {
        return data.to_owned();
    }
    let kinds = [
        ("#!", "text/x-shellscript"),
        ("#cloud-config-archive", "text/cloud-config-archive"),
        ("#cloud-config", "text/cloud-config"),
        ("#cloud-boothook", "text/cloud-boothook"),
        ("#include-once", "text/x-include-once-url"),
        ("#include", "text/x-include-url"),
        ("## template: jinja", "text/jinja2"),
        ("#part-handler", "text/part-handler"),
    ];
    let kind = kinds.into_iter().find(|(prefix, _)| begins(prefix)).map_or("text/plain", |(_, kind)| kind);
    part(kind, data)
}

fn part(kind: &str, content: &str) -> String {
    let head =
        format!("MIME-Version: 1.0\nContent-Type: {kind}; charset=\"utf-8\"\nContent-Transfer-Encoding: ");
    if content.is_ascii() {
        return format!("{head}7bit\n\n{content}");
    }
    let encoded = STANDARD.encode(content);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).flat_map(std::str::from_utf8).collect();
    format!("{head}base64\n\n{}\n", lines.join("\n"))
}

/// The script that ends an instance by itself, for `sh` as root on it.
///
/// It writes the deadline (first boot and `ttl`, in seconds since 1970; `never` for `None`) to
/// `/var/lib/a3/DEPLOYMENT/deadline`, installs a per-boot script that powers off at it, and starts
/// that one. `first_boot` (seconds since 1970) is what counts as the first boot if the instance has
/// no note of it: `None` in the user data, where that is now; the launch time for a `ttl` that is
/// changed later. Safe to repeat. Needs `sh` and coreutils; systemd is used where it runs.
pub fn ttl_script(deployment: &str, ttl: Option<Duration>, first_boot: Option<u64>) -> String {
    let quoted = shlex::try_quote(deployment).map(|text| text.into_owned()).unwrap_or_default();
    let note = match first_boot {
        None => "date +%s >\"$dir/first-boot\"".to_owned(),
        Some(at) => format!("[ -s \"$dir/first-boot\" ] || echo {at} >\"$dir/first-boot\""),
    };
    let deadline = match ttl {
        None => "never".to_owned(),
        Some(ttl) => format!("$(($(cat \"$dir/first-boot\") + {}))", ttl.as_secs()),
    };
    INSTALL
        .replace("@DEPLOYMENT@", &quoted)
        .replace("@NOTE@", &note)
        .replace("@DEADLINE@", &deadline)
        .replace("@PER_BOOT@", PER_BOOT)
}

/// A copy of the disk in another instance must not end that one, hence the instance id.
const INSTALL: &str = r#"#!/bin/sh
# a3: ends this instance a set time after its first boot, whatever happens to who launched it.
set -eu
name=@DEPLOYMENT@
dir=/var/lib/a3/$name
hook=/var/lib/cloud/scripts/per-boot/a3-ttl-$name
mkdir -p "$dir" "${hook%/*}"
@NOTE@
echo "@DEADLINE@" >"$dir/deadline.new"
mv "$dir/deadline.new" "$dir/deadline"
cat /var/lib/cloud/data/instance-id 2>/dev/null >"$dir/ttl-instance" || :
{ echo '#!/bin/sh'; echo "name='$name'"; cat; } >"$hook" <<'A3_PER_BOOT'
@PER_BOOT@
A3_PER_BOOT
chmod 755 "$hook"
"$hook"
"#;

/// Reads the deadline again and again, since a later apply may move it.
const PER_BOOT: &str = r#"dir=/var/lib/a3/$name
[ "$(cat "$dir/ttl-instance" 2>/dev/null)" = "$(cat /var/lib/cloud/data/instance-id 2>/dev/null)" ] || exit 0
if [ "${1:-}" != watch ]; then
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
    systemctl stop "a3-ttl-$name.service" 2>/dev/null
    systemd-run --quiet --unit="a3-ttl-$name" /bin/sh "$0" watch && exit 0
  fi
  old=$(cat "$dir/ttl-watcher" 2>/dev/null) && grep -qs a3-ttl "/proc/$old/cmdline" && exit 0
  setsid /bin/sh "$0" watch </dev/null >/dev/null 2>&1 &
  exit 0
fi
echo $$ >"$dir/ttl-watcher"
while [ -d "$dir" ]; do
  deadline=$(cat "$dir/deadline" 2>/dev/null)
  case $deadline in
    '' | *[!0-9]*) left=15 ;;
    *) left=$((deadline - $(date +%s))) ;;
  esac
  if [ "$left" -le 0 ]; then
    poweroff || shutdown -h now || systemctl poweroff --force --force
    left=15
  fi
  [ "$left" -gt 15 ] && left=15
  sleep "$left"
done"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2::launch::tests::launch;

    fn decoded(launch: &Launch) -> String {
        let encoded = encode("music", launch).unwrap().unwrap();
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn without_ttl_the_persons_data_goes_as_it_is() {
        let mut launch = launch();
        assert_eq!(encode("music", &launch).unwrap(), None);
        launch.user_data = Some("#!/bin/sh\necho hi\n".into());
        assert_eq!(decoded(&launch), "#!/bin/sh\necho hi\n");
    }

    #[test]
    fn with_ttl_both_go_in_one_multipart() {
        let mut launch = launch();
        launch.ttl = Some(Duration::from_secs(8 * 3600));
        launch.user_data = Some("#cloud-config\npackages: [jq]\n".into());
        let text = decoded(&launch);
        assert!(text.starts_with("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"a3-"));
        assert!(text.contains("Content-Type: text/x-shellscript;"));
        assert!(text.contains("Content-Type: text/cloud-config;"));
        assert!(text.contains("+ 28800))"));
        assert!(text.contains("\n\n#cloud-config\npackages: [jq]\n"));
        assert_eq!(text, decoded(&launch), "the same launch is the same request");
    }

    #[test]
    fn a_multipart_of_the_persons_is_nested() {
        let own = "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\n--x--\n";
        assert!(multipart("s", Some(own)).contains(&format!("\n{own}\n--a3-")));
    }

    #[test]
    fn what_is_not_ascii_is_encoded() {
        let text = multipart("s", Some("#!/bin/sh\necho ä\n"));
        assert!(text.is_ascii());
        assert!(text.contains(&STANDARD.encode("#!/bin/sh\necho ä\n")));
    }

    #[test]
    fn more_than_ec2_takes_is_refused_here() {
        let mut launch = launch();
        launch.user_data = Some("#".repeat(LIMIT + 1));
        let error = encode("music", &launch).unwrap_err();
        assert_eq!(error.to_string(), "the user data of web/0 has 16385 bytes, EC2 takes 16384");
    }

    /// Runs the script for real, in a folder instead of `/`, with a `poweroff` that leaves a note.
    fn run(root: &std::path::Path, script: &str) {
        let bin = root.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let poweroff = format!("#!/bin/sh\ntouch {0}/off; kill $PPID\n", root.display());
        std::fs::write(bin.join("poweroff"), poweroff).unwrap();
        let script = script
            .replace("/var/lib/", &format!("{}/", root.display()))
            .replace("/run/systemd/system", "/nonexistent");
        std::fs::write(root.join("script"), script).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let chmod = std::process::Command::new("chmod").arg("755").arg(bin.join("poweroff")).status();
        assert!(chmod.unwrap().success());
        let status = std::process::Command::new("sh").arg(root.join("script")).env("PATH", path).status();
        assert!(status.unwrap().success());
    }

    fn appears(path: &std::path::Path) -> bool {
        for _ in 0..50 {
            if path.exists() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }

    #[test]
    fn the_deadline_is_written_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &ttl_script("music", Some(Duration::from_secs(1)), None));
        let read = |name: &str| std::fs::read_to_string(folder.path().join("a3/music").join(name)).unwrap();
        let first: u64 = read("first-boot").trim().parse().unwrap();
        assert_eq!(read("deadline").trim().parse::<u64>().unwrap(), first + 1);
        assert!(appears(&folder.path().join("off")));
    }

    #[test]
    fn a_changed_ttl_counts_from_the_first_boot_and_never_is_never() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &ttl_script("music", None, Some(1000)));
        let read = |name: &str| std::fs::read_to_string(folder.path().join("a3/music").join(name)).unwrap();
        assert_eq!(read("deadline").trim(), "never");
        assert!(appears(&folder.path().join("a3/music/ttl-watcher")));
        let watcher = read("ttl-watcher");
        run(folder.path(), &ttl_script("music", Some(Duration::from_secs(5)), Some(2000)));
        assert_eq!(read("deadline").trim(), "1005");
        assert_eq!(read("ttl-watcher"), watcher, "one watcher only");
        // It sleeps at most 15 s before it reads the deadline again; that is not waited for here.
        let killed = std::process::Command::new("kill").arg(watcher.trim()).status();
        assert!(killed.unwrap().success());
    }
}
