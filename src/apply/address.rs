//! Where the services answer.

use crate::event::ServiceAddress;
use crate::id::Slot;
use crate::observe::{World, live_instances};
use crate::observed::Observed;
use crate::spec::{Machine, Port, Protocol, Service, Spec};

/// The addresses of every published port of every service, as far as the machines are known.
pub fn addresses(spec: &Spec, observed: &Observed, world: &World) -> Vec<ServiceAddress> {
    let instances = live_instances(&observed.clouds);
    let public = |slot: &Slot| {
        let one = instances.get(slot)?;
        one.public_ip.clone().or_else(|| one.private_ip.clone())
    };
    addresses_with(spec, world, public)
}

/// What the name of a machine stands for: an alias in ssh_config means nothing to a browser.
fn dialled(world: &World, slot: &Slot) -> Option<String> {
    Some(world.host(slot)?.session()?.address().to_owned())
}

/// The same, with the address of a slot on EC2 from `public`.
pub(crate) fn addresses_with(
    spec: &Spec,
    world: &World,
    public: impl Fn(&Slot) -> Option<String>,
) -> Vec<ServiceAddress> {
    let mut addresses = Vec::new();
    for (slot, group) in spec.slots() {
        let host = match &group.machine {
            Machine::Local => Some("localhost".to_owned()),
            Machine::Host(hosts) => dialled(world, &slot).or_else(|| {
                usize::try_from(slot.index).ok().and_then(|index| hosts.get(index)).map(|at| at.host.clone())
            }),
            Machine::Ec2(_) => public(&slot),
        };
        let Some(host) = host else { continue };
        for service in spec.services_on(&group.name) {
            addresses.extend(of_service(&slot, &host, service));
        }
    }
    addresses
}

fn of_service(slot: &Slot, host: &str, service: &Service) -> Vec<ServiceAddress> {
    let address = |port: &Port| {
        let published = port.published?;
        let host = match port.host_ip.as_deref() {
            None | Some("0.0.0.0" | "::") => host,
            Some(bound) => bound,
        };
        let url = match port.protocol {
            Protocol::Tcp => format!("http://{host}:{published}"),
            Protocol::Udp => format!("{host}:{published}/udp"),
        };
        Some(ServiceAddress { service: service.name.clone(), slot: slot.to_string(), url })
    };
    service.ports.iter().filter_map(address).collect()
}
