//! The way to a machine: what deploy.yaml says of it, then what ssh_config says, then what is usual.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{Settings, Tokens};
use super::error::SshError;
use super::host_key::{Dialled, HostKeys};
use super::key::Keyring;
use super::known_hosts;

/// More jump hosts one after the other are a configuration that leads in circles.
const MOST_HOPS: usize = 8;

/// How to reach a machine.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the person calls it.
    pub host: String,
    /// The name or address that is dialled, where that is another one.
    pub hostname: Option<String>,
    /// Its ssh port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// The one private key; `None` asks the agent and `identities`.
    pub identity_file: Option<PathBuf>,
    /// Keys that may fit; without any, the usual files.
    pub identities: Vec<PathBuf>,
    /// Whether the agent's other keys are left alone.
    pub identities_only: bool,
    /// Which host keys are accepted.
    pub host_keys: HostKeys,
    /// Its name in known_hosts files, where that is another one.
    pub host_key_alias: Option<String>,
    /// How its port is reached.
    pub via: Via,
    /// From the first packet until keys are exchanged.
    pub connect_timeout: Duration,
    /// What this machine's user has to offer.
    pub keyring: Keyring,
}

/// How a machine's port is reached.
#[derive(Clone, Debug, Default)]
pub enum Via {
    /// It is dialled.
    #[default]
    Direct,
    /// From another machine.
    Jump(Box<Target>),
    /// A command's input and output lead there.
    Command(String),
}

impl Target {
    /// Port 22, 10 s, the user's own keyring, dialled; no configuration is asked.
    pub fn new(host: impl Into<String>, user: impl Into<String>, host_keys: HostKeys) -> Self {
        Self {
            host: host.into(),
            hostname: None,
            port: 22,
            user: user.into(),
            identity_file: None,
            identities: Vec::new(),
            identities_only: false,
            host_keys,
            host_key_alias: None,
            via: Via::Direct,
            connect_timeout: Duration::from_secs(10),
            keyring: Keyring::of_user(),
        }
    }

    /// The name or address that is dialled.
    pub fn address(&self) -> &str {
        self.hostname.as_deref().unwrap_or(&self.host)
    }

    /// `192.0.2.7:22`, or `web (192.0.2.7:22)`.
    pub(crate) fn at(&self) -> String {
        let at = if self.address().contains(':') {
            format!("[{}]:{}", self.address(), self.port)
        } else {
            format!("{}:{}", self.address(), self.port)
        };
        if self.address() == self.host { at } else { format!("{} ({at})", self.host) }
    }

    /// The `ssh` command that goes there.
    pub(crate) fn login(&self) -> String {
        let port = if self.port == 22 { String::new() } else { format!("-p {} ", self.port) };
        format!("ssh {port}{}@{}", self.user, self.host)
    }

    pub(crate) fn dialled(&self) -> Dialled {
        let (name, principal) = match &self.host_key_alias {
            Some(alias) => (alias.to_lowercase(), alias.to_lowercase()),
            None => (known_hosts::name(self.address(), self.port), self.address().to_lowercase()),
        };
        Dialled { host: self.host.clone(), name, principal, login: self.login() }
    }

    pub(crate) fn timed_out(&self) -> SshError {
        SshError::TimedOut { at: self.at(), seconds: self.connect_timeout.as_secs() }
    }
}

/// What is said about a machine before ssh_config is asked: it wins, except for `usual_user`.
#[derive(Clone, Debug)]
pub struct Route {
    /// As the person calls it.
    pub host: String,
    /// Who logs in.
    pub user: Option<String>,
    /// Who logs in if nothing says so.
    pub usual_user: String,
    /// Its ssh port.
    pub port: Option<u16>,
    /// The one private key.
    pub identity_file: Option<PathBuf>,
    /// Jump hosts as ssh_config writes them: `[USER@]HOST[:PORT]`, several with commas, or `none`.
    pub proxy_jump: Option<String>,
}

impl Route {
    /// Asks the keyring's configuration, for the jump hosts on the way too.
    ///
    /// # Errors
    /// [`SshError::Config`], [`SshError::ConfigUnread`], [`SshError::Hops`].
    pub async fn settle(&self, keyring: &Keyring, host_keys: HostKeys) -> Result<Target, SshError> {
        self.settle_within(keyring, host_keys, MOST_HOPS).await
    }

