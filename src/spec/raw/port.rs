//! Published ports in Compose's short and long form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::spec::diagnostic::Problem;
use crate::spec::model::{Port, Protocol};
use crate::spec::node::Node;
use crate::spec::quantities::PortNumber;
use crate::spec::read::{Cx, Read, raw};
use crate::spec::scalars::{Loose, Text, scalar, words};

/// One item of `ports`; a range is several ports.
#[derive(Clone, Debug)]
pub(crate) struct PortEntry(pub(crate) Vec<Port>);

raw! {
    /// A published port.
    RawPort = "a port" {
        /// The port in the container.
        target: PortNumber,
        /// The machine's port; without it the engine picks one.
        published: Loose,
        /// The machine's address; without it all.
        host_ip: Text,
        /// `tcp` or `udp` (tcp).
        protocol: ProtocolWord,
    }
}

words! {
    /// Transport protocol.
    ProtocolWord = "`tcp` or `udp`" {
        Tcp = "tcp",
        Udp = "udp",
    }
}

/// Why a port does not read: what is wrong, and a help.
type Wrong = (String, String);

impl Read for PortEntry {
    fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Self> {
        let (ports, shown) = if node.map().is_some() {
            (long(node, cx)?, String::new())
        } else {
            let scalar = scalar(node, cx, "a port")?;
            (short(&scalar.text), scalar.shown().to_owned())
        };
        match ports {
            Ok(ports) => Some(Self(ports)),
            Err((label, help)) => {
                let message =
                    if shown.is_empty() { "bad port".into() } else { format!("bad port `{shown}`") };
                cx.report(Problem::new(node.at, message).label(label).help(help));
                None
            }
        }
    }
}

fn long(node: &Node, cx: &mut Cx<'_>) -> Option<Result<Vec<Port>, Wrong>> {
    let before = cx.problems.len();
    let raw = RawPort::read(node, cx)?;
    if raw.target.is_absent() {
        cx.report(
            Problem::new(node.at, "a port needs `target`")
                .label("here")
                .help("add `target: 80`, the port in the container"),
        );
    }
    if cx.problems.len() > before {
        return None;
    }
    let target = u16::try_from(raw.target.get()?.0).ok()?;
    let published = match raw.published.get() {
        Some(Loose(text)) => match number(text) {
            Ok(port) => Some(port),
            Err(wrong) => return Some(Err(wrong)),
        },
        None => None,
    };
    let host_ip = raw.host_ip.get().map(|Text(ip)| ip.clone());
    if let Some(ip) = &host_ip
        && let Err(wrong) = address(ip)
    {
        return Some(Err(wrong));
    }
    let protocol = match raw.protocol.get() {
        Some(ProtocolWord::Udp) => Protocol::Udp,
        Some(ProtocolWord::Tcp) | None => Protocol::Tcp,
    };
    Some(Ok(vec![Port { host_ip, published, target, protocol }]))
}

const FORM: &str = "write PUBLISHED:TARGET, as in \"8080:80\"";

fn number(text: &str) -> Result<u16, Wrong> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ if digits => Err(("ports are 1 to 65535".into(), FORM.into())),
        _ => Err(("not a port number".into(), FORM.into())),
    }
}

fn range(text: &str) -> Result<(u16, u16), Wrong> {
    let Some((first, last)) = text.split_once('-') else {
        let port = number(text)?;
        return Ok((port, port));
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(("a range goes up".into(), format!("write {last}-{first}")));
    }
    Ok((first, last))
}

fn address(text: &str) -> Result<String, Wrong> {
    match text.parse::<std::net::IpAddr>() {
        Ok(ip) => Ok(ip.to_string()),
        Err(_) => Err(("this is no address".into(), "write 127.0.0.1:8080:80 or [::1]:8080:80".into())),
    }
}

/// `[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`.
fn short(text: &str) -> Result<Vec<Port>, Wrong> {
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return Err(("the protocol is tcp or udp".into(), "write \"53:53/udp\"".into())),
        None => (text, Protocol::Tcp),
    };
    let (host_ip, ports) = split_address(ports)?;
    let (published, target) = match ports.rsplit_once(':') {
        Some((published, target)) => (published, target),
        None => ("", ports),
    };
    let target = range(target)?;
    let published = if published.is_empty() { None } else { Some(range(published)?) };
    let count = |(first, last): (u16, u16)| last - first;
    if let Some(published) = published
        && count(published) != count(target)
    {
        let help = if target.0 == target.1 { FORM } else { "write \"9090-9091:8080-8081\"" };
        return Err(("the two ranges differ in length".into(), help.into()));
    }
    let one = |offset: u16| Port {
        host_ip: host_ip.clone(),
        published: published.map(|(first, _)| first + offset),
        target: target.0 + offset,
        protocol,
    };
    Ok((0..=count(target)).map(one).collect())
}

/// Takes the address off, if there is one.
fn split_address(text: &str) -> Result<(Option<String>, &str), Wrong> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) =
            rest.split_once("]:").ok_or_else(|| ("the bracket is not closed".into(), FORM.into()))?;
        return Ok((Some(address(ip)?), rest));
    }
    match text.splitn(3, ':').collect::<Vec<_>>().as_slice() {
        [ip, _, _] => Ok((Some(address(ip)?), &text[ip.len() + 1..])),
        _ => Ok((None, text)),
    }
}

impl JsonSchema for PortEntry {
    fn schema_name() -> Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut long = RawPort::json_schema(generator);
        long.insert("x-required".into(), json!(["target"]));
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 65535 },
            { "type": "string", "pattern": "^([^$]*:)?([^$]*:)?[0-9]+(-[0-9]+)?(/(tcp|udp))?$|\\$" },
            long,
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |port: Port| {
            let published = port.published.map_or("-".into(), |port| port.to_string());
            let ip = port.host_ip.unwrap_or("*".into());
            format!("{ip} {published} {} {}", port.target, port.protocol.as_str())
        };
        short(text).map_or_else(|(wrong, _)| vec![wrong], |ports| ports.into_iter().map(show).collect())
    }

    #[test]
    fn every_short_form_of_compose() {
        assert_eq!(shown("80"), ["* - 80 tcp"]);
        assert_eq!(shown("8080:80"), ["* 8080 80 tcp"]);
        assert_eq!(shown("22:22"), ["* 22 22 tcp"]);
        assert_eq!(shown("127.0.0.1:8001:8001/udp"), ["127.0.0.1 8001 8001 udp"]);
        assert_eq!(shown("127.0.0.1::53"), ["127.0.0.1 - 53 tcp"]);
        assert_eq!(shown("[::1]:8080:80"), ["::1 8080 80 tcp"]);
        assert_eq!(shown("3000-3001"), ["* - 3000 tcp", "* - 3001 tcp"]);
        assert_eq!(shown("9090-9091:8080-8081"), ["* 9090 8080 tcp", "* 9091 8081 tcp"]);
    }

    #[test]
    fn what_is_no_port() {
        for wrong in
            ["", "0", "65536", "a:b", "80:", "1:2:3:4", "80/icmp", "5-3", "1-2:3", "-1", "+80", "x:1:2"]
        {
            assert!(short(wrong).is_err(), "{wrong}");
        }
    }
}
