"""A RetinaNet of torchvision's parts from a file that `ghm export --to safetensors` wrote.

    from model import load            # this file, which lies beside model.safetensors
    network = load("model.safetensors")
    found = network([picture])[0]     # picture: float tensor [3, H, W], RGB, 0 to 1
    found["boxes"], found["scores"], network.classes[found["labels"][0]]

or `python model.py model.safetensors PICTURE.jpg`. Needs torch, torchvision and safetensors. torchvision scales a picture itself:
without antialiasing, and one higher than wide as if `swap_portrait` were set. Where it does not have to, boxes are ghm's.
"""

import copy
import json
import math
import sys

import torch
from safetensors import safe_open
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

STAGES = {"layer2": "0", "layer3": "1", "layer4": "2"}
# Blocks of each stage, groups, and channels of each group in the first stage.
BODIES = {
    "resnet18": (resnet.BasicBlock, [2, 2, 2, 2], 1, 64),
    "resnet34": (resnet.BasicBlock, [3, 4, 6, 3], 1, 64),
    "resnet50": (resnet.Bottleneck, [3, 4, 6, 3], 1, 64),
    "resnet101": (resnet.Bottleneck, [3, 4, 23, 3], 1, 64),
    "resnet152": (resnet.Bottleneck, [3, 8, 36, 3], 1, 64),
    "resnext50_32x4d": (resnet.Bottleneck, [3, 4, 6, 3], 32, 4),
    "resnext101_32x4d": (resnet.Bottleneck, [3, 4, 23, 3], 32, 4),
    "resnext101_64x4d": (resnet.Bottleneck, [3, 4, 23, 3], 64, 4),
    "resnext101_32x8d": (resnet.Bottleneck, [3, 4, 23, 3], 32, 8),
}


def group_norm(channels):
    """Of 32 groups, or as many as the channels allow."""
    return nn.GroupNorm(max(groups for groups in range(1, 33) if channels % groups == 0), channels)


class Extra(LastLevelP6P7):
    """P6 and P7, with or without the ReLU between them."""

    def __init__(self, channels_in, channels, from_p5, relu):
        super().__init__(channels_in, channels)
        self.use_P5, self.relu = from_p5, relu

    def forward(self, p, c, names):
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        p7 = self.p7(nn.functional.relu(p6) if self.relu else p6)
        return [*p, p6, p7], [*names, "p6", "p7"]


def exact_box(stride, width, height):
    return [-width / 2, -height / 2, width / 2, height / 2]


def legacy_box(stride, width, height):
    middle = 0.5 * (stride - 1)
    near, far = ([float(round(middle + sign * 0.5 * (side - 1))) for side in (width, height)] for sign in (-1, 1))
    return [*near, *(edge + 1 for edge in far)]


class ExactAnchors(AnchorGenerator):
    """Anchors that are not rounded to whole pixels, or as mmdetection did before 2.0, and strides that are powers of two."""

    def __init__(self, anchors):
        super().__init__(((1,),) * 5, (tuple(anchors["ratios"]),) * 5)
        boxes = exact_box if anchors["rounding"] == "none" else legacy_box
        self.cell_anchors = [
            torch.tensor(
                [
                    boxes(8 * 2**level, side / math.sqrt(ratio), side * math.sqrt(ratio))
                    for ratio in anchors["ratios"]
                    for side in (anchors["base_size"] * 2**level * scale for scale in anchors["scales"])
                ]
            )
            for level in range(5)
        ]
        self.each = len(anchors["scales"]) * len(anchors["ratios"])

    def num_anchors_per_location(self):
        return [self.each] * 5

    def grid_anchors(self, grid_sizes, strides):
        device = strides[0][0].device
        exact = [[torch.tensor(8 * 2**level, device=device)] * 2 for level in range(5)]
        return super().grid_anchors(grid_sizes, exact)


def anchor_generator(anchors):
    if anchors["rounding"] != "torchvision":
        return ExactAnchors(anchors)
    sides = [[int(anchors["base_size"] * 2**level * scale) for scale in anchors["scales"]] for level in range(5)]
    return AnchorGenerator(tuple(map(tuple, sides)), (tuple(anchors["ratios"]),) * 5)


