//! What a person's ssh_config says about a machine.
//!
//! It is asked of `ssh -G`, not parsed here: `Include`, `Match`, patterns, tokens, quoting and the
//! hundred options are OpenSSH's, in the version that the person has, and a second reader of them
//! would be wrong in places that matter (which key, which user, which machine). It costs one process
//! of a few milliseconds a machine; a `Match exec` runs its command, as it does for `ssh`. Nothing
//! is started where there is no configuration at all. Where there is one and no `ssh` command, that
//! is an error and not a silent difference from what `ssh` would do.
//!
//! `ssh -G` does not tell what was said from what is default, so the files are included into one of
//! ours that ends in values which stand for "not said". It also finds the person's file by the
//! account's home; `$HOME` counts here, as in all of a3.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::error::SshError;

/// Stands for "not said": what follows the files only counts where they say nothing.
const UNSAID: &str = "a3-unsaid";

/// `Match exec` may ask something slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// The files that configure ssh for whoever runs a3; none by default.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// In the order in which they count.
    pub files: Vec<PathBuf>,
}

/// What is said about one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What is dialled instead of the name; `None` without a configuration.
    pub(crate) hostname: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    /// With `~` and tokens as they were written.
    pub(crate) identity_files: Vec<String>,
    pub(crate) identities_only: bool,
    pub(crate) agent: Option<String>,
    pub(crate) known_hosts: Option<Vec<PathBuf>>,
    pub(crate) host_key_alias: Option<String>,
    /// `StrictHostKeyChecking` lets machines in that are not known yet.
    pub(crate) accepts_new: bool,
    pub(crate) proxy_jump: Option<String>,
    pub(crate) proxy_command: Option<String>,
}

