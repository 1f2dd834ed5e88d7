//! The text of a first deploy.yaml: read by a person, so it says of each part what it is for.

use std::fmt::Write as _;

use super::{Found, Login, REGISTRY, Where};
use crate::docker::exposed::Exposed;
use crate::spec::Protocol;

/// The variable that stands for the owner of the images where nobody could say who that is.
pub const REGID: &str = "REGID";

/// What runs where there is no Dockerfile.
const EXAMPLE: &str = "nginx:1.27";

/// Where nothing says which region.
const REGION: &str = "us-west-2";

/// Writes a spec of what was found.
pub fn draft(found: &Found, place: &Where, file: &str) -> String {
    let mut text = head(found, file);
    if found.pushes(place) {
        text.push_str(&registry(found));
    }
    match place {
        Where::Ec2 => text.push_str(&ec2(found)),
        Where::Host(address) => text.push_str(&host(found, address)),
        Where::Local => text.push_str(LOCAL),
    }
    text.push_str(&service(found, place));
    text
}

fn head(found: &Found, file: &str) -> String {
    let option = if file == "deploy.yaml" { String::new() } else { format!(" -f {file}") };
    let mut text = String::from(
        "# yaml-language-server: $schema=deploy.schema.json\n\
         #\n\
         # What runs, and where. Drafted by `a3 init`, and yours to change.\n\
         #\n",
    );
    for (command, what) in [
        ("validate", "checks this file, offline"),
        ("plan", "shows what would be done, and does nothing"),
        ("apply", "shows it, asks, and does it; type it again after every change"),
        ("status", "shows what runs, and where it answers"),
        ("destroy", "takes it all away again"),
    ] {
        let (command, width) = (format!("a3 {command}{option}"), "a3 validate".len() + option.len());
        // Writing to a String does not fail.
        let _ = writeln!(text, "#   {command:<width$}  {what}");
    }
    text.push_str(
        "#\n\
         # `a3 schema > deploy.schema.json` makes an editor that reads the first line complete and explain\n\
         # every key. ${NAME} is a variable of your environment, or of a file .env beside this one.\n\
         \n\
         # Everything that a3 makes is marked with this name. Another name is another deployment.\n",
    );
    let _ = writeln!(text, "name: {}\n", scalar(&found.name));
    text
}

fn registry(found: &Found) -> String {
    let mut text =
        format!("# Where the image is pushed to, and pulled from.\nregistry:\n  server: {REGISTRY}\n");
    let user = format!("  username: {}\n", owner(found));
    match found.login {
        Login::Docker => text.push_str(
            "  # User and password are those of `docker login ghcr.io`. Without that: username: …, and\n  \
             # password: { file: … }, { env: … } or { command: [gh, auth, token] }\n",
        ),
        Login::Variable => {
            text.push_str(&user);
            text.push_str(
                "  # A GitHub token (classic) with the scope write:packages. Also: { file: … },\n  \
                 # { command: [gh, auth, token] }, or no username and password after `docker login ghcr.io`\n  \
                 password: { env: CR_PAT }\n",
            );
        }
        Login::File { path, .. } => {
            text.push_str(&user);
            let _ = writeln!(
                text,
                "  # A GitHub token (classic) with the scope write:packages. Never into git. Also: {{ env: CR_PAT }},\n  \
                 # {{ command: [gh, auth, token] }}, or no username and password after `docker login ghcr.io`\n  \
                 password: {{ file: {path} }}"
            );
        }
    }
    text.push('\n');
    text
}

/// The owner of the images.
fn owner(found: &Found) -> String {
    let unknown = || format!("${{{REGID}:?your GitHub user id, lower case}}");
    found.owner.clone().unwrap_or_else(unknown)
}

fn ec2(found: &Found) -> String {
    let region = found.region.as_deref().unwrap_or(REGION);
    let mut text = String::from(
        "# The machines. This one is launched by the first `a3 apply`.\ninstances:\n  web:\n    ec2:\n",
    );
    let _ = writeln!(text, "      region: {region}");
    text.push_str(
        "      # About 1 US cent an hour, and half a cent for its public address.\n      \
         instance_type: t3.micro\n      \
         # The newest Amazon Linux 2023. It comes without Docker: `a3 apply` installs that.\n      \
         ami: { name: \"al2023-ami-2023.*-x86_64\", owner: amazon }\n      \
         # So long after its first boot the machine ends itself, with all that is on it: what was forgotten\n      \
         # costs no more than this. The next `a3 apply` launches another. Leave it out for one that stays.\n      \
         ttl: 8h\n      \
         # The ports below are open to your own address only. To everybody:\n      \
         # allow_from: [\"0.0.0.0/0\"]\n    \
         # EC2 is given the public half of this key.\n",
    );
    text.push_str(&ssh(found));
    text
}

