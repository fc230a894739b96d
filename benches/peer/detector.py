#!/usr/bin/env python3
"""Races ghm against torchvision: training steps, predictions, loading. Needs torch, torchvision, numpy and Pillow.

    python3 detector.py step    --ours target/release/ghm [--backbone resnet18] [--width 320 --height 256] [--batch 8]
    python3 detector.py predict --ours target/release/ghm [--backbone resnet50] [--width 640 --height 480] [--batch 1]
    python3 detector.py loader  --ours target/release/ghm [--pictures 200]

Both sides run in turn, each in a process of its own, `--rounds` times (5), with as many threads (2). Same network
(RetinaNet, P6 from C5, nine anchors a cell, 80 classes), same input size, focal loss and L1, SGD with momentum and weight
decay, gradients clipped by their global norm. resnet18: batch norms in training, nothing frozen. resnet50: frozen norms,
stem and stage 1 frozen. torchvision's own resizing and normalising of pictures is left out of the step, and part of
the prediction. Prints medians with their range, ratios (ours over theirs), and peak memory.
"""
import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = 80
WARM_UP = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["step", "predict", "loader"])
    parser.add_argument("--ours", help="the binary ghm")
    parser.add_argument("--theirs", action="store_true", help="run torchvision's side alone and print JSON")
    parser.add_argument("--backbone", choices=["resnet18", "resnet50"], default="resnet50")
    for name, default in [("batch", 2), ("rounds", 5), ("repeats", 5), ("threads", 2), ("pictures", 200)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--data", help="loader: a folder that --theirs reads")
    options = parser.parse_args()
    if options.theirs:
        result = {"step": torch_step, "predict": torch_predict, "loader": torch_loader}[options.what](options)
        result["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(result))
        return
    if options.ours is None:
        parser.error("--ours: give the binary ghm")
    if options.what == "loader":
        with tempfile.TemporaryDirectory() as folder:
            make_pictures(Path(folder), options)
            race(options, folder)
    else:
        race(options, None)


def race(options, data) -> None:
    """Runs both sides in turn and prints a line a round, then medians."""
    ratios, ours, theirs, memory = [], [], [], []
    for round_index in range(options.rounds):
        mine, yours = run_ours(options, data), run_theirs(options, data)
        ours.append(mine[0])
        theirs.append(yours[0])
        memory.append((mine[1] or float("nan")) / yours[1])
        ratios.append(mine[0] / yours[0])
        print(f"round {round_index + 1}: ours {mine[0]:.4f} s, theirs {yours[0]:.4f} s, ratio {ratios[-1]:.3f}, "
              f"memory {(mine[1] or 0) / 1e6:.0f} / {yours[1] / 1e6:.0f} MB", flush=True)
    for name, values in [("ours", ours), ("theirs", theirs), ("ratio", ratios), ("memory ratio", memory)]:
        print(f"{name}: median {statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})")


def run_ours(options, data):
    """Seconds of a step, of a prediction or of a picture, and the most memory held."""
    if options.what == "loader":
        command = ["loader", data, f"input.width={options.width}", f"input.height={options.height}",
                   "augment.flip_horizontal=0.5", f"schedule.batch={options.batch}"]
    else:
        model = [f"model.backbone={options.backbone}"]
        if options.backbone == "resnet18":
            model += ["model.norm=batch", "model.frozen_stages=0"]
        command = [options.what, *model, "loss.classification.kind=focal", "loss.regression.kind=l1",
                   "--size", str(options.width), str(options.height), "--classes", str(CLASSES),
                   "--batch", str(options.batch)]
    command = [options.ours, "bench", *command, "--repeats", str(options.repeats), "--json"]
    if options.what != "loader":
        command += ["--threads", str(options.threads)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    if options.what == "step":
        return found["step"]["median"], found["peak_memory_bytes"]
    if options.what == "predict":
        return found["batches"][0]["seconds"]["median"], found["peak_memory_bytes"]
    one = next(row for row in found["results"] if row["what"] == "load" and row["threads"] == 1)
    return 1.0 / one["pictures_per_second"], None


def run_theirs(options, data):
    command = [sys.executable, __file__, options.what, "--theirs", "--backbone", options.backbone]
    for name in ["batch", "repeats", "threads", "pictures", "width", "height"]:
        command += [f"--{name}", str(getattr(options, name))]
    if data is not None:
        command += ["--data", data]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found["seconds"], found["peak_memory_bytes"]


def network(options):
    import torch
    from torchvision.models import resnet18, resnet50
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops import FrozenBatchNorm2d
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.backbone == "resnet18":
        body, trained = resnet18(weights=None), 5
    else:
        body, trained = resnet50(weights=None, norm_layer=FrozenBatchNorm2d), 3
    channels = body.fc.in_features
    extractor = _resnet_fpn_extractor(
        body, trained, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(channels, 256))
    sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in [32, 64, 128, 256, 512])
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    return RetinaNet(extractor, CLASSES, anchor_generator=anchors, min_size=options.height, max_size=options.width)


def repeated(options, work):
    times = []
    for _ in range(WARM_UP + options.repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[WARM_UP:])}


def torch_step(options):
    import torch
    from torchvision.models.detection.image_list import ImageList

    model = network(options).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, 1e-6, momentum=0.9, weight_decay=1e-4)
    pixels = torch.randn(options.batch, 3, options.height, options.width)
    images = ImageList(pixels, [(options.height, options.width)] * options.batch)
    corner = torch.rand(options.batch, 7, 2) * 0.5
    side = 0.1 + torch.rand(options.batch, 7, 2) * 0.4
    scale = torch.tensor([options.width, options.height, options.width, options.height])
    boxes = torch.cat([corner, corner + side], dim=2) * scale
    targets = [{"boxes": boxes[i], "labels": torch.arange(7)} for i in range(options.batch)]

    def step():
        features = list(model.backbone(images.tensors).values())
        found = model.head(features)
        losses = model.compute_loss(targets, found, model.anchor_generator(images, features))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 35.0)
        optimiser.step()

    return repeated(options, step)


