"""Three brokers that each worker reaches over ports of its own, so that its network can be cut alone.

A broker tells its clients where all brokers are, by the listener that they came in at. So each broker has one listener more
for each lane, advertised at the gate of that lane: whoever starts at a lane's gates never meets another address.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from tests.brokers import Broker, Cluster
from tests.faults.proxy import COMMIT, Gate, Proxy, Request, Watch, free_ports

BROKERS = 3
_SETTINGS = ("num.network.threads=1", "controlled.shutdown.max.retries=1")


class Lane:
    """The network between one worker and the brokers."""

    def __init__(self, gates: list[Gate]) -> None:
        self.gates = gates
        self.bootstrap = ",".join(f"127.0.0.1:{gate.port}" for gate in gates)

    def heal(self) -> None:
        self.unwatch()
        for gate in self.gates:
            gate.open()

    def silence_here(self) -> None:
        """Nothing passes; for who is in the gates' thread already."""
        for gate in self.gates:
            gate.silence_here()

    def at_commit(self, act: Callable[[int], None], *, held: bool, last: bool) -> Watch:
        """Acts when the next commit's request passes: `last`, the decision itself, else whichever comes first."""
        watch = Watch((Request.END_TXN,) if last else COMMIT, act, held=held)
        for gate in self.gates:
            gate.watch = watch
        return watch

    def unwatch(self) -> None:
        for gate in self.gates:
            gate.watch = None


class AtBroker:
    """Something to do at the broker of a port: to be called in the gates' thread."""

    def __init__(self, brokers: dict[int, Broker], signal_number: signal.Signals) -> None:
        self._brokers = brokers
        self._signal = signal_number
        self.hit: Broker | None = None

    def __call__(self, target: int) -> None:
        self.hit = self._brokers[target]
        os.kill(self.hit.pid, self._signal)


class FaultCluster:
    """The brokers with their lanes."""

    def __init__(self, folder: Path, proxy: Proxy, lanes: int) -> None:
        self._cluster = Cluster(folder, BROKERS, _SETTINGS)
        self.brokers = self._cluster.brokers
        self.bootstrap = self._cluster.bootstrap
        ports = iter(free_ports(2 * lanes * BROKERS))
        gates: list[list[Gate]] = [[] for _ in range(lanes)]
        self.by_port: dict[int, Broker] = {}
        for node, broker in enumerate(self.brokers, 1):
            for lane in gates:
                lane.append(proxy.gate(next(ports), next(ports)))
                self.by_port[lane[-1].target] = broker
            _add_listeners(folder / f"node-{node}" / "server.properties", [lane[-1] for lane in gates])
        self.lanes = [Lane(each) for each in gates]

    def start(self) -> None:
        self._cluster.start()

    def sigkill(self) -> None:
        self._cluster.sigkill()

    def is_in_sync(self) -> bool:
        """Whether every partition has all its replicas: only then the next broker may go."""
        client = clients.admin(ClientSettings(self.bootstrap))
        try:
            found = client.list_topics(timeout=5)
        except KafkaException:
            return False
        places = [place for topic in found.topics.values() for place in topic.partitions.values()]
        return len(found.brokers) == BROKERS and all(len(place.isrs) == BROKERS for place in places)


def _add_listeners(properties: Path, gates: list[Gate]) -> None:
    """The last line of a name counts."""
    lines = dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line and line[0] != "#")
    inside = [f"LANE{number}://127.0.0.1:{gate.target}" for number, gate in enumerate(gates)]
    outside = [f"LANE{number}://127.0.0.1:{gate.port}" for number, gate in enumerate(gates)]
    plain = [f"LANE{number}:PLAINTEXT" for number in range(len(gates))]
    with properties.open("a") as file:
        file.write(f"listeners={','.join([lines['listeners'], *inside])}\n")
        file.write(f"advertised.listeners={','.join([lines['advertised.listeners'], *outside])}\n")
        file.write(f"listener.security.protocol.map={','.join([lines['listener.security.protocol.map'], *plain])}\n")
        file.write("inter.broker.listener.name=PLAINTEXT\n")