fn ssh(found: &Found) -> String {
    let mut text = String::new();
    if let [_, others @ ..] = found.keys.as_slice()
        && !others.is_empty()
    {
        let _ = writeln!(text, "    # Also there: {}", others.join(", "));
    }
    let key = found.keys.first().map_or("~/.ssh/id_ed25519", String::as_str);
    let _ = writeln!(text, "    ssh: {{ identity_file: {} }}\n", scalar(key));
    text
}

fn host(found: &Found, address: &str) -> String {
    let mut text = String::from(
        "# The machines. This one exists; a3 uses its Docker through ssh.\ninstances:\n  web:\n",
    );
    let _ = writeln!(text, "    host: {}", scalar(address));
    text.push_str("    # Left out: the keys of your agent, and the usual files of ~/.ssh.\n");
    let key = found.keys.first().map_or("~/.ssh/id_ed25519", String::as_str);
    let _ = writeln!(text, "    # ssh: {{ identity_file: {} }}\n", scalar(key));
    text
}

const LOCAL: &str = "# Without `instances`, services run on this machine's own Docker engine. On a machine that exists:\n\
    # instances: { web: { host: USER@ADDRESS } }\n\n";

fn service(found: &Found, place: &Where) -> String {
    let mut text = String::from("services:\n  app:\n");
    match (&found.dockerfile, place) {
        (Some(_), Where::Local) => {
            let _ = writeln!(text, "    image: {}:v1", found.name);
        }
        (Some(_), _) => {
            let owner = found.owner.clone().unwrap_or_else(|| format!("${{{REGID}}}"));
            let _ = writeln!(text, "    image: {REGISTRY}/{owner}/{}:v1", found.name);
        }
        (None, _) => {
            let _ = writeln!(
                text,
                "    # There was no Dockerfile here, so this runs a ready image. To build your own:\n    \
                 # build: .\n    image: {EXAMPLE}"
            );
        }
    }
    if found.dockerfile.is_some() {
        text.push_str("    # Built from the Dockerfile here, when its source has changed.\n    build: .\n");
    }
    let fallback = Exposed { ports: vec![(80, Protocol::Tcp)], ..Exposed::default() };
    let exposed = found.dockerfile.as_ref().unwrap_or(&fallback);
    text.push_str(&ports(exposed, found.dockerfile.is_none()));
    text.push_str(&volumes(exposed));
    text.push_str("    restart: unless-stopped\n");
    text.push_str(&check(exposed));
    text
}

fn ports(exposed: &Exposed, example: bool) -> String {
    let mut text = String::from("    # The machine's port : the container's port\n");
    for word in &exposed.unclear {
        let _ = writeln!(
            text,
            "    # EXPOSE {word} of the Dockerfile could not be understood",
            word = scalar(word)
        );
    }
    if exposed.ports.is_empty() {
        text.push_str("    # ports: [\"8080:8080\"]\n");
        return text;
    }
    let shown = exposed.ports.iter().map(|(port, protocol)| {
        let published = if example { 8080 } else { *port };
        match protocol {
            Protocol::Tcp => format!("\"{published}:{port}\""),
            Protocol::Udp => format!("\"{published}:{port}/udp\""),
        }
    });
    let _ = writeln!(text, "    ports: [{}]", shown.collect::<Vec<_>>().join(", "));
    text
}

fn volumes(exposed: &Exposed) -> String {
    let target = exposed.volumes.first().map_or("/data", String::as_str);
    format!(
        "    # A new version is a new container: what it writes is lost, except in volumes. A name is kept by\n    \
         # Docker; a path is a folder of the machine, and `files` copies data into it.\n    \
         # volumes: [{}]\n    \
         # files: [\"./songs.csv:songs/\"]\n    \
         # environment: {{ LEVEL: info, TOKEN: {{ env: TOKEN }} }}\n",
        serde_json::Value::from(format!("data:{target}"))
    )
}

fn check(exposed: &Exposed) -> String {
    let port = exposed.ports.iter().find(|(_, protocol)| *protocol == Protocol::Tcp);
    let port = port.map_or(8080, |(port, _)| *port);
    format!(
        "    # `apply` waits until this answers; if it does not, the container before it runs again.\n    \
         # check: {{ http: /, port: {port}, status: 200, timeout: 30s }}\n"
    )
}

/// A value in YAML, quoted where it could be read as something else. A dollar is no variable.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@".contains(c))
        || text
            .strip_prefix("~/")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)));
    let word =
        matches!(text.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if plain && !word {
        text.to_owned()
    } else {
        serde_json::Value::from(text.replace('$', "$$")).to_string()
    }
}

#[cfg(test)]
mod tests;
