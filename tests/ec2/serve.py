"""moto's EC2 with what the adapter's tests need and moto lacks: client tokens, capacity, pending first."""

import logging
import os
import sys
import threading

os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
os.environ["MOTO_ENABLE_KEYPAIR_VALIDATION"] = "true"

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.tags import TagResponse
from moto.ec2.utils import filter_dict_attribute_mapping
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

# A type that there is never any capacity for.
SCARCE = "u-24tb1.112xlarge"
# A type that nothing can become.
NO_TYPE = "t2.gigantic"

run = InstanceResponse.run_instances
tokens = {}
missed = {}


def run_instances(self):
    """The same token and request give the same instance; once a subnet is named, per zone."""
    if self._get_param("DryRun"):
        key = self._get_param("KeyName")
        if key and key not in self.ec2_backend.key_pairs:
            raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
        return run(self)
    subnet = self._get_param("SubnetId")
    zone = self.ec2_backend.get_subnet(subnet).availability_zone if subnet else None
    scope = (self.region, zone, self._get_param("ClientToken"))
    asked = repr(sorted((k, repr(v)) for k, v in self.params.items()))
    if scope in tokens:
        before, instance = tokens[scope]
        if before != asked:
            raise EC2ClientError("IdempotentParameterMismatch", "Arguments are inconsistent with previous request(s)")
        if instance.instances[0].state == "terminated" and "dead-answer" not in asked:
            raise EC2ClientError("IdempotentInstanceTerminated", "The instance of this client token is terminated")
        return ActionResult(instance)
    if self._get_param("InstanceType") == SCARCE:
        raise EC2ClientError("InsufficientInstanceCapacity", "We currently do not have sufficient capacity")
    answer = run(self)
    answer.result.instances[0].disable_api_termination = self._get_param("DisableApiTermination") or False
    tokens[scope] = (asked, answer.result)
    return answer


def start_instances(self):
    """Capacity is asked for at every start."""
    for one in self._get_param("InstanceIds", []):
        if self.ec2_backend.get_instance(one).instance_type == SCARCE:
            raise EC2ClientError("InsufficientInstanceCapacity", "We currently do not have sufficient capacity")
    return start(self)


def create_tags(self):
    """A group that was made a moment ago is not known everywhere."""
    for one in self._get_param("Resources", []):
        late = one.startswith("sg-") and self.ec2_backend.get_security_group_from_id(one)
        missed[one] = missed.get(one, 0) + 1
        if late and "late" in late.name and missed[one] <= 2:
            raise EC2ClientError("InvalidGroup.NotFound", f"The security group '{one}' does not exist")
    return tag(self)


def describe_instance_attribute(self):
    """Nobody may see the attributes of an instance tagged `hidden`."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    if any(tag["key"] == "hidden" for tag in instance.get_tags()):
        raise EC2ClientError("UnauthorizedOperation", "You are not authorized to perform this operation.")
    return attribute(self)


def describe_instances(self):
    """Who asks for an instance tagged `late` by its id is told at first that there is none."""
    for one in self._get_param("InstanceIds", []):
        instance = self.ec2_backend.get_instance(one)
        missed[one] = missed.get(one, 0) + 1
        if any(tag["key"] == "late" for tag in instance.get_tags()) and missed[one] <= 2:
            raise EC2ClientError("InvalidInstanceID.NotFound", f"The instance ID '{one}' does not exist")
    return describe(self)


attribute = InstanceResponse.describe_instance_attribute
InstanceResponse.describe_instance_attribute = describe_instance_attribute
start = InstanceResponse.start_instances
InstanceResponse.start_instances = start_instances
tag = TagResponse.create_tags
TagResponse.create_tags = create_tags
describe = InstanceResponse.describe_instances
InstanceResponse.describe_instances = describe_instances


def modify_value(self):
    """moto takes a changed shutdown behaviour for a change to no groups at all."""
    value = self._get_param("InstanceInitiatedShutdownBehavior.Value")
    if self._get_param("InstanceType.Value") == NO_TYPE:
        raise EC2ClientError("InvalidInstanceAttributeValue", f"The instance type '{NO_TYPE}' is not supported")
    if value is None:
        return change(self)
    key = "instance_initiated_shutdown_behavior"
    self.ec2_backend.modify_instance_attribute(self._get_param("InstanceId"), key, value)
    return True


change = InstanceResponse._dot_value_instance_attribute_handler
InstanceResponse._dot_value_instance_attribute_handler = modify_value
InstanceResponse.run_instances = run_instances
logging.getLogger("werkzeug").setLevel(logging.ERROR)
filter_dict_attribute_mapping["client-token"] = "client_token"
# moto says "pending" whatever the state is; a token's second use must tell.
InstanceResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.pop("RunInstances.Reservation.Instances.Instance.State", None)

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
