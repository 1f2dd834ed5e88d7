//! `a3 port`: where a service's ports are published, as seen from here.

use super::args::PortArgs;
use super::exit::Exit;
use super::fault::{Ended, Fault};
use super::work::{self, Wish};
use super::{Session, pick, terminal};
use crate::host::Host;
use crate::observe::secrets::Consent;
use crate::observed::{ContainerState, PublishedPort};
use crate::plan::Destroy;
use crate::spec::Protocol;

/// `a3 port`
pub(crate) async fn port(session: &Session, args: &PortArgs) -> Ended {
    let spec = session.load(None)?;
    work::known_service(&spec, &args.service)?;
    let looked = work::look(&spec, &Wish::Destroy(Destroy::default()), Consent { commands: false }).await?;
    let services = [args.service.clone()];
    let (found, mut faults) = pick::containers(&spec, &looked, &services, args.instance.as_deref())?;
    if found.is_empty() && faults.is_empty() {
        let message = format!("`{}` has no container", args.service);
        return Err(Fault::new(Exit::Failed, message, Some("a3 apply runs it")));
    }
    for one in &found {
        match published(one, args) {
            Ok(lines) => terminal::data(&lines),
            Err(fault) => faults.push(fault),
        }
    }
    let gravest = faults.iter().map(|fault| fault.exit).max_by_key(|exit| exit.code());
    for fault in &faults {
        terminal::talk(&fault.to_text(&session.look));
    }
    gravest.map_or(Ok(Exit::Done), |exit| Err(Fault::said(exit)))
}

/// A line for each address.
fn published(one: &pick::Found<'_>, args: &PortArgs) -> Result<String, Fault> {
    let on = format!("`{}` on {}", one.service, one.place.slot);
    if matches!(
        one.container.state,
        ContainerState::Created | ContainerState::Exited(_) | ContainerState::Gone
    ) {
        let help = format!("a3 start {}", one.service);
        return Err(Fault::new(Exit::Failed, format!("{on} is stopped, and publishes nothing"), Some(&help)));
    }
    let ports = &one.container.ports;
    let protocol = if args.protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
    let wanted = |seen: &&PublishedPort| match args.port {
        Some(port) => seen.target == port && seen.protocol == protocol,
        None => true,
    };
    let lines = ports.iter().filter(wanted).map(|seen| {
        let address = address(&one.place.host, seen);
        // As `docker port` has it.
        match args.port {
            Some(_) => format!("{address}\n"),
            None => format!("{}/{} -> {address}\n", seen.target, seen.protocol.as_str()),
        }
    });
    let lines: String = lines.collect();
    if !lines.is_empty() {
        return Ok(lines);
    }
    let listed: Vec<String> =
        ports.iter().map(|seen| format!("{}/{}", seen.target, seen.protocol.as_str())).collect();
    let what = args.port.map_or("any port".to_owned(), |port| format!("{port}/{}", protocol.as_str()));
    let there_is = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
    let number = args.port.unwrap_or(80);
    let help = format!("services.{}.ports: [\"{number}:{number}\"], then a3 apply", one.service);
    Err(Fault::new(
        Exit::Failed,
        format!("{on} does not publish {what}; it publishes {there_is}"),
        Some(&help),
    ))
}

/// As seen from here: where it is bound, or the address by which its machine is reached.
fn address(host: &Host, seen: &PublishedPort) -> String {
    let machine = match host {
        Host::Local(_) => "127.0.0.1",
        Host::Ssh(_) => host.name(),
    };
    let address = seen.host_ip.as_deref().unwrap_or(machine);
    match address.contains(':') {
        true => format!("[{address}]:{}", seen.published),
        false => format!("{address}:{}", seen.published),
    }
}
