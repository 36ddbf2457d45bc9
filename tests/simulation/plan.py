"""What a world is like and what goes wrong in it: all drawn from its seed before it begins."""

import random
from dataclasses import dataclass, replace

PACES = (1.0, 60.0, 600.0, 3000.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`trouble_s`: until then things go wrong; after it all must come to rest."""

    seed: int
    partitions: int
    detectors: int
    notifiers: int
    have_slots: bool
    senders: int
    batch_size: int
    commit_interval_ms: int
    sweep_bytes: int
    pace: float
    trouble_s: float
    unlucky: float
    slow_marker: float
    stray_error: float
    kill_every_s: float
    freeze_every_s: float
    outage_every_s: float
    retention_every_s: float
    stop_every_s: float
    mail_trouble: float
    lost_join: float

    @classmethod
    def busy(cls, seed: int, notifiers: int = 0) -> "Plan":
        """Many commits, many deaths, a changelog that is swept often."""
        return replace(
            cls.of(seed),
            notifiers=notifiers,
            senders=3,
            commit_interval_ms=20,
            sweep_bytes=500,
            kill_every_s=1.0,
            pace=1.0,
        )

    @classmethod
    def restless(cls, seed: int) -> "Plan":
        """Workers with slots that come and go, and whose joining is often lost on the way."""
        return replace(
            cls.of(seed),
            partitions=3,
            detectors=3,
            notifiers=0,
            have_slots=True,
            commit_interval_ms=100,
            pace=1.0,
            trouble_s=40.0,
            kill_every_s=6.0,
            stop_every_s=5.0,
            freeze_every_s=6.0,
            retention_every_s=6.0,
            lost_join=0.5,
        )

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Some worlds have everything go wrong, others one thing alone, and the rest in between."""
        chance = random.Random(seed)

        def sometimes(*values: float) -> float:
            return chance.choice([0.0, *values])

        return cls(
            seed=seed,
            partitions=chance.randint(1, 3),
            detectors=chance.randint(1, 3),
            notifiers=chance.choice([0, 1, 2]),
            have_slots=chance.random() < 0.3,
            senders=chance.choice([3, 15]),
            batch_size=chance.choice([1, 7, 100, 5000]),
            commit_interval_ms=chance.choice([20, 100, 500]),
            sweep_bytes=chance.choice([500, 5000, 1 << 20]),
            pace=chance.choice(PACES),
            trouble_s=chance.choice([8.0, 20.0, 40.0]),
            unlucky=sometimes(0.01, 0.05),
            slow_marker=sometimes(0.1, 0.5),
            stray_error=sometimes(0.01),
            kill_every_s=sometimes(1.0, 4.0, 10.0),
            freeze_every_s=sometimes(6.0, 12.0),
            outage_every_s=sometimes(12.0),
            retention_every_s=sometimes(6.0),
            stop_every_s=sometimes(5.0),
            mail_trouble=sometimes(0.2),
            lost_join=sometimes(0.1, 0.4),
        )
