//! What `a3 init` finds in and around a folder, and the first deploy.yaml that it makes of it.

pub mod around;
mod draft;
pub mod git;

use std::path::Path;

pub use around::Around;
pub use draft::{REGID, draft};

use crate::docker::exposed::{Exposed, exposed};
use crate::spec::name_from;

/// The registry that a draft names.
pub const REGISTRY: &str = "ghcr.io";

/// Where a token lies that the folder brings along.
const TOKEN_HERE: &str = "cluster/ghcr.io-token.txt";

/// Where a token is to lie: outside the folder, neither git nor a build takes it along.
const TOKEN_OUTSIDE: &str = "~/.config/a3/ghcr.io-token.txt";

/// Where the services are to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// On an EC2 instance that a3 launches.
    Ec2,
    /// On a machine that exists, `USER@ADDRESS`.
    Host(String),
    /// On this machine's engine.
    Local,
}

/// Where the password of the registry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// `docker login` was done here.
    Docker,
    /// The variable `CR_PAT`.
    Variable,
    /// A file.
    File {
        /// As it is written into the spec.
        path: &'static str,
        /// Whether it is there.
        exists: bool,
        /// Whether git would take it along.
        in_git: bool,
    },
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The deployment's name.
    pub name: String,
    /// What the Dockerfile exposes, where there is one.
    pub dockerfile: Option<Exposed>,
    /// Whose images it will be: the owner of the git repository on GitHub.
    pub owner: Option<String>,
    /// The region of the AWS tools.
    pub region: Option<String>,
    /// Whether anything holds AWS credentials.
    pub aws: bool,
    /// Private keys, as they would be written.
    pub keys: Vec<String>,
    /// The registry's password.
    pub login: Login,
    /// Whether a `.dockerignore` keeps things out of the build.
    pub dockerignore: bool,
}

/// Looks at a folder and around it. Reads no secret and asks nobody.
pub async fn look(folder: &Path, around: &Around, name: Option<&str>) -> Found {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let of_folder = absolute.file_name().and_then(|name| name_from(&name.to_string_lossy()));
    let dockerfile = std::fs::read_to_string(folder.join("Dockerfile")).ok();
    let remote = git::remote(folder).await;
    Found {
        name: name.map(str::to_owned).or(of_folder).unwrap_or_else(|| "app".to_owned()),
        dockerfile: dockerfile.map(|text| exposed(&text)),
        owner: remote.and_then(|remote| remote.ghcr_owner()),
        region: around.region(),
        aws: around.has_aws_credentials(),
        keys: around.keys(),
        login: login(folder, around).await,
        dockerignore: folder.join(".dockerignore").exists(),
    }
}

async fn login(folder: &Path, around: &Around) -> Login {
    if folder.join(TOKEN_HERE).exists() {
        let in_git = git::takes(folder, TOKEN_HERE).await == Some(true);
        return Login::File { path: TOKEN_HERE, exists: true, in_git };
    }
    if around.logged_in(REGISTRY) {
        return Login::Docker;
    }
    if around.cr_pat {
        return Login::Variable;
    }
    let outside = around.home.as_ref().map(|home| home.join(TOKEN_OUTSIDE.trim_start_matches("~/")));
    let exists = outside.is_some_and(|path| path.exists());
    Login::File { path: TOKEN_OUTSIDE, exists, in_git: false }
}

impl Found {
    /// Whether an image is built and pushed.
    pub fn pushes(&self, place: &Where) -> bool {
        self.dockerfile.is_some() && *place != Where::Local
    }

    /// Ways to go on, each with what to type, in the order in which they are needed.
    pub fn to_do(&self, place: &Where, file: &str) -> Vec<(String, String)> {
        let mut list: Vec<(&str, String)> = Vec::new();
        if self.pushes(place) {
            if self.owner.is_none() {
                list.push((
                    "say whose images they are (no remote on GitHub was found)",
                    format!("export {REGID}=your-github-id"),
                ));
            }
            list.extend(self.token_to_do());
        }
        if *place != Where::Local && self.keys.is_empty() {
            list.push(("make a key to log in with", "ssh-keygen -t ed25519".to_owned()));
        }
        if *place == Where::Ec2 && !self.aws {
            list.push(("say who pays on AWS (no credential was found)", "aws configure".to_owned()));
        }
        if self.dockerfile.is_some() && !self.dockerignore {
            list.push((
                "keep what is no source out of the image (there is no .dockerignore)",
                format!("printf '%s\\n' .git .env {file} > .dockerignore"),
            ));
        }
        let option = if file == "deploy.yaml" { String::new() } else { format!(" -f {file}") };
        list.push(("completion in your editor", "a3 schema > deploy.schema.json".to_owned()));
        list.push(("see whether everything is there", format!("a3 doctor{option}")));
        list.push(("see what would be done", format!("a3 plan{option}")));
        list.into_iter().map(|(why, what)| (why.to_owned(), what)).collect()
    }

    fn token_to_do(&self) -> Vec<(&'static str, String)> {
        match self.login {
            Login::Docker | Login::Variable => Vec::new(),
            Login::File { path, exists: false, .. } => vec![(
                "put a GitHub token (classic, scope write:packages) there: paste it, Enter, Ctrl-D",
                format!("mkdir -p ~/.config/a3 && (umask 077; cat > {path})"),
            )],
            Login::File { in_git: true, .. } => {
                vec![("keep the token out of git", "echo cluster/ >> .gitignore".to_owned())]
            }
            Login::File { .. } => Vec::new(),
        }
    }
}
