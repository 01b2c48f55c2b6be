"""How long reading a text takes: complaint recogniser and whole reader, one core.

Run: `python benchmarks/recogniser.py [--rounds N]`. The phrases are the test sentences in both
languages, each read once a round; the vignette is one of about 90 words. Prints median and p95.
"""

import argparse
import platform
import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
SAID = Path(__file__).parents[1] / "tests/unit/triage"
VIGNETTE = (
    "A 62-year-old woman with a history of COPD and diabetes presents with 3 days of worsening "
    "shortness of breath, cough with green sputum and fever to 101.3°F. She denies chest pain, "
    "hemoptysis or leg swelling. No loss of consciousness. On examination she speaks in single "
    "words, BP 95/60, HR 118, RR 30, SpO2 86 % on room air. Her brother has asthma. She takes "
    "apixaban for atrial fibrillation and has not eaten since yesterday; she vomited twice, "
    "without blood. Pain 4/10 on deep breaths, no rash, no neck stiffness."
)


def phrases() -> list[str]:
    """Give the test sentences of both languages."""
    texts: list[str] = []
    for language in ("french", "english"):
        said = tomllib.loads((SAID / f"said_in_{language}.toml").read_text("utf-8"))["said"]
        texts.extend(text for of_one in said.values() for text in of_one)
    return texts


def timed(read: Callable[[str], object], texts: list[str], rounds: int) -> list[float]:
    """Time each text in microseconds."""
    spent: list[float] = []
    for _ in range(rounds):
        for text in texts:
            begun = time.perf_counter()
            read(text)
            spent.append((time.perf_counter() - begun) * 1e6)
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    begun = time.perf_counter()
    from triage import reader, recogniser

    heard, whole = recogniser.shipped(), reader.shipped()
    loaded = (time.perf_counter() - begun) * 1e3
    texts = phrases()
    print(f"{platform.platform()}, Python {platform.python_version()}, {len(texts)} phrases")
    print(f"{'load':24}{loaded:10.0f} ms")
    for name, read, said in (
        ("recognise a phrase", heard.recognise, texts),
        ("read a phrase", whole.read, texts),
        ("recognise a vignette", heard.recognise, [VIGNETTE] * 100),
        ("read a vignette", whole.read, [VIGNETTE] * 100),
    ):
        spent = timed(read, said, rounds)
        p95 = statistics.quantiles(spent, n=20)[-1]
        print(f"{name:24}{statistics.median(spent):10.0f} us median{p95:10.0f} us p95")


if __name__ == "__main__":
    main()
