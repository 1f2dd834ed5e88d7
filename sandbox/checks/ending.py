"""The last checks: `up` again, and `reset`, which spares nothing."""

from checks.tools import ENV, World


def check_up_again_keeps_what_runs(world: World) -> None:
    host = world.main
    world.sandbox("up")
    assert world.state(host["id"]) == "running"
    world.ssh(host, "true")


def check_reset(world: World) -> None:
    world.close()
    live = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    others = world.ec2.describe_instances(Filters=live)["Reservations"]
    if others:
        print("      (skipped: somebody else's instances are here)")
        return
    world.sandbox("launch")
    world.sandbox("reset")
    assert not world.ec2.describe_instances()["Reservations"]
    label = f"label=a3-sandbox={ENV['A3_SANDBOX_NUMBER']}"
    assert world.run("docker", "ps", "-aq", "--filter", label).stdout == b""
    assert world.run("docker", "images", "-q", ENV["A3_SANDBOX_BASE"]).stdout, "the base image went too"
