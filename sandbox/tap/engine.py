"""The tap in front of this machine's Docker engine."""

import place
from tap import log, relay


def watch(where: str) -> relay.Watch:
    """Notes every call to an engine under the name `where`."""

    def see(request: relay.Request) -> bytes | None:
        write = log.engine_writes(request.method, request.path)
        return log.DROPPED if log.note(where, request.method, request.path, write) else None

    return see


def main() -> None:
    listener = relay.unix_listener(place.ENGINE_TAP)
    dial = relay.unix_dial(place.ENGINE.removeprefix("unix://"))
    see = watch("engine")
    relay.accept(listener, lambda client: relay.serve(client, dial, see))


if __name__ == "__main__":
    main()