    async fn settle_within(
        &self,
        keyring: &Keyring,
        host_keys: HostKeys,
        hops: usize,
    ) -> Result<Target, SshError> {
        let said = keyring.config.ask(&self.host, self.user.as_deref(), self.port).await?;
        let user = self.user.clone().or_else(|| said.user.clone());
        let mut target = Target {
            hostname: said.hostname.clone().filter(|name| *name != self.host),
            port: self.port.or(said.port).unwrap_or(22),
            identity_file: self.identity_file.clone(),
            identities_only: said.identities_only,
            host_key_alias: said.host_key_alias.clone(),
            keyring: keyring.clone(),
            ..Target::new(self.host.clone(), user.unwrap_or_else(|| self.usual_user.clone()), host_keys)
        };
        adopt(&mut target, &said);
        // What is not known may be accepted and is remembered; what is known differently never is.
        if said.accepts_new && matches!(target.host_keys, HostKeys::KnownHosts) {
            target.host_keys = HostKeys::AcceptNew;
        }
        let jump = self.proxy_jump.as_deref().or(said.proxy_jump.as_deref()).map(str::trim);
        target.via = match (jump, &said.proxy_command) {
            (Some(jump), _) if jump.eq_ignore_ascii_case("none") || jump.is_empty() => Via::Direct,
            (Some(jump), _) => Via::Jump(Box::new(self.hop(jump, keyring, hops).await?)),
            (None, Some(command)) => Via::Command(tokens(&target).fill(command)),
            (None, None) => Via::Direct,
        };
        Ok(target)
    }

    /// The last of a list of jump hosts; the others are the way to it. With one alone, its own
    /// configuration says how it is reached.
    async fn hop(&self, jumps: &str, keyring: &Keyring, hops: usize) -> Result<Target, SshError> {
        let wrong = |why| SshError::Hops { host: self.host.clone(), jumps: jumps.to_owned(), why };
        let left = hops.checked_sub(1).ok_or_else(|| wrong("it leads in circles"))?;
        let (before, last) = match jumps.rsplit_once(',') {
            Some((before, last)) => (Some(before.trim().to_owned()), last.trim()),
            None => (None, jumps),
        };
        let (user, host, port) = hop_address(last).ok_or_else(|| wrong("expected [USER@]HOST[:PORT]"))?;
        let route = Self {
            host,
            user,
            usual_user: own_name(),
            port,
            identity_file: None,
            proxy_jump: before.filter(|before| !before.is_empty()),
        };
        Box::pin(route.settle_within(keyring, HostKeys::KnownHosts, left)).await
    }
}

/// Who runs this program.
pub fn own_name() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".to_owned())
}

fn tokens(target: &Target) -> Tokens<'_> {
    Tokens { name: &target.host, host: target.address(), port: target.port, user: &target.user }
}

/// Keys, agent and known hosts, where the configuration names them.
fn adopt(target: &mut Target, said: &Settings) {
    let tokens = tokens(target);
    let identities = said.identity_files.iter().map(|file| tokens.path(file)).collect();
    let agent = said.agent.as_deref().map(|agent| match agent {
        "none" => None,
        "SSH_AUTH_SOCK" => Keyring::agent_of_user(),
        variable if variable.starts_with('$') => std::env::var_os(&variable[1..]).map(PathBuf::from),
        path => Some(tokens.path(path)),
    });
    target.identities = identities;
    if let Some(agent) = agent {
        target.keyring.agent = agent;
    }
    if let Some(files) = &said.known_hosts {
        target.keyring.known_hosts.clone_from(files);
    }
}

/// `[USER@]HOST[:PORT]`, also as `ssh://`.
fn hop_address(text: &str) -> Option<(Option<String>, String, Option<u16>)> {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = port.map(str::parse::<u16>).transpose().ok()?;
    let good = !host.is_empty() && !host.starts_with('-') && port != Some(0);
    good.then(|| (user, host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts_are_written_as_in_ssh_config() {
        let hop = |text| hop_address(text).map(|(user, host, port)| (user.unwrap_or_default(), host, port));
        let is = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(hop("bastion"), is("", "bastion", None));
        assert_eq!(hop("ann@bastion:2200"), is("ann", "bastion", Some(2200)));
        assert_eq!(hop("ssh://ann@bastion:2200/"), is("ann", "bastion", Some(2200)));
        assert_eq!(hop("[2001:db8::7]:22"), is("", "2001:db8::7", Some(22)));
        assert_eq!(hop("2001:db8::7"), is("", "2001:db8::7", None));
        assert_eq!(hop("-oProxyCommand=x"), None);
        assert_eq!(hop("a:b"), None);
        assert_eq!(hop(""), None);
    }

    #[test]
    fn errors_name_both_names() {
        let mut target = Target::new("web", "ann", HostKeys::FirstContact);
        assert_eq!(target.at(), "web:22");
        target.hostname = Some("2001:db8::7".into());
        assert_eq!(target.at(), "web ([2001:db8::7]:22)");
        assert_eq!(target.dialled().name, "2001:db8::7");
        target.host_key_alias = Some("Alias".into());
        assert_eq!(target.dialled().name, "alias");
    }
}
