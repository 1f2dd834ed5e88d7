//! Groups of machines.

use indexmap::IndexMap;

use super::ec2;
use super::names;
use crate::spec::diagnostic::Problem;
use crate::spec::model::{Group, HostAddress, Machine, Ssh, SshAddress};
use crate::spec::raw::instance::{AddressWord, RawGroup, RawSsh};
use crate::spec::read::{At, Cx, Key, Table};
use crate::spec::scalars::Text;
use crate::spec::source::Origin;

/// The groups that could be read, and the names of all.
pub(crate) struct Groups {
    pub(crate) groups: IndexMap<String, Group>,
    pub(crate) names: Vec<String>,
}

/// All groups; without any, `local`.
pub(crate) fn lower(key: &Key<Table<RawGroup>>, cx: &mut Cx<'_>) -> Groups {
    let mut groups = IndexMap::new();
    let mut local: Option<Origin> = None;
    let table = key.get().map(|table| &table.0);
    for (name, named) in table.into_iter().flatten() {
        names::key(name, named.key, "group", cx);
        let Some(raw) = &named.value else { continue };
        if let Some(at) = raw.local.key() {
            if let Some(first) = local {
                let problem = Problem::new(at, "two groups are the local engine").label("and again here");
                cx.report(problem.and(first, "first here").help("keep one of them: it is the same machine"));
            }
            local = local.or(Some(at));
        }
        if let Some(group) = one(name, named.key, raw, cx) {
            groups.insert(name.clone(), group);
        }
    }
    let mut names: Vec<String> = table.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        let group = Group {
            name: "local".into(),
            machine: Machine::Local,
            ssh: ssh(&Key::default(), cx),
            install_docker: false,
            sudo: false,
        };
        groups.insert("local".into(), group);
        names.push("local".into());
    }
    Groups { groups, names }
}

fn one(name: &str, at: Origin, raw: &RawGroup, cx: &mut Cx<'_>) -> Option<Group> {
    let kinds = [("ec2", raw.ec2.key()), ("host", raw.host.key()), ("local", raw.local.key())];
    let given: Vec<(&str, Origin)> = kinds.into_iter().filter_map(|(kind, key)| Some((kind, key?))).collect();
    match given.as_slice() {
        [] => {
            let problem = Problem::new(at, format!("the group `{name}` does not say what its machines are"));
            cx.report(problem.label("here").help("add `ec2: { … }`, `host: USER@ADDRESS` or `local: {}`"));
            return None;
        }
        [_] => {}
        [(first, first_at), others @ ..] => {
            for (other, other_at) in others {
                let message = format!("the group `{name}` is both `{first}` and `{other}`");
                let problem = Problem::new(*other_at, message).label("and this").and(*first_at, "this");
                cx.report(problem.help(format!(
                    "keep one of them; an overlay takes the other away with `{first}: !reset null`"
                )));
            }
        }
    }
    if let (Some(count), None, [(kind, _), ..]) = (raw.count.key(), raw.ec2.key(), given.as_slice()) {
        let help = match *kind {
            "host" => "take `count` out: `host` takes a list, one slot each",
            _ => "take `count` out: there is one local engine",
        };
        cx.report(Problem::new(count, format!("`count` does not go with `{kind}`")).label("here").help(help));
    }
    let ssh = ssh(&raw.ssh, cx);
    let machine = if let Some(raw_ec2) = raw.ec2.get() {
        let count = raw.count.get().map_or(1, |count| count.unsigned());
        Machine::Ec2(Box::new(ec2::lower(&ec2::Place { group: at, ssh: &ssh }, raw_ec2, count, cx)?))
    } else if let Some(list) = raw.host.get() {
        Machine::Host(hosts(&list.0, cx))
    } else if raw.local.get().is_some() {
        Machine::Local
    } else {
        return None;
    };
    let launched = matches!(machine, Machine::Ec2(_));
    Some(Group {
        name: name.to_owned(),
        machine,
        ssh,
        install_docker: raw.install_docker.get().map_or(launched, |flag| flag.0),
        sudo: raw.sudo.get().map_or(launched, |flag| flag.0),
    })
}

