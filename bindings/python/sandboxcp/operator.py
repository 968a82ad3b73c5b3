"""What operators do: templates that change, containers and their logs, nodes."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Sequence, Union

from . import _structs as t
from ._lib import V, call, encoded, text
from .errors import Status, error
from .values import Resources, TemplateInfo, _names, _time

_STATUSES = _names(t.CONTAINER_STATUSES)


@dataclass(frozen=True)
class Usage:
    """What a container uses; ``cpu_percent`` since it started, on average, 100 is one core."""

    cpu_percent: float
    memory_bytes: int
    processes: int


@dataclass(frozen=True)
class ContainerInfo:
    """One container; ``usage`` is None in lists and where it doesn't run."""

    id: str
    runtime_type: Optional[str]
    status: str
    session_id: Optional[str]
    template_id: Optional[str]
    node: Optional[str]
    image: Optional[str]
    resources: Optional[Resources]
    usage: Optional[Usage]
    created_at: Optional[datetime]
    uptime: float
    exit_code: Optional[int]
    exit_reason: Optional[str]

    @classmethod
    def _of(cls, m: t.Container) -> "ContainerInfo":
        usage = m.usage.contents if m.usage else None
        return cls(
            id=text(m.id) or "",
            runtime_type=text(m.runtime_type),
            status=_STATUSES.get(m.status, "?"),
            session_id=text(m.session_id),
            template_id=text(m.template_id),
            node=text(m.node),
            image=text(m.image),
            resources=Resources._of(m.resources),
            usage=Usage(usage.cpu_percent, usage.memory_bytes, usage.processes) if usage else None,
            created_at=_time(m.created_us),
            uptime=m.uptime_s,
            exit_code=None if m.exit_code < 0 else m.exit_code,
            exit_reason=text(m.exit_reason),
        )


@dataclass(frozen=True)
class NodeShare:
    """What a node has, or what its containers were given of it."""

    cpu_millis: int
    memory_bytes: int
    containers: int

    @classmethod
    def _of(cls, p: Any) -> "NodeShare":
        return cls(p.contents.cpu_millis, p.contents.memory_bytes, p.contents.containers)


@dataclass(frozen=True)
class NodeInfo:
    """A place where containers run."""

    id: str
    runtime_type: Optional[str]
    url: Optional[str]
    status: Optional[str]
    capacity: NodeShare
    allocated: NodeShare
    cached_images: List[str]
    heartbeat_at: Optional[datetime]
    advertise_url: Optional[str]

    @classmethod
    def _of(cls, m: t.Node) -> "NodeInfo":
        return cls(
            id=text(m.id) or "",
            runtime_type=text(m.runtime_type),
            url=text(m.url),
            status=text(m.status),
            capacity=NodeShare._of(m.capacity),
            allocated=NodeShare._of(m.allocated),
            cached_images=[text(m.cached_images[i]) or "" for i in range(m.cached_image_count)],
            heartbeat_at=_time(m.heartbeat_us),
            advertise_url=text(m.advertise_url),
        )


@dataclass(frozen=True)
class Reach:
    """Where something is served: ``here``, or by the process at ``url``, which drives ``node``."""

    here: bool
    node: Optional[str]
    node_status: Optional[str]
    url: Optional[str]

    @classmethod
    def _of(cls, m: t.Reach) -> "Reach":
        return cls(bool(m.here), text(m.node), text(m.node_status), text(m.url))


def _wrong(message: str) -> Exception:
    return error(Status.EINVAL, "InvalidParameter", message, "")


def _choice(table: Mapping[str, int], value: str, name: str) -> int:
    if value not in table:
        raise _wrong(f"{name} must be one of {', '.join(table)}, not {value!r}")
    return table[value]


def _switch(value: Optional[bool]) -> int:
    return t.SWITCHES["default"] if value is None else t.SWITCHES["on" if value else "off"]


def _set_lists(
    spec: t.TemplateSpec,
    languages: Optional[Sequence[str]],
    packages: Sequence[str],
    env: Optional[Mapping[str, str]],
) -> None:
    if languages:
        numbers = [_choice(t.LANGUAGES, name, "languages") for name in languages]
        spec.languages = (c_int * len(numbers))(*numbers)
        spec.language_count = len(numbers)
    if packages:
        spec.packages = (c_char_p * len(packages))(*[encoded(p, "a package") for p in packages])
        spec.package_count = len(packages)
    if env:
        items = [t.Pair(encoded(k, "an env name"), encoded(v, f"env {k}")) for k, v in env.items()]
        spec.env = (t.Pair * len(items))(*items)
        spec.env_count = len(items)


