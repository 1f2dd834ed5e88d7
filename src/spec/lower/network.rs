//! Networks, `ADDRESS/BITS`, in the one spelling that EC2 shows: it clears what the bits do not cover and
//! writes IPv6 short and in small letters, so a network that was kept as it was typed would never be found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::spec::diagnostic::Problem;
use crate::spec::read::{At, Cx, Key, OneOrMany};
use crate::spec::scalars::Text;

pub(super) fn networks(key: &Key<OneOrMany<Text>>, cx: &mut Cx<'_>) -> Option<Vec<String>> {
    let list = &key.get()?.0;
    Some(list.iter().map(|entry| network(entry, cx)).collect())
}

fn network(entry: &At<Text>, cx: &mut Cx<'_>) -> String {
    let text = &entry.value.0;
    if let Some(known) = canonical(text) {
        return known;
    }
    let help = match text.parse::<IpAddr>() {
        Ok(address) => format!("write {text}/{} for this one address", width(address)),
        Err(_) => "write 203.0.113.0/24, or 0.0.0.0/0 for everybody".to_owned(),
    };
    let problem = Problem::new(entry.at, format!("`{text}` is not a network")).label("ADDRESS/BITS");
    cx.report(problem.help(help));
    text.clone()
}

/// As EC2 spells it; `None` for what is no network.
fn canonical(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let rest = width(address).checked_sub(bits)?;
    let address = match address {
        IpAddr::V4(address) => {
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)))
        }
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)))
        }
    };
    Some(format!("{address}/{bits}"))
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => Ipv4Addr::BITS,
        IpAddr::V6(_) => Ipv6Addr::BITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_spelled_as_ec2_spells_it() {
        let spelled = [
            ("100.68.0.18/18", "100.68.0.0/18"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("203.0.113.7/32", "203.0.113.7/32"),
            ("203.0.113.7/0", "0.0.0.0/0"),
            ("10.0.0.0/08", "10.0.0.0/8"),
            ("2001:DB8:0:0::7/64", "2001:db8::/64"),
            ("2001:DB8::7/128", "2001:db8::7/128"),
            ("1::/0", "::/0"),
        ];
        for (typed, known) in spelled {
            assert_eq!(canonical(typed).as_deref(), Some(known), "{typed}");
        }
        for wrong in ["10.0.0.1", "10.0.0.0/33", "::/129", "everybody", "10.0.0.0/", "/8", "10.0.0.0/-1"] {
            assert_eq!(canonical(wrong), None, "{wrong}");
        }
    }
}