def torch_predict(options):
    import torch

    model = network(options).eval()
    pictures = [torch.rand(3, options.height, options.width) for _ in range(options.batch)]
    with torch.inference_mode():
        return repeated(options, lambda: model(pictures))


def make_pictures(folder: Path, options) -> None:
    """JPEGs of 640x480 with the detail of photographs, and a COCO file of a box each."""
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(0)
    images, annotations = [], []
    for index in range(1, options.pictures + 1):
        pixels = sum(
            numpy.asarray(Image.fromarray(random.integers(0, 256, (480 // s, 640 // s, 3), dtype=numpy.uint8))
                          .resize((640, 480), Image.BICUBIC), dtype=numpy.float32) * weight
            for s, weight in [(80, 0.5), (20, 0.25), (5, 0.15), (1, 0.1)])
        Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)).save(folder / f"{index}.jpg", quality=90)
        images.append({"id": index, "file_name": f"{index}.jpg", "width": 640, "height": 480})
        annotations.append({"id": index, "image_id": index, "category_id": 1, "bbox": [100, 100, 200, 150],
                            "area": 30000, "iscrowd": 0})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "train.json").write_text(json.dumps(document))


def torch_loader(options):
    """torchvision's reference pipeline: PIL, resize, flip, to tensor, normalise, collate; seconds of a picture on one core."""
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    torch.manual_seed(0)
    transform = v2.Compose([
        v2.RandomHorizontalFlip(0.5), v2.Resize((options.height, options.width)), v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    paths = sorted(Path(options.data).glob("*.jpg"))
    paths = paths[:len(paths) // options.batch * options.batch]  # whole batches, as the other side

    def epoch():
        for start in range(0, len(paths), options.batch):
            torch.stack([transform(Image.open(p).convert("RGB")) for p in paths[start:start + options.batch]])

    return {"seconds": repeated(options, epoch)["seconds"] / len(paths)}


if __name__ == "__main__":
    main()