fn ssh(key: &Key<RawSsh>, cx: &mut Cx<'_>) -> Ssh {
    let raw = key.get();
    let mut authorized_keys = Vec::new();
    let listed = raw.and_then(|raw| raw.authorized_keys.get());
    for entry in listed.iter().flat_map(|list| &list.0) {
        for line in
            entry.value.0.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if is_public_key(line) {
                authorized_keys.push(line.to_owned());
            } else {
                let problem = Problem::new(entry.at, "this is not a public key").label("here");
                cx.report(problem.help("paste the line of a .pub file, or write { file: keys/ann.pub }"));
            }
        }
    }
    Ssh {
        user: raw.and_then(|raw| raw.user.get()).map(|Text(user)| user.clone()),
        port: raw.and_then(|raw| raw.port.get()).and_then(|port| u16::try_from(port.0).ok()),
        identity_file: raw.and_then(|raw| raw.identity_file.get()).map(|path| path.0.clone()),
        proxy_jump: raw.and_then(|raw| raw.proxy_jump.get()).map(|Text(jump)| jump.clone()),
        address: match raw.and_then(|raw| raw.address.get()) {
            Some(AddressWord::Private) => SshAddress::Private,
            Some(AddressWord::Public) | None => SshAddress::Public,
        },
        strict: raw.and_then(|raw| raw.strict.get()).is_some_and(|flag| flag.0),
        authorized_keys,
    }
}

/// `TYPE BASE64 [COMMENT]`, as in a `.pub` file.
fn is_public_key(line: &str) -> bool {
    let mut parts = line.split_whitespace();
    let kind = parts.next().unwrap_or_default();
    let known = ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| kind.starts_with(prefix));
    known && parts.next().is_some_and(|key| key.starts_with("AAAA"))
}

fn hosts(list: &[At<Text>], cx: &mut Cx<'_>) -> Vec<HostAddress> {
    let mut hosts: Vec<HostAddress> = Vec::new();
    if list.is_empty() {
        cx.report(Problem::nowhere("`host` is an empty list").help("write host: USER@ADDRESS"));
    }
    for entry in list {
        let text = &entry.value.0;
        let Some(host) = host_address(text) else {
            let problem =
                Problem::new(entry.at, format!("`{text}` is not a host")).label("[USER@]HOST[:PORT]");
            cx.report(problem.help("write ubuntu@192.0.2.7, or [2001:db8::7]:22 with a port"));
            continue;
        };
        if hosts.iter().any(|other| other.host == host.host && other.port == host.port) {
            let problem = Problem::new(entry.at, format!("the host `{}` is given twice", host.host));
            cx.report(problem.label("again here").help("take one of them out"));
        }
        hosts.push(host);
    }
    hosts
}

fn host_address(text: &str) -> Option<HostAddress> {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = if rest.parse::<std::net::Ipv6Addr>().is_ok() {
        (rest, None)
    } else if let Some(rest) = rest.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        }
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    let host_char = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    let user_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let valid = !host.is_empty() && !host.starts_with('-') && host.chars().all(host_char);
    let user_valid =
        user.is_none_or(|user| !user.is_empty() && !user.starts_with('-') && user.chars().all(user_char));
    (valid && user_valid).then(|| HostAddress { user: user.map(str::to_owned), host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_a_user_and_a_port_or_not() {
        let shown = |text: &str| host_address(text).map(|host| (host.user, host.host, host.port));
        let address =
            |user: Option<&str>, host: &str, port| Some((user.map(str::to_owned), host.to_owned(), port));
        assert_eq!(shown("ubuntu@192.0.2.7"), address(Some("ubuntu"), "192.0.2.7", None));
        assert_eq!(shown("box:2222"), address(None, "box", Some(2222)));
        assert_eq!(shown("u@[2001:db8::7]:22"), address(Some("u"), "2001:db8::7", Some(22)));
        assert_eq!(shown("2001:db8::7"), address(None, "2001:db8::7", None));
        for wrong in
            ["", "@x", "a b", "x:", "x:0", "x:99999", "-oProxyCommand=x", "a@-x", "[x]:1", "http://x"]
        {
            assert!(host_address(wrong).is_none(), "{wrong}");
        }
    }
}
