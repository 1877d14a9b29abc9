"""The checks of Ray's undocumented parts, on stand-ins for Ray's module; no Ray is started."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from actors.ray_checks import check_internals, check_loopback, check_reachable
from actors.ray_classes import ClusterError, check_uvloop


def ray_module(**parts: Any) -> Any:
    """Return a stand-in for Ray's module with everything that is checked, and with these parts."""
    private = SimpleNamespace(
        worker=SimpleNamespace(print_to_stdstream=print),
        ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=False),
    )
    module = {
        "__version__": "9.9.9",
        "_private": private,
        "nodes": lambda: [{"NodeManagerAddress": "127.0.0.1"}],
        "is_initialized": lambda: True,
        "job_config": SimpleNamespace(JobConfig=lambda: SimpleNamespace(_client_job=False)),
    }
    return SimpleNamespace(**{**module, **parts})


def test_a_ray_with_every_internal_passes() -> None:
    check_internals(ray_module())


def test_missing_internals_are_named_with_rays_version() -> None:
    private = SimpleNamespace(worker=SimpleNamespace(), ray_constants=SimpleNamespace())
    config = SimpleNamespace(JobConfig=SimpleNamespace)
    with pytest.raises(ClusterError) as refused:
        check_internals(ray_module(_private=private, job_config=config))
    message = str(refused.value)
    assert message.startswith("Ray 9.9.9 has no ray.job_config.JobConfig._client_job (")
    assert "no ray._private.worker.print_to_stdstream (" in message
    assert "no ray._private.ray_constants.ENABLE_RAY_CLUSTER (" in message
    assert "ray.nodes" not in message


def test_a_ray_on_loopback_passes() -> None:
    check_loopback(ray_module())


def test_a_ray_that_disregards_the_switch_is_refused_before_it_starts() -> None:
    private = SimpleNamespace(ray_constants=SimpleNamespace(ENABLE_RAY_CLUSTER=True))
    ray = ray_module(_private=private, is_initialized=lambda: False)
    with pytest.raises(ClusterError, match=r"^Ray 9\.9\.9 disregards RAY_ENABLE_WINDOWS_OR_OSX"):
        check_loopback(ray)


def test_a_ray_that_bound_another_address_is_refused_with_the_address() -> None:
    nodes = [{"NodeManagerAddress": "127.0.0.1"}, {"NodeManagerAddress": "10.0.0.7"}]
    with pytest.raises(ClusterError, match=r"beyond loopback on 10\.0\.0\.7: install"):
        check_loopback(ray_module(nodes=lambda: nodes))


def test_uvloop_under_an_actor_passes() -> None:
    loop = uvloop.new_event_loop()
    try:
        check_uvloop(loop, ray_version="9.9.9")
    finally:
        loop.close()


def test_another_loop_under_an_actor_is_refused_with_the_remedy() -> None:
    loop = asyncio.SelectorEventLoop()
    try:
        with pytest.raises(ClusterError, match=r"Ray 9\.9\.9 .*_UnixSelectorEventLoop.*RAY_USE_UV"):
            check_uvloop(loop, ray_version="9.9.9")
    finally:
        loop.close()


def test_a_cluster_that_does_not_answer_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        check_reachable(f"127.0.0.1:{port}")
    with pytest.raises(ClusterError, match=f"no Ray answers at 127.0.0.1:{port}"):
        check_reachable(f"127.0.0.1:{port}")
    for address in ("auto", "ray://127.0.0.1:1", "local"):
        check_reachable(address)