def _spec(
    template_id: Optional[str],
    name: str,
    image: str,
    *,
    description: Optional[str] = None,
    base_image: Optional[str] = None,
    languages: Optional[Sequence[str]] = None,
    packages: Sequence[str] = (),
    resources: Optional[Mapping[str, int]] = None,
    timeout: int = 0,
    env: Optional[Mapping[str, str]] = None,
    network: Optional[bool] = None,
    read_only_root: Optional[bool] = None,
    run_as_user: int = 0,
    max_processes: int = 0,
    seccomp: Optional[str] = None,
    warm_pool: Optional[Mapping[str, int]] = None,
    deprecated: bool = False,
    idempotency_key: Optional[str] = None,
) -> t.TemplateSpec:
    spec = t.sized(t.TemplateSpec, default_timeout_s=timeout, run_as_user=run_as_user, max_processes=max_processes)
    for member, value in (
        ("id", template_id),
        ("name", name),
        ("image", image),
        ("description", description),
        ("base_image", base_image),
        ("seccomp", seccomp),
        ("idempotency_key", idempotency_key),
    ):
        setattr(spec, member, encoded(value, member))
    spec.network, spec.read_only_root = _switch(network), _switch(read_only_root)
    spec.deprecated = deprecated
    _set_lists(spec, languages, packages, env)
    if resources is not None:
        spec.default_resources = ctypes.pointer(t.sized(t.Resources, **resources))
    if warm_pool is not None:
        spec.warm_pool = ctypes.pointer(t.sized(t.WarmPool, **warm_pool))
    return spec


class Operator:
    """The part of a plane for operators."""

    if TYPE_CHECKING:
        handle: int

        def _take(self, name: str, item: Any, convert: Callable[[Any], V], *arguments: Any) -> V: ...

        def _list(
            self, name: str, page_type: Any, convert: Callable[[Any], V], query: Any, limit: Optional[int], *before: Any
        ) -> List[V]: ...

    def create_template(self, template_id: str, name: str, image: str, **fields: Any) -> TemplateInfo:
        """A new template. ``fields``: description, base_image, languages, packages, resources (cpu_millis,
        memory_bytes, disk_bytes, max_processes), timeout, env, network, read_only_root, run_as_user, max_processes,
        seccomp, warm_pool (min, max, max_idle_s), deprecated, idempotency_key."""
        spec = _spec(template_id, name, image, **fields)
        return self._take_made("scp_template_create", byref(spec))

    def update_template(self, template_id: str, name: str, image: str, **fields: Any) -> TemplateInfo:
        """Replace a template: what ``fields`` leave out goes back to its default."""
        spec = _spec(None, name, image, **fields)
        return self._take_made("scp_template_update", encoded(template_id, "template_id"), byref(spec))

    def _take_made(self, name: str, *arguments: Any) -> TemplateInfo:
        return self._take(name, t.Template, TemplateInfo._of, *arguments)

    def delete_template(self, template_id: str) -> None:
        """Delete a template that no session uses any more."""
        call("scp_template_delete", self.handle, encoded(template_id, "template_id"))

    def container(self, container_id: str) -> ContainerInfo:
        """One container, with what it uses."""
        return self._take("scp_container_get", t.Container, ContainerInfo._of, encoded(container_id, "container_id"))

    def containers(
        self,
        *,
        status: Optional[str] = None,
        runtime_type: Optional[str] = None,
        session_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[ContainerInfo]:
        """Containers, newest first."""
        query = t.sized(t.ContainerQuery, runtime_type=encoded(runtime_type), session_id=encoded(session_id))
        if status is not None:
            query.status = _choice(t.CONTAINER_STATUSES, status, "status")
        return self._list("scp_container_list", t.ContainerPage, ContainerInfo._of, query, limit)

    def container_logs(self, container_id: str, tail: int = 100, since: Union[datetime, float, None] = None) -> str:
        """What a container said, as lines of time, source and text. ``since`` is a time, or seconds since 1970."""
        seconds = since.timestamp() if isinstance(since, datetime) else since
        query = t.sized(t.LogQuery, tail=tail, since_us=int((seconds or 0) * 1e6))
        return self._take(
            "scp_container_logs",
            t.ContainerLog,
            lambda log: ctypes.string_at(log.text, log.len).decode("utf-8", "replace"),
            encoded(container_id, "container_id"),
            byref(query),
        )

    def nodes(self, limit: Optional[int] = None) -> List[NodeInfo]:
        """Nodes, by id."""
        return self._list("scp_node_list", t.NodePage, NodeInfo._of, t.sized(t.NodeQuery), limit)

    def drain_node(self, node_id: str, drain: bool = True) -> NodeInfo:
        """Keep new sessions off a node, or (``drain=False``) let it take them again."""
        return self._take("scp_node_drain", t.Node, NodeInfo._of, encoded(node_id, "node_id"), drain)

    def reach(self, id: str) -> Reach:  # noqa: A002
        """Where a session's files, an execution's events or a container's log are to be had."""
        return self._take("scp_reach_get", t.Reach, Reach._of, encoded(id, "id"))
