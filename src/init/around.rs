//! What this machine's user has for AWS, ssh and Docker. No secret is read.

use std::path::{Path, PathBuf};

/// What the findings rest on, so that it can be tested without an environment.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The home folder.
    pub home: Option<PathBuf>,
    /// Of `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Of `AWS_PROFILE`.
    pub profile: Option<String>,
    /// Of `AWS_CONFIG_FILE`.
    pub aws_config: Option<PathBuf>,
    /// Whether the environment names a credential of AWS.
    pub aws_variables: bool,
    /// Whether `CR_PAT` is set, as GitHub's documentation names a token for GHCR.
    pub cr_pat: bool,
    /// Of `DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
}

impl Around {
    /// This process's.
    pub fn here() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let aws = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
        Self {
            home: std::env::home_dir(),
            region: set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")),
            profile: set("AWS_PROFILE"),
            aws_config: set("AWS_CONFIG_FILE").map(PathBuf::from),
            aws_variables: aws.iter().any(|name| set(name).is_some()),
            cr_pat: set("CR_PAT").is_some(),
            docker_config: set("DOCKER_CONFIG").map(PathBuf::from),
        }
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.home.as_ref()?.join(path)).ok()
    }

    /// The region that the AWS tools would take.
    pub fn region(&self) -> Option<String> {
        let from_file = || {
            let text = match &self.aws_config {
                Some(path) => std::fs::read_to_string(path).ok(),
                None => self.read(".aws/config"),
            };
            region_in(&text?, self.profile.as_deref().unwrap_or("default"))
        };
        self.region.clone().or_else(from_file).filter(|region| is_region(region))
    }

    /// Whether anything says who would pay; the credential itself is not looked at.
    pub fn has_aws_credentials(&self) -> bool {
        let speaks = |path| {
            let text = self.read(path).unwrap_or_default();
            ["aws_access_key_id", "sso_", "credential_process", "role_arn", "login_session"]
                .iter()
                .any(|word| text.contains(word))
        };
        self.aws_variables || speaks(".aws/credentials") || speaks(".aws/config")
    }

    /// Private keys of `~/.ssh` that EC2 can take, as they would be written: the usual ones first.
    pub fn keys(&self) -> Vec<String> {
        let Some(folder) = self.home.as_ref().map(|home| home.join(".ssh")) else { return Vec::new() };
        let usual = ["id_ed25519", "id_rsa"].map(str::to_owned);
        let mut pems: Vec<String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".pem") && is_private(&folder.join(name)))
            .collect();
        pems.sort();
        let usual = usual.into_iter().filter(|name| is_private(&folder.join(name)));
        usual.chain(pems).map(|name| format!("~/.ssh/{name}")).collect()
    }

    /// Whether `docker login SERVER` was done here.
    pub fn logged_in(&self, server: &str) -> bool {
        let text = match &self.docker_config {
            Some(folder) => std::fs::read_to_string(folder.join("config.json")).ok(),
            None => self.read(".docker/config.json"),
        };
        is_logged_in(&text.unwrap_or_default(), server)
    }
}

/// Whether a Docker configuration has a login for a server, itself or through a helper.
pub fn is_logged_in(config: &str, server: &str) -> bool {
    let config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    let names = |list: &str| {
        config[list].as_object().is_some_and(|entries| {
            entries.keys().any(|name| {
                let name = name.trim_start_matches("https://").trim_start_matches("http://");
                name.split('/').next() == Some(server)
            })
        })
    };
    names("auths") || names("credHelpers")
}

fn is_private(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("PRIVATE KEY"))
}

/// The `region` of a profile in `~/.aws/config`.
fn region_in(config: &str, profile: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let section = section.trim();
            let named = section.strip_prefix("profile").map(str::trim);
            inside = named == Some(profile) || (section == "default" && profile == "default");
        } else if let Some((name, value)) = line.split_once('=')
            && inside
            && name.trim() == "region"
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Around) {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let around = Around { home: Some(home.path().to_owned()), ..Around::default() };
        (home, around)
    }

    const CONFIG: &str = "[default]\nregion = eu-north-1\n[profile work]\noutput=json\nregion=us-east-2\n[sso-session x]\nregion=no\n";

    #[test]
    fn the_region_is_that_of_the_aws_tools() {
        let (_home, mut around) = home(&[(".aws/config", CONFIG)]);
        assert_eq!(around.region().as_deref(), Some("eu-north-1"));
        around.profile = Some("work".to_owned());
        assert_eq!(around.region().as_deref(), Some("us-east-2"));
        around.profile = Some("none".to_owned());
        assert_eq!(around.region(), None);
        around.region = Some("us-west-2".to_owned());
        assert_eq!(around.region().as_deref(), Some("us-west-2"));
        around.region = Some("us west: {".to_owned());
        assert_eq!(around.region(), None, "what is no region is not written into a file");
    }

    #[test]
    fn credentials_are_noticed_and_not_read() {
        assert!(!home(&[(".aws/config", CONFIG)]).1.has_aws_credentials());
        assert!(home(&[(".aws/credentials", "[default]\naws_access_key_id = x\n")]).1.has_aws_credentials());
        assert!(home(&[(".aws/config", "[default]\nsso_session = x\n")]).1.has_aws_credentials());
        assert!(Around { aws_variables: true, ..Around::default() }.has_aws_credentials());
    }

    #[test]
    fn keys_are_private_ones_the_usual_first() {
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        let (_home, around) = home(&[
            (".ssh/z.pem", private),
            (".ssh/a.pem", "-----BEGIN RSA PRIVATE KEY-----\n"),
            (".ssh/ca.pem", "-----BEGIN CERTIFICATE-----\n"),
            (".ssh/id_rsa", private),
            (".ssh/id_rsa.pub", "ssh-rsa x"),
        ]);
        assert_eq!(around.keys(), ["~/.ssh/id_rsa", "~/.ssh/a.pem", "~/.ssh/z.pem"]);
        assert_eq!(Around::default().keys(), Vec::<String>::new());
    }

    #[test]
    fn a_docker_login_is_noticed() {
        let logged_in = r#"{"auths":{"ghcr.io":{},"https://index.docker.io/v1/":{"auth":"eA=="}}}"#;
        assert!(is_logged_in(logged_in, "ghcr.io") && is_logged_in(logged_in, "index.docker.io"));
        assert!(is_logged_in(r#"{"credHelpers":{"r.test":"x"}}"#, "r.test"));
        assert!(!is_logged_in(logged_in, "r.test") && !is_logged_in("{", "r.test"));
    }
}