class Body(resnet.ResNet):
    """A ResNet whose stem has `base` channels; torchvision's have 64."""

    def __init__(self, base, block, blocks, **others):
        self.base = base
        super().__init__(block, blocks, **others)
        self.conv1 = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = self._norm_layer(base)

    def _make_layer(self, block, planes, *others, **more):
        if planes == 64:  # the first stage
            self.inplanes = self.base
        return super()._make_layer(block, planes * self.base // 64, *others, **more)


def body(model):
    norm = {"group": group_norm, "frozen_batch": FrozenBatchNorm2d, "batch": nn.BatchNorm2d}[model["norm"]]
    block, blocks, groups, width = BODIES[model["backbone"]]
    body = Body(model["base_channels"], block, blocks, groups=groups, width_per_group=width, norm_layer=norm)
    for layer in body.modules():
        if hasattr(layer, "eps"):
            layer.eps = model["norm_epsilon"]
    if model["style"] == "caffe":  # a bottleneck strides on its first 1x1
        for stage in (body.layer2, body.layer3, body.layer4):
            if hasattr(stage[0], "conv3"):
                stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return body


def head(model, per_cell, classes):
    channels = model["channels"]
    norm = group_norm if model["head_norm"] == "group" else None
    head = RetinaNetHead(channels, per_cell, classes, norm_layer=norm)
    for part in (head.classification_head, head.regression_head):
        layer = part.conv[0]  # all are alike
        part.conv = nn.Sequential(*(copy.deepcopy(layer) for _ in range(model["head_depth"])))
    return head


def build(model, size, classes, pixels):
    layers = body(model)
    blocks = [list(getattr(layers, stage))[-1] for stage in STAGES]
    sides = [(block.conv3 if hasattr(block, "conv3") else block.conv2).out_channels for block in blocks]
    from_p5 = model["extra_levels"] == "p5"
    channels = model["channels"]
    extra = Extra(channels if from_p5 else sides[-1], channels, from_p5, model["extra_relu"])
    backbone = BackboneWithFPN(layers, STAGES, sides, channels, extra_blocks=extra)
    anchors, limits = anchor_generator(model["anchors"]), model["predict"]
    white = 1 if pixels["range"] == "unit" else 255
    flip = -1 if pixels["order"] == "bgr" else 1
    network = RetinaNet(
        backbone,
        len(classes),
        anchor_generator=anchors,
        head=head(model, anchors.num_anchors_per_location()[0], len(classes)),
        min_size=min(size["width"], size["height"]),
        max_size=max(size["width"], size["height"]),
        image_mean=[mean / white for mean in pixels["mean"]][::flip],
        image_std=[std / white for std in pixels["std"]][::flip],
        score_thresh=limits["score"],
        nms_thresh=limits["nms_iou"],
        topk_candidates=limits["candidates"],
        detections_per_img=limits["max_detections"],
    )
    network.head.regression_head.box_coder.weights = tuple(1 / std for std in model["coder"]["std"])
    network.classes = [one["name"] for one in classes]
    return network


def load(path):
    """The network, in evaluation mode."""
    with safe_open(path, "pt") as file:
        said = json.loads(file.metadata()["ghm"])
        weights = {name: file.get_tensor(name) for name in file.keys()}
    network = build(said["model"], said["input"], said["classes"], said["pixels"])
    if said["pixels"]["order"] == "bgr":  # torchvision hands over RGB
        weights["backbone.body.conv1.weight"] = weights["backbone.body.conv1.weight"].flip(1)
    network.load_state_dict(weights, strict=True)
    return network.eval()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(f"usage: python {sys.argv[0]} WEIGHTS.safetensors PICTURE...")
    from torchvision.io import ImageReadMode, decode_image

    retinanet = load(sys.argv[1])
    for picture in sys.argv[2:]:
        with torch.no_grad():
            found = retinanet([decode_image(picture, mode=ImageReadMode.RGB).float() / 255])[0]
        for box, score, label in zip(found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist()):
            print(picture, retinanet.classes[label], f"{score:.4f}", *(f"{side:.2f}" for side in box))
