"""Which partitions stand still: only there may a restriction end by the clock (design, section 2)."""

from collections.abc import Collection, Mapping

import structlog

from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, high_watermarks

_log = structlog.get_logger(__name__)

_ASK_EVERY_S = 1.0


class Standstill:
    """Asks the broker, once a second at most: the question takes as long as some batches do."""

    def __init__(self, settings: ClientSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._ask_again_s = 0.0

    def among(self, ends: Mapping[int, int]) -> Collection[int]:
        """Those of the partitions, each read up to its end here, that have nothing beyond it now.

        The caller asks after the clock has passed what is over: what came before that is then in the answer.
        """
        now_s = self._settings.clock.monotonic()
        if now_s < self._ask_again_s:
            return ()
        self._ask_again_s = now_s + _ASK_EVERY_S
        try:
            high = high_watermarks(self._settings, self._topic, ends, timeout_s=_ASK_EVERY_S)
        except (BrokerUnreachable, ReadingFailed) as problem:
            _log.info("cannot ask whether partitions stand still; asked again", reason=str(problem))
            return ()
        return [partition for partition, end in ends.items() if end >= high[partition]]
