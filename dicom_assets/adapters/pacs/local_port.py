"""The one address at which PACSs reach us: what we take there shares it for as long as it is needed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from pynetdicom.presentation import PresentationContext

from dicom_assets.adapters.pacs.association import LocalNode
from dicom_assets.adapters.pacs.plane.acceptor import (
    CALLED_AE_TITLE_UNKNOWN,
    TOO_MANY_ASSOCIATIONS,
    Rejection,
    accepted,
)
from dicom_assets.adapters.pacs.plane.association import Association
from dicom_assets.adapters.pacs.plane.commands import Command
from dicom_assets.adapters.pacs.plane.faults import AssociationLostError, AssociationRejectedError
from dicom_assets.adapters.pacs.plane.listener import Listener
from dicom_assets.adapters.pacs.plane.negotiation import Request
from dicom_assets.adapters.pacs.plane.wire import Limits
from dicom_assets.adapters.pacs.tls import server_context

VERIFICATION = "1.2.840.10008.1.1"
MAX_REJECTIONS_AT_ONCE = 16

_mutex = threading.Lock()
_ports: dict[LocalNode, LocalPort] = {}


class Service(Protocol):
    """What is taken at the port. Any number of threads may ask it."""

    @property
    def limits(self) -> Limits:
        """Times and sizes; of the services that may have business with a peer, the one that takes most decides."""

    @property
    def max_associations(self) -> int:
        """How many there may be at once."""

    def supported(self) -> Sequence[PresentationContext]:
        """The presentation contexts that it takes, each SOP Class once."""

    def is_expected(self, address: str) -> bool:
        """Whether somebody at this address may have business with it."""

    def admits(self, request: Request, address: str) -> Rejection | None:
        """Why an association that is for us is not for it, or None."""

    def answer(self, association: Association, command: Command) -> None:
        """Answer a request that came in one of its contexts."""


def local_port(local: LocalNode) -> LocalPort:
    """This process's port of ours."""
    with _mutex:
        return _ports.setdefault(local, LocalPort(local))


class LocalPort:
    """Listens on `LOCAL_HOST`:`LOCAL_PORT` while at least one service is there.

    An association gets the contexts of every service that admits it, and each request goes to the service of its
    context.
    """

    def __init__(self, local: LocalNode) -> None:
        self._local = local
        self._mutex = threading.Lock()
        self._services: list[Service] = []
        self._listener: Listener | None = None
        self._tls: ssl.SSLContext | None = None

    @contextmanager
    def serving(self, service: Service) -> Iterator[None]:
        """Let a service take what comes for as long as the block lasts; several blocks may name it.

        Raises:
            OSError: the port is taken, or the address is not ours.
            ConfigurationError: a TLS file can't be used.
        """
        with self._mutex:
            if self._listener is None:
                self._listener = self._listening(service)
            self._services.append(service)
        try:
            yield
        finally:
            with self._mutex:
                self._services.remove(service)
                if not self._services:
                    self._listener.stop()
                    self._listener = None

    def _listening(self, service: Service) -> Listener:
        self._tls = None if self._local.tls is None else server_context(self._local.tls)
        return Listener(
            (self._local.host, self._local.port),
            self._serve,
            lambda address: any(one.is_expected(address) for one in self._present()),
            room=service.max_associations,
            anteroom=MAX_REJECTIONS_AT_ONCE,
        )

    def _present(self) -> list[Service]:
        return list(dict.fromkeys(list(self._services)))

    def _serve(self, connection: socket.socket, address: str, is_crowded: bool) -> None:
        services = self._present()
        by_class: dict[str, Service] = {}

        def judge(request: Request) -> Rejection | None:
            if request.called_ae_title != self._local.ae_title:
                return CALLED_AE_TITLE_UNKNOWN
            rejections = {service: service.admits(request, address) for service in services}
            for service in [service for service in services if rejections[service] is None]:
                for context in service.supported():
                    by_class.setdefault(str(context.abstract_syntax), service)
            if not by_class:
                return next(filter(None, rejections.values()), TOO_MANY_ASSOCIATIONS)
            return TOO_MANY_ASSOCIATIONS if is_crowded else None

        def supported(_request: Request) -> Sequence[PresentationContext]:
            return [
                context
                for service in services
                for context in service.supported()
                if by_class.get(str(context.abstract_syntax)) is service
            ]

        limits = max((s.limits for s in services if s.is_expected(address)), key=_most_bytes, default=None)
        if limits is None:
            return
        try:
            connection = self._secured(connection, limits)
        except OSError:  # no TLS, or none that we accept
            return
        try:
            association = accepted(connection, supported, judge, limits)
            while (command := association.receive()) is not None:
                by_class[association.contexts[command.context_id].sop_class_uid].answer(association, command)
        except (AssociationLostError, AssociationRejectedError, OSError):
            return  # what did not arrive is missed by those who wait for it
        except Exception as error:  # noqa: BLE001  an edge: the thread's traceback would show values
            raise RuntimeError(f"unexpected {type(error).__name__} at our port") from None
        finally:
            connection.close()

    def _secured(self, connection: socket.socket, limits: Limits) -> socket.socket:
        if self._tls is None:
            return connection
        connection.settimeout(limits.connect_seconds)
        # A duplicate, so that the listener can still interrupt its own: `wrap_socket` takes the descriptor away.
        return self._tls.wrap_socket(connection.dup(), server_side=True)


def _most_bytes(limits: Limits) -> int:
    return limits.max_bytes
