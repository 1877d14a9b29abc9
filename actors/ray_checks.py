"""Check that a Ray has the internals that are used here, binds loopback only, and is there to join.

Owns the undocumented internals of Ray by name. It never imports, starts or changes a Ray.
"""

import ipaddress
import socket
from typing import Any, Final

from actors.ray_classes import ClusterError

_INTERNALS: Final = {
    "_private.worker.print_to_stdstream": "replaced, so that it prints no actor's end",
    "_private.ray_constants.ENABLE_RAY_CLUSTER": "false while Ray binds loopback only",
    "nodes": "the address to which a local Ray bound",
}
"""Attributes of Ray on which no documented interface depends, and what each is used for."""


def check_internals(ray: Any) -> None:
    """Check that Ray has the undocumented attributes that are used here.

    Parameters
    ----------
    ray : module
        Ray, imported.

    Raises
    ------
    ClusterError
        Names Ray's version and every attribute that is missing.
    """
    missing = []
    if not hasattr(ray.job_config.JobConfig(), "_client_job"):
        missing.append("ray.job_config.JobConfig._client_job (keeps the folder off the path)")
    for path, use in _INTERNALS.items():
        found = ray
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is None:
            missing.append(f"ray.{path} ({use})")
    if missing:
        raise ClusterError(
            f"Ray {ray.__version__} has no {', no '.join(missing)}: install another version of Ray,"
            " or adapt actors/cluster.py"
        )


_REACHED_S: Final = 5.0


def check_reachable(address: str) -> None:
    """Check that something listens at a cluster's address: joining a lost head blocks for minutes.

    Parameters
    ----------
    address : str
        Only one of the form ``host:port`` is checked.

    Raises
    ------
    ClusterError
        When no connection is made.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED_S).close()
    except OSError as error:
        raise ClusterError(f"no Ray answers at {address}: {error}") from error


def check_loopback(ray: Any) -> None:
    """Check that a local Ray binds loopback addresses only.

    Parameters
    ----------
    ray : module
        Ray, imported, and connected if its nodes are to be checked.

    Raises
    ------
    ClusterError
        When Ray disregards RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0.
    """
    addresses = [node["NodeManagerAddress"] for node in ray.nodes()] if ray.is_initialized() else []
    outside = [a for a in addresses if not ipaddress.ip_address(a).is_loopback]
    if outside or ray._private.ray_constants.ENABLE_RAY_CLUSTER:
        where = f" on {', '.join(outside)}" if outside else ""
        raise ClusterError(
            f"Ray {ray.__version__} disregards RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 and would listen"
            f" beyond loopback{where}: install another version of Ray"
        )
