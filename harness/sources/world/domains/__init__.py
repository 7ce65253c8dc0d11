"""The domains of the synthetic world, by name."""

from __future__ import annotations

from harness.sources.world.domains.library import LIBRARY
from harness.sources.world.domains.telecom import TELECOM

__all__ = ["DOMAINS"]

DOMAINS = {domain.name: domain for domain in (TELECOM, LIBRARY)}
