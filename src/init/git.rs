//! Where a folder's git repository is pushed to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// git only reads a file for this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose repository it is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// `github.com`.
    pub host: String,
    /// The first part of its path.
    pub owner: String,
}

impl Remote {
    /// From a URL of any form that git takes; `None` for a path of this machine.
    pub fn parse(url: &str) -> Option<Self> {
        let (authority, path) = match url.trim().split_once("://") {
            Some(("http" | "https" | "ssh" | "git" | "git+ssh", rest)) => rest.split_once('/')?,
            Some(_) => return None,
            // `[USER@]HOST:PATH`, as scp has it; a slash before the colon makes it a path.
            None => url.trim().split_once(':').filter(|(host, _)| !host.contains('/') && host.len() > 1)?,
        };
        let host = authority.rsplit('@').next()?;
        let host = host.split(':').next()?.to_lowercase();
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let owner = parts.next()?.to_owned();
        parts.next()?;
        (!host.is_empty()).then_some(Self { host, owner })
    }

    /// The owner as GHCR names it, where the repository is GitHub's.
    pub fn ghcr_owner(&self) -> Option<String> {
        // `github.com-work` is how ssh_config tells two accounts apart.
        let github = matches!(self.host.as_str(), "github.com" | "www.github.com" | "ssh.github.com")
            || self.host.starts_with("github.com-");
        let owner = self.owner.to_lowercase();
        let named = owner.starts_with(|c: char| c.is_ascii_alphanumeric())
            && owner.ends_with(|c: char| c.is_ascii_alphanumeric())
            && owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (github && named).then_some(owner)
    }
}

/// The remote of the repository that a folder is in: `origin`, else the first.
pub async fn remote(folder: &Path) -> Option<Remote> {
    let url = match ask_git(folder).await {
        Some(url) => url,
        None => url_in(&std::fs::read_to_string(config_of(folder)?).ok()?)?,
    };
    Remote::parse(&url)
}

/// `None` where there is no git, or it knows no remote.
async fn ask_git(folder: &Path) -> Option<String> {
    let names = git(folder, &["remote"]).await?;
    let name = names.lines().find(|name| *name == "origin").or_else(|| names.lines().next())?;
    let url = git(folder, &["remote", "get-url", name]).await?;
    Some(url.trim().to_owned()).filter(|url| !url.is_empty())
}

async fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = run(folder, arguments).await?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn run(folder: &Path, arguments: &[&str]) -> Option<std::process::Output> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()
}

/// Whether git would take a file of the folder along; `None` where there is no repository, or no git.
pub async fn takes(folder: &Path, file: &str) -> Option<bool> {
    // 0: ignored, 1: not, 128: no repository.
    match run(folder, &["check-ignore", "-q", file]).await?.status.code() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

/// `.git/config`, of the main repository where this is a worktree of it.
fn config_of(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let found = folder.ancestors().map(|parent| parent.join(".git")).find(|git| git.exists())?;
    if found.is_dir() {
        return Some(found.join("config"));
    }
    let text = std::fs::read_to_string(&found).ok()?;
    let own = found.parent()?.join(text.trim().strip_prefix("gitdir:")?.trim());
    let common = std::fs::read_to_string(own.join("commondir")).ok();
    Some(match common {
        Some(common) => own.join(common.trim()).join("config"),
        None => own.join("config"),
    })
}

/// The `url` of `[remote "origin"]`, else of the first remote, in a configuration of git.
fn url_in(config: &str) -> Option<String> {
    let mut first = None;
    let mut section = String::new();
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once('=')
            && name.trim() == "url"
            && section.starts_with("[remote ")
        {
            let value = value.trim().trim_matches('"').to_owned();
            if section == "[remote \"origin\"]" {
                return Some(value);
            }
            first = first.or(Some(value));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_come_out_of_every_kind_of_url() {
        let table = [
            ("https://github.com/Learner/Music.git", Some("learner")),
            ("https://learner:ghp_secret@github.com/Learner/music", Some("learner")),
            ("git@github.com:Learner/music.git", Some("learner")),
            ("github.com:Some-Org/music.git", Some("some-org")),
            ("ssh://git@github.com/Learner/music.git", Some("learner")),
            ("ssh://git@ssh.github.com:443/Learner/music.git", Some("learner")),
            ("git@github.com-work:Learner/music.git", Some("learner")),
            ("https://gitlab.com/learner/music.git", None),
            ("https://github.com.evil.test/learner/music.git", None),
            ("https://github.com/music.git", None),
            ("https://github.com/-odd-/music.git", None),
            ("/srv/git/github.com:learner/music.git", None),
            ("../music.git", None),
            ("file:///srv/learner/music.git", None),
            ("C:/Users/learner/music", None),
            ("", None),
        ];
        for (url, owner) in table {
            let found = Remote::parse(url).and_then(|remote| remote.ghcr_owner());
            assert_eq!(found.as_deref(), owner, "{url}");
        }
    }

    const CONFIG: &str =
        "[core]\n\turl = no\n[remote \"up\"]\n\turl = git@github.com:Up/m.git\n\tfetch = x\n";

    #[test]
    fn a_configuration_is_read_without_git() {
        assert_eq!(url_in(CONFIG).as_deref(), Some("git@github.com:Up/m.git"));
        let both = format!("{CONFIG}[remote \"origin\"]\n  url = \"https://github.com/o/m\"\n");
        assert_eq!(url_in(&both).as_deref(), Some("https://github.com/o/m"));
        assert_eq!(url_in("[core]\n"), None);
    }

    #[tokio::test]
    async fn a_worktree_and_a_folder_below_lead_to_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("main");
        std::fs::create_dir_all(main.join(".git/worktrees/w")).unwrap();
        std::fs::create_dir_all(main.join("deep/er")).unwrap();
        std::fs::write(main.join(".git/config"), CONFIG).unwrap();
        std::fs::write(main.join(".git/worktrees/w/commondir"), "../..\n").unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join(".git"), format!("gitdir: {}/.git/worktrees/w\n", main.display())).unwrap();
        let read = |folder: &Path| url_in(&std::fs::read_to_string(config_of(folder).unwrap()).unwrap());
        for place in [&main, &main.join("deep/er"), &tree] {
            assert_eq!(read(place).as_deref(), Some("git@github.com:Up/m.git"), "{place:?}");
        }
    }
}
