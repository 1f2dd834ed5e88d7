//! Ports that processes hold, as Linux lists them in `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.

use std::net::IpAddr;

use crate::observed::Listening;
use crate::spec::Protocol;

/// One line of the facts: `tcp 0100007F:1F90`, an address in words of the machine's own byte order
/// (little, on all that a3 knows), and a port. `None` for what makes no sense.
pub(super) fn of(text: &str) -> Option<Listening> {
    let (protocol, socket) = text.split_once(' ')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (address, port) = socket.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = data_encoding::HEXUPPER.decode(address.as_bytes()).ok()?;
    let bytes: Vec<u8> = words.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    // A socket of both families has an IPv4 address in IPv6's form.
    let ip = Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
    Some(Listening { protocol, ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families() {
        let read = |text: &str| of(text).map(|held| (held.ip, held.port));
        let ip = |ip: &str| Some(ip.to_owned());
        assert_eq!(read("tcp 00000000:0016"), Some((None, 22)));
        assert_eq!(read("udp 0100007F:1F90"), Some((ip("127.0.0.1"), 8080)));
        assert_eq!(read("tcp 00000000000000000000000000000000:7531"), Some((None, 30001)));
        assert_eq!(read("tcp 00000000000000000000000001000000:0016"), Some((ip("::1"), 22)));
        assert_eq!(read("tcp 0000000000000000FFFF00000100007F:0016"), Some((ip("127.0.0.1"), 22)));
        for nonsense in
            ["", "tcp", "tcp 00:1", "sctp 00000000:0016", "tcp 00000000:10000", "tcp ZZ000000:0016"]
        {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
