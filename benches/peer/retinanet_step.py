#!/usr/bin/env python3
"""Times torchvision's RetinaNet ResNet-50-FPN: one training step and one prediction, on random pictures.

    python3 retinanet_step.py [--width 320] [--height 240] [--batch 4] [--steps 8] [--threads 2]

Frozen batch norms, stem and stage 1 frozen, AdamW, focal loss and L1: torchvision's own. Needs torch and torchvision.
Prints medians in seconds.
"""
import argparse
import statistics
import time

import torch
from torchvision.models.detection import retinanet_resnet50_fpn


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in [("width", 320), ("height", 240), ("batch", 4), ("steps", 8), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = retinanet_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, trainable_backbone_layers=3,
        min_size=options.height, max_size=options.width,
    )
    # Without pretrained weights torchvision trains all layers and norms; the timing is for a fine-tuning run.
    for name, parameter in model.backbone.body.named_parameters():
        frozen = name.startswith(("conv1", "bn1", "layer1")) or ".bn" in name or "downsample.1" in name
        parameter.requires_grad_(not frozen)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train = lambda mode=True, m=module: m
            module.eval()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 2e-4, weight_decay=0.05)
    images = [torch.rand(3, options.height, options.width) for _ in range(options.batch)]
    boxes = torch.tensor([[30.0, 40.0, 90.0, 100.0], [150.0, 60.0, 210.0, 120.0], [60.0, 130.0, 110.0, 180.0]])
    targets = [{"boxes": boxes, "labels": torch.tensor([0, 1, 2])} for _ in images]
    model.train()
    steps = []
    for _ in range(options.steps + 2):
        start = time.perf_counter()
        loss = sum(model(images, targets).values())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35.0)
        optimiser.step()
        steps.append(time.perf_counter() - start)
    model.eval()
    predictions = []
    with torch.no_grad():
        for _ in range(options.steps + 2):
            start = time.perf_counter()
            model(images[:1])
            predictions.append(time.perf_counter() - start)
    step, prediction = statistics.median(steps[2:]), statistics.median(predictions[2:])
    print(f"step {step:.3f} s ({step / options.batch:.3f} s a picture), prediction {prediction:.3f} s")


if __name__ == "__main__":
    main()
