#!/usr/bin/env python3
"""Times the losses of mmdetection 3.3, torchvision and torch, forward and backward, beside those of this project.

    python3 losses.py [--mmdet DIR] [--ours target/release/ghm] [--elements 3024000 ...] [--threads 2] [--json]

DIR is an unpacked wheel of mmdet 3.3.0, for its GHM-C and GHM-R, which are left out without it. Needs torch,
torchvision, numpy and safetensors. Both sides run in turn, --rounds times; a round of this one times each loss
--repeats times after a warm-up.

Classification has rows of 80 classes: logits uniform in [-9, -1], one row in 200 of a class, one in 200 ignored (weight
0), the others background. Regression has as many offsets, and boxes a quarter as many, of four corners each. Prints
nanoseconds per element, median (min to max) of all rounds, and how many times longer the other's median is than ours,
as a Markdown table; --json has the seconds.

glibc may give torch's memory back to the system after each step, whose page faults then cost several times the
arithmetic. MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 in the environment keeps it, which is
the fairer measurement of the two.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

sys.path.append(str(Path(__file__).resolve().parents[2] / "fixtures" / "ghm_loss"))
from generate import released_losses  # noqa: E402

CLASSES = 80
# What `ghm bench losses` may call a loss.
NAMES = {
    "ghm_c": ["ghm_c", "ghm-c"],
    "focal": ["focal"],
    "cross_entropy": ["cross_entropy", "bce"],
    "ghm_r": ["ghm_r", "ghm-r"],
    "smooth_l1": ["smooth_l1", "smooth-l1"],
    "giou": ["giou"],
}


def classification(elements: int, mmdet) -> list:
    rows = elements // CLASSES
    logits = torch.empty(rows, CLASSES).uniform_(-9.0, -1.0)
    at = torch.arange(rows)
    labels = torch.where(at % 200 == 0, at % CLASSES, CLASSES)
    weights = (at % 200 != 1).float()
    targets = F.one_hot(labels, CLASSES + 1)[:, :CLASSES].float().contiguous()
    weight = weights[:, None]
    losses = [
        ("focal", "torchvision sigmoid_focal_loss", lambda x: (sigmoid_focal_loss(x, targets) * weight).sum()),
        ("cross_entropy", "torch binary_cross_entropy_with_logits",
         lambda x: F.binary_cross_entropy_with_logits(x, targets, weight, reduction="sum")),
    ]
    if mmdet:
        ghm_c = mmdet.GHMC(bins=30, momentum=0.75)
        losses.insert(0, ("ghm_c", "mmdetection GHMC", lambda x: ghm_c(x, labels, weights)))
    return [(loss, by, logits, run) for loss, by, run in losses]


def regression(elements: int, mmdet) -> list:
    targets = torch.randn(elements // 4, 4)
    predictions = targets + 0.1 * torch.randn_like(targets)
    smooth_l1 = partial(F.smooth_l1_loss, target=targets, beta=1 / 9, reduction="sum")
    losses = [("smooth_l1", "torch smooth_l1_loss", smooth_l1)]
    if mmdet:
        ghm_r, weights = mmdet.GHMR(mu=0.02, bins=10, momentum=0.7), torch.ones_like(targets)
        losses.insert(0, ("ghm_r", "mmdetection GHMR", lambda x: ghm_r(x, targets, weights)))
    return [(loss, by, predictions, run) for loss, by, run in losses]


def boxes(elements: int) -> list:
    count = elements // 4
    corner, size = 500.0 * torch.rand(count, 2), 20.0 + 100.0 * torch.rand(count, 2)
    targets = torch.cat([corner, corner + size], 1)
    predictions = targets + 5.0 * torch.randn_like(targets)
    run = partial(generalized_box_iou_loss, boxes2=targets, reduction="sum")
    return [("giou", "torchvision generalized_box_iou_loss", predictions, run)]


def seconds_of(inputs: torch.Tensor, run, repeats: int) -> list[float]:
    """Times of forward and backward, without that of a first, which warms up."""
    inputs = inputs.clone().requires_grad_()
    times = []
    for _ in range(repeats + 1):
        inputs.grad = None
        start = time.perf_counter()
        run(inputs).backward()
        times.append(time.perf_counter() - start)
    return times[1:]


def ours(binary: Path, elements: int, threads: int) -> dict:
    """What one run of `ghm bench losses` says of each loss, by its name."""
    command = [str(binary), "bench", "losses", "--json", "--elements", str(elements), "--threads", str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed ({done.returncode})")
    results = [result for result in json.loads(done.stdout)["results"] if result.get("elements", elements) == elements]
    return {result["loss"]: result for result in results if result.get("threads", threads) == threads}


def seconds_of_ours(result: dict) -> list[float]:
    """Least, median and greatest of one run, as far as it says."""
    seconds = result.get("seconds", {})
    median = seconds.get("median", result.get("ns_per_element", 0.0) * result.get("elements", 0) / 1e9)
    return [seconds.get("min", median), median, seconds.get("max", median)]


def summary(times: list[float], medians: list[float], elements: int) -> dict:
    median = statistics.median(medians)
    seconds = {"median": median, "min": min(times), "max": max(times)}
    return {"seconds": seconds, "ns_per_element": median / elements * 1e9}


def compare(elements: int, mmdet, options) -> list[dict]:
    """Both sides in turn; one row a loss."""
    torch.manual_seed(0)
    losses = classification(elements, mmdet) + regression(elements, mmdet) + boxes(elements)
    peer, own = {loss: [] for loss, *_ in losses}, {loss: [] for loss, *_ in losses}
    for _ in range(options.rounds):
        for loss, _, inputs, run in losses:
            peer[loss] += seconds_of(inputs, run, options.repeats)
        found = ours(options.ours, elements, options.threads) if options.ours else {}
        for loss in own:
            own[loss] += [seconds_of_ours(found[name]) for name in NAMES[loss] if name in found][:1]
    rows = []
    for loss, by, _, _ in losses:
        row = {"loss": loss, "by": by, "elements": elements, **summary(peer[loss], peer[loss], elements)}
        if own[loss]:
            row["ours"] = summary([time for run in own[loss] for time in run], [run[1] for run in own[loss]], elements)
            row["ratio"] = row["seconds"]["median"] / row["ours"]["seconds"]["median"]
        rows.append(row)
    return rows


def cell(timing: dict, elements: int) -> str:
    low, high = (timing["seconds"][end] / elements * 1e9 for end in ("min", "max"))
    return f"{timing['ns_per_element']:.4g} ({low:.3g} to {high:.3g})"


def table(rows: list[dict]) -> str:
    lines = ["| loss | by | elements | ns per element | ours | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        own = (cell(row["ours"], row["elements"]), f"{row['ratio']:.1f}") if "ours" in row else ("-", "-")
        cells = [row["loss"], row["by"], f"{row['elements']:,}", cell(row, row["elements"]), *own]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, nargs="+", default=[37_800 * CLASSES], help=f"multiples of {CLASSES}")
    for name, default in [("threads", 2), ("rounds", 5), ("repeats", 3)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mmdet", type=Path, metavar="DIR")
    parser.add_argument("--ours", type=Path, metavar="GHM", help="the binary of this project")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if any(elements <= 0 or elements % CLASSES for elements in options.elements):
        parser.error(f"--elements takes multiples of {CLASSES}")
    torch.set_num_threads(options.threads)
    mmdet = released_losses(options.mmdet) if options.mmdet else None
    rows = [row for elements in options.elements for row in compare(elements, mmdet, options)]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    if options.json:
        print(json.dumps({**versions, "threads": options.threads, "rounds": options.rounds, "repeats": options.repeats,
                          "results": rows}, indent=1))
    else:
        print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {options.threads} threads, "
              f"{options.rounds} rounds of {options.repeats}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
