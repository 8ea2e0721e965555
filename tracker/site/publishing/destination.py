"""Which kind of destination a URL means; each is in a module of its own."""

from __future__ import annotations

from tracker.site.config import PublishConfig
from tracker.site.publishing.address import Destination, Endpoint, secret, trusted
from tracker.site.publishing.mqtt import Mqtt
from tracker.site.publishing.redis_stream import RedisStream
from tracker.site.publishing.webhook import Webhook


def destination(url: str, config: PublishConfig) -> Destination:
    """What sends to this URL; it is not connected to yet.

    Raises:
        UsageError: the URL is none that can be published to. ConfigError: a file of secrets that cannot be read.
        MissingExtraError: the package is not installed.
    """
    address = Endpoint.of(url)
    certificates = trusted(address, config)
    if address.scheme.startswith("mqtt"):
        return Mqtt(address, certificates, config.timeout_s)
    if address.scheme.startswith("redis"):
        return RedisStream(address, config.ca_file, config.timeout_s)
    return Webhook(url, address, secret(config.secret_file), certificates, config.timeout_s)
