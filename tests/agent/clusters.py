"""A real Ray cluster of a head without room and two nodes, on this machine and on 127.0.0.1 alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# No token file, nothing sent anywhere, and addresses of this machine are not taken for one that others can reach.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 1024 * 1024}
_NOTICE = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


class RayCluster:
    """Nodes by name; each has one CPU and one of the resource `on_NAME`."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={**_NODE, "num_cpus": 0, "include_dashboard": False, "_system_config": _NOTICE},
        )
        self._nodes = {name: self.add(name) for name in ("a", "b")}

    @property
    def address(self) -> str:
        """Where the head listens."""
        return str(self._cluster.address)

    def add(self, name: str) -> Any:
        """Add a node."""
        return self._cluster.add_node(**_NODE, num_cpus=1, resources={f"on_{name}": 1})

    def kill(self, name: str) -> None:
        """Kill a node with SIGKILL, workers and all."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def replace(self, name: str) -> None:
        """Put a new node in the place of one that was killed."""
        self._nodes[name] = self.add(name)

    def shutdown(self) -> None:
        """End all nodes."""
        self._cluster.shutdown()


@contextmanager
def running_cluster() -> Iterator[RayCluster]:
    """Start a cluster, and end it with everything that it started."""
    import ray

    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
