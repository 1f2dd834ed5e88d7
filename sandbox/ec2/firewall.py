"""Security groups as iptables rules of the host.

The rules sit in mangle PREROUTING, before Docker's DNAT, so that they speak of
the ports a caller dials and also guard what the host's engine publishes. The
tables of Docker are left alone.
"""

from typing import Any

_HEAD = """*mangle
:PREROUTING ACCEPT
-F PREROUTING
-A PREROUTING ! -i eth0 -j ACCEPT
-A PREROUTING -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
"""
_TAIL = """-A PREROUTING -j DROP
COMMIT
"""


def groups_of(instance: Any) -> list[Any]:
    """All groups of an instance, given to itself or to its interfaces, each once."""
    found = {group.id: group for group in instance.security_groups}
    for nic in instance.nics.values():
        if nic is not None:
            found.update({group.id: group for group in nic.group_set})
    return list(found.values())


def _sources(rule: Any, addresses_of_group) -> list[str]:
    if rule.cidr_ipv4:
        return [rule.cidr_ipv4]
    if rule.source_group:
        return addresses_of_group(rule.source_group.get("GroupId", ""))
    return []


def rules(instance: Any, addresses_of_group) -> str:
    """The `iptables-restore` text for an instance's groups; nothing matches → dropped."""
    lines = []
    for group in groups_of(instance):
        for rule in group.ingress_rules:
            for source in _sources(rule, addresses_of_group):
                match = f"-s {source}"
                if rule.ip_protocol in ("tcp", "udp"):
                    match += f" -p {rule.ip_protocol} --dport {rule.from_port}:{rule.to_port}"
                elif rule.ip_protocol not in ("-1", None):
                    match += f" -p {rule.ip_protocol}"
                lines.append(f"-A PREROUTING {match} -j ACCEPT")
    return _HEAD + "\n".join(dict.fromkeys(lines)) + ("\n" if lines else "") + _TAIL
