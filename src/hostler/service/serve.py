"""`hostler serve`: run the service."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from hostler.service.alone import AlreadyRunningError
from hostler.service.running import LeaseLostError, run
from hostler.service.settings import DEFAULT_PORT, ServiceSettings
from hostler.service.tls import Certificate, CertificateError
from hostler.store.migrations import UnknownSchemaError


def settings_of(arguments: Sequence[str]) -> ServiceSettings:
    """The settings that a command line gives."""
    parser = argparse.ArgumentParser(prog="hostler serve", description="Run the Hostler service.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the data folder (default: ./data)")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; anything but loopback uses TLS")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"default: {DEFAULT_PORT}")
    parser.add_argument("--tls-certificate", type=Path, help="a PEM certificate of your own, its chain behind it")
    parser.add_argument("--tls-key", type=Path, help="its PEM key")
    parser.add_argument("--job-history-days", type=int, default=90, help="how long ended jobs are kept (default: 90)")
    given = parser.parse_args(arguments)
    if (given.tls_certificate is None) != (given.tls_key is None):
        parser.error("--tls-certificate and --tls-key are given together")
    own = None if given.tls_key is None else Certificate(certificate=given.tls_certificate, key=given.tls_key)
    return ServiceSettings(
        data=given.data.resolve(),
        address=given.address,
        port=given.port,
        certificate=own,
        job_history_days=given.job_history_days,
    )


def command(arguments: Sequence[str]) -> int:
    """The exit code: 1 when it could not start or go on. Told to stop by a signal, the process ends by that signal."""
    settings = settings_of(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(settings))
    except (AlreadyRunningError, CertificateError, LeaseLostError, UnknownSchemaError) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    return 0
