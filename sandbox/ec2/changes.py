"""Changes to instances and groups that moto lacks or is too kind about."""

import contextlib
import ipaddress
from typing import Any

from ec2 import instances
from ec2.firewall import groups_of
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

_moto_attribute = EC2Backend.modify_instance_attribute
_moto_options = EC2Backend.modify_instance_metadata_options
_moto_delete = EC2Backend._delete_security_group
_moto_authorize = EC2Backend.authorize_security_group_ingress
_moto_options_call = InstanceResponse.modify_instance_metadata_options
_moto_values = InstanceResponse._dot_value_instance_attribute_handler


def modify_attribute(self: EC2Backend, instance_id: str, key: str, value: Any) -> Any:
    """Type and user data change only while the instance is stopped."""
    instance = self.get_instance(instance_id)
    if key in ("instance_type", "user_data") and instance.state != "stopped":
        message = f"The instance '{instance_id}' is not in the 'stopped' state."
        raise EC2ClientError("IncorrectInstanceState", message)
    if key in ("disable_api_termination", "disable_api_stop", "source_dest_check") and isinstance(value, str):
        value = value.lower() == "true"
    return _moto_attribute(self, instance_id, key, value)


def modify_shutdown_behaviour(self: InstanceResponse) -> bool:
    """ModifyInstanceAttribute with InstanceInitiatedShutdownBehavior.Value."""
    value = self._get_param("InstanceInitiatedShutdownBehavior.Value")
    if value is None:
        return _moto_values(self)
    self.error_on_dryrun()
    key = "instance_initiated_shutdown_behavior"
    self.ec2_backend.modify_instance_attribute(self._get_param("InstanceId"), key, value)
    return True


def modify_groups(self: EC2Backend, instance_id: str, new_group_id_list: list[str]) -> Any:
    """Replaces the groups of the instance and of its first interface."""
    instance = self.get_instance(instance_id)
    groups = []
    for group_id in new_group_id_list:
        group = self.get_security_group_from_id(group_id)
        if group is None:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        groups.append(group)
    instance.security_groups = groups
    instance.nics[0]._group_set = list(groups)
    return instance


def modify_options(self: EC2Backend, instance_id: str, **asked: Any) -> Any:
    """Keeps what the request does not name."""
    now = self.get_instance(instance_id).metadata_options
    asked["http_tokens"] = asked.get("http_tokens") or now.http_tokens
    asked["hop_limit"] = asked.get("hop_limit") or now.http_put_response_hop_limit
    asked["http_endpoint"] = asked.get("http_endpoint") or now.http_endpoint
    asked["http_protocol"] = asked.get("http_protocol") or now.http_protocol_ipv6
    asked["metadata_tags"] = asked.get("metadata_tags") or now.instance_metadata_tags
    return _moto_options(self, instance_id, **asked)


def modify_options_call(self: InstanceResponse) -> Any:
    """ModifyInstanceMetadataOptions, which moto does whatever DryRun says."""
    self.error_on_dryrun()
    return _moto_options_call(self)


def authorize(self: EC2Backend, *arguments: Any, **asked: Any) -> Any:
    """Networks are kept without their host bits and spelled in one way, so a second spelling is a duplicate."""
    for network in asked.get("ip_ranges") or []:
        for key in {"CidrIp", "CidrIpv6"}.intersection(network):
            with contextlib.suppress(ValueError):  # moto says what is wrong with it
                network[key] = str(ipaddress.ip_network(network[key], strict=False))
    return _moto_authorize(self, *arguments, **asked)


def delete_group(self: EC2Backend, vpc_id: str | None, group_id: str) -> None:
    """Refused while an instance that is not terminated, or another group's rule, uses the group."""
    group = self.get_security_group_from_id(group_id)
    if group is not None and group.is_default:
        message = f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
        raise EC2ClientError("CannotDelete", message)
    used = any(
        group_id in (g.id for g in groups_of(i))
        for i in list(instances.live.values())
        if i.state != "terminated"
    )
    for groups in self.groups.values():
        for other in groups.values():
            if other.id != group_id:
                used = used or any(r.source_group.get("GroupId") == group_id for r in other.ingress_rules)
    if used:
        raise EC2ClientError("DependencyViolation", f"resource {group_id} has a dependent object")
    _moto_delete(self, vpc_id, group_id)


def console_output(self: General) -> Any:
    """The host's console, after a while, as in EC2; before, no output at all."""
    import base64
    import time

    import faults
    import place
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow

    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    result: dict[str, Any] = {"InstanceId": instance.id, "Timestamp": utcnow()}
    late = time.time() - instance.created < place.setting("console_seconds")
    if not late and not faults.get("console-silent"):
        text = instance.host.console()
        if text:
            boot = f"[    0.000000] Linux version 6.1.0\r\n[    2.1] cloud-init[1]: Cloud-init v. 25.1.4\r\n{text}"
            result["Output"] = base64.b64encode(boot.encode()).decode()
    return ActionResult(result)


def install() -> None:
    """Puts these in place of moto's."""
    EC2Backend.modify_instance_attribute = modify_attribute
    EC2Backend.modify_instance_security_groups = modify_groups
    EC2Backend.modify_instance_metadata_options = modify_options
    EC2Backend._delete_security_group = delete_group
    EC2Backend.authorize_security_group_ingress = authorize
    InstanceResponse.modify_instance_metadata_options = modify_options_call
    InstanceResponse._dot_value_instance_attribute_handler = modify_shutdown_behaviour
    General.get_console_output = console_output