impl Config {
    /// `~/.ssh/config` and the system's.
    pub fn of_user() -> Self {
        let own = std::env::home_dir().map(|home| home.join(".ssh/config"));
        Self { files: own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_config")]).collect() }
    }

    /// Asks about a machine by the name that the person uses. A user and port that are fixed already
    /// are told, so that `Match user` sees them.
    pub(crate) async fn ask(
        &self,
        host: &str,
        user: Option<&str>,
        port: Option<u16>,
    ) -> Result<Settings, SshError> {
        let files: Vec<&PathBuf> = self.files.iter().filter(|file| file.exists()).collect();
        // The system's file alone, without the command that reads it, is nobody's intention.
        let own = self.files.first().is_some_and(|file| file.exists());
        let Some(first) = files.first() else { return Ok(Settings::default()) };
        let error = |said: String| SshError::Config { host: host.to_owned(), said };
        let wrapper = wrapper(&files).map_err(|source| error(source.to_string()))?;
        let mut command = Command::new("ssh");
        command.arg("-T").arg("-G").arg("-F").arg(wrapper.path());
        if let Some(user) = user {
            command.args(["-l", user]);
        }
        if let Some(port) = port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", host]).stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(PATIENCE, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(source)) if source.kind() == std::io::ErrorKind::NotFound => {
                let file = PathBuf::clone(first);
                return if own { Err(SshError::ConfigUnread { file }) } else { Ok(Settings::default()) };
            }
            Ok(Err(source)) => return Err(error(source.to_string())),
            Err(_) => return Err(error(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        if !output.status.success() {
            return Err(error(complaint(&output.stderr, wrapper.path())));
        }
        Ok(read(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// The first of several values counts, except that keys add up; a file's own `Host` blocks end with it.
fn wrapper(files: &[&PathBuf]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut wrapper = tempfile::Builder::new().prefix("a3-ssh-config-").tempfile()?;
    for file in files {
        writeln!(wrapper, "Include \"{}\"", std::path::absolute(file)?.display())?;
    }
    for key in ["User", "IdentityFile", "IdentityAgent", "UserKnownHostsFile"] {
        writeln!(wrapper, "{key} {UNSAID}")?;
    }
    wrapper.flush()?;
    Ok(wrapper)
}

/// What `ssh` holds against a file, without the lines about ours.
fn complaint(stderr: &[u8], wrapper: &Path) -> String {
    let wrapper = wrapper.display().to_string();
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains(&wrapper)).collect();
    if lines.is_empty() { text.trim().to_owned() } else { lines.join("; ") }
}

fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    let said = |value: &str| Some(value.to_owned()).filter(|value| value != UNSAID);
    let unless_none = |value: &str| said(value).filter(|value| !value.eq_ignore_ascii_case("none"));
    let mut global = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else { continue };
        match key {
            "hostname" => settings.hostname = said(value),
            "port" => settings.port = value.parse().ok(),
            "user" => settings.user = said(value),
            "identityfile" => settings.identity_files.extend(unless_none(value)),
            "identitiesonly" => settings.identities_only = value == "yes",
            "identityagent" => settings.agent = said(value),
            "userknownhostsfile" => {
                settings.known_hosts = said(value).map(|value| paths(&value));
            }
            "globalknownhostsfile" => global = paths(value),
            "stricthostkeychecking" => {
                settings.accepts_new = matches!(value, "accept-new" | "false" | "no" | "off");
            }
            "hostkeyalias" => settings.host_key_alias = said(value),
            "proxyjump" => settings.proxy_jump = unless_none(value),
            "proxycommand" => settings.proxy_command = unless_none(value),
            _ => {}
        }
    }
    if let Some(own) = &mut settings.known_hosts {
        own.append(&mut global);
    }
    settings
}

fn paths(value: &str) -> Vec<PathBuf> {
    value.split_ascii_whitespace().filter(|path| *path != "none").map(PathBuf::from).collect()
}

/// Whose tokens are filled in (ssh_config(5), "TOKENS").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a> {
    /// As the person calls the machine.
    pub(crate) name: &'a str,
    /// What is dialled.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) user: &'a str,
}

impl Tokens<'_> {
    /// `%h` and the like; one that is not known stays as it is.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let token = if letter == '%' { letters.next() } else { None };
            match token {
                None => filled.push(letter),
                Some('%') => filled.push('%'),
                Some('h') => filled.push_str(self.host),
                Some('n') => filled.push_str(self.name),
                Some('p') => filled.push_str(&self.port.to_string()),
                Some('r') => filled.push_str(self.user),
                Some('u') => filled.push_str(&std::env::var("USER").unwrap_or_default()),
                Some('d') => filled.push_str(&home().display().to_string()),
                Some(other) => filled.extend(['%', other]),
            }
        }
        filled
    }

    /// A path with its tokens, `~/` and `${NAME}`.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        let mut text = self.fill(text);
        while let Some((before, rest)) = text.split_once("${") {
            let Some((name, after)) = rest.split_once('}') else { break };
            text = format!("{before}{}{after}", std::env::var(name).unwrap_or_default());
        }
        match text.strip_prefix("~/") {
            Some(rest) => home().join(rest),
            None => PathBuf::from(text),
        }
    }
}

fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_told_from_what_is() {
        let text = "user a3-unsaid\nhostname 10.0.0.9\nport 22\nidentityfile ~/.ssh/%h key\nidentityfile a3-unsaid\n\
                    identityagent a3-unsaid\nuserknownhostsfile a3-unsaid\nglobalknownhostsfile /etc/a /etc/b\n\
                    identitiesonly yes\nproxyjump none\n";
        let settings = read(text);
        assert_eq!(settings.user, None);
        assert_eq!(settings.hostname.as_deref(), Some("10.0.0.9"));
        assert_eq!(settings.identity_files, ["~/.ssh/%h key"]);
        assert_eq!((settings.agent, settings.known_hosts, settings.proxy_jump), (None, None, None));
        assert!(settings.identities_only);
        let settings = read("userknownhostsfile /a /b\nglobalknownhostsfile /c\nproxyjump a,b\n");
        assert_eq!(settings.known_hosts.unwrap(), ["/a", "/b", "/c"].map(PathBuf::from));
        assert_eq!(settings.proxy_jump.as_deref(), Some("a,b"));
    }

    #[test]
    fn tokens_are_those_of_the_machine() {
        let tokens = Tokens { name: "web", host: "10.0.0.9", port: 2200, user: "ann" };
        assert_eq!(tokens.fill("%r@%h:%p (%n) 100%% %z %"), "ann@10.0.0.9:2200 (web) 100% %z %");
        assert!(!tokens.path("~/.ssh/%h").starts_with("~"));
        assert_eq!(tokens.path("/keys/%n"), PathBuf::from("/keys/web"));
    }
}
