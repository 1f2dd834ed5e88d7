"""RunInstances: what EC2 checks first, client tokens, capacity, and the launch itself."""

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import faults
import place
from ec2 import amis, instances
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses._base_response import EC2BaseResponse
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import filter_dict_attribute_mapping

_TOKEN_LIFE = 24 * 3600
_moto_run = InstanceResponse.run_instances
_moto_all = InstanceBackend.all_reservations
_lock = threading.Lock()
_seen = threading.local()


@dataclass
class _Bound:
    """A client token's first use: with which parameters, and what came of it."""

    digest: str
    at: float
    reservation: Any = None


_tokens: dict[tuple, _Bound] = {}


def forget() -> None:
    """Forgets all client tokens."""
    _tokens.clear()


def _digest(call: InstanceResponse) -> str:
    asked = {k: v for k, v in call.params.items() if k not in ("ClientToken", "DryRun")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _scope(call: InstanceResponse, token: str) -> tuple:
    """Tokens count per account and region, and per zone once a subnet is named."""
    nics = call._get_param("NetworkInterfaces", [])
    subnet = call._get_param("SubnetId") or next((n["SubnetId"] for n in nics if "SubnetId" in n), None)
    zone = call.ec2_backend.get_subnet(subnet).availability_zone if subnet else ""
    return call.current_account, call.region, zone, token


def _check(call: InstanceResponse) -> None:
    """What EC2 refuses, DryRun included."""
    backend, image_id = call.ec2_backend, call._get_param("ImageId")
    if not image_id and not call._get_param("LaunchTemplate"):
        raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")
    image = backend.describe_images(ami_ids=[image_id])[0] if image_id else None
    key = call._get_param("KeyName")
    if key and key not in backend.key_pairs:
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
    name = call._get_param("InstanceType", "m1.small")
    kinds = [k for k in backend.describe_instance_types() if k.get("InstanceType") == name]
    if not kinds:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    can = kinds[0].get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if image and can and image.architecture not in can:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{','.join(can)}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover "
            "the architecture of the instance type or AMI.",
        )
    for group in call._get_param("SecurityGroupIds", []):
        if backend.get_security_group_from_id(group) is None:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    if call._get_param("InstanceMarketOptions.MarketType") == "spot" and call._get_param("DisableApiTermination"):
        message = "You can't enable termination protection for Spot Instances."
        raise EC2ClientError("InvalidParameterCombination", message)


def _again(bound: _Bound, digest: str) -> Any:
    """The answer to a token that was used before, None if it may be tried anew."""
    if bound.digest != digest:
        message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        raise EC2ClientError("IdempotentParameterMismatch", message)
    if bound.reservation is None:
        return None
    ended = all(i.state == "terminated" for i in bound.reservation.instances)
    if ended and not faults.get("token-answers-terminated"):
        ids = ", ".join(i.id for i in bound.reservation.instances)
        message = f"The client token in this request was used for an instance that has been terminated: {ids}."
        raise EC2ClientError("IdempotentInstanceTerminated", message)
    return ActionResult(bound.reservation)


def run_instances(self: InstanceResponse) -> ActionResult:
    """InstanceResponse.run_instances with EC2's idempotency."""
    _check(self)
    if self._get_param("DryRun", False):
        return _moto_run(self)
    token = self._get_param("ClientToken")
    with _lock:
        if token:
            scope, digest = _scope(self, token), _digest(self)
            bound = _tokens.get(scope)
            if bound and bound.at + _TOKEN_LIFE > time.time():
                answer = _again(bound, digest)
                if answer is not None:
                    return answer
            bound = _tokens[scope] = _Bound(digest, time.time())
        if faults.strike("capacity"):
            raise EC2ClientError(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {self._get_param('InstanceType')} capacity in the Availability "
                "Zone you requested. Our system will be working on provisioning additional capacity.",
            )
        answer = _moto_run(self)
        if token:
            bound.reservation = answer.result
        for instance in answer.result.instances:
            _finish(self, instance)
    return answer


def _finish(call: InstanceResponse, instance: Any) -> None:
    """What moto leaves out of a new instance."""
    instance.disable_api_termination = bool(call._get_param("DisableApiTermination", False))
    if not instance.security_groups:
        instance.security_groups = list(instance.nics[0].group_set)
    for nic in instance.nics.values():
        nic.add_tags(call._parse_tag_specification().get("network-interface", {}))
    instances.launch(instance)


def _as_seen(moto):
    """A describing call that leaves out what EC2 would not show yet, `invisible_seconds` after its launch."""

    def call(self: InstanceBackend, *arguments: Any, **settings: Any) -> Any:
        _seen.hidden_after = time.time() - place.setting("invisible_seconds")
        try:
            return moto(self, *arguments, **settings)
        finally:
            del _seen.hidden_after

    return call


def all_reservations(self: InstanceBackend, filters: Any = None) -> list[Any]:
    """All of them, or within `_as_seen` those that are to be seen."""
    found = _moto_all(self, filters)
    limit = getattr(_seen, "hidden_after", None)
    if limit is None:
        return found
    for reservation in found:
        reservation.instances = [i for i in reservation.instances if i.created <= limit]
    return [r for r in found if r.instances]


def install() -> None:
    """Puts this in place of moto's."""
    InstanceResponse.run_instances = run_instances
    InstanceBackend.all_reservations = all_reservations
    InstanceBackend.describe_instances = _as_seen(InstanceBackend.describe_instances)
    InstanceBackend.get_reservations_by_instance_ids = _as_seen(InstanceBackend.get_reservations_by_instance_ids)
    # moto shows "pending" in every answer; a token's second use shows the state that is.
    EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.pop("RunInstances.Reservation.Instances.Instance.State", None)
    filter_dict_attribute_mapping["client-token"] = "client_token"
    filter_dict_attribute_mapping["instance-state-code"] = "state_code"
    filter_dict_attribute_mapping["reservation-id"] = "id"
    filter_dict_attribute_mapping["instance-lifecycle"] = "lifecycle"
    assert amis.AMIS
