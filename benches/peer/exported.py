"""Holds what `ghm export` writes against what `ghm predict` finds, in onnxruntime and in torchvision.

    pip install torch==2.15.0 torchvision==0.29.2 safetensors onnx onnxruntime
    python benches/peer/exported.py RUN|WEIGHTS PICTURE.jpg ... --ours target/release/ghm [--set KEY=VALUE]

Each picture is brought to the network's input here, written down without loss, and looked at by all sides, so that no side
scales it. Prints for each form how far logits, deltas, scores and corners lie apart at most, and whether the boxes are the same
set (IoU above 0.999, scores to 1e-4).
"""

import argparse
import importlib.util
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors import safe_open


def ghm(arguments, *rest):
    command = [arguments.ours, *rest]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


def fitted(path, size):
    """A picture in the size that the network sees it in."""
    picture = Image.open(path).convert("RGB")
    width, height = size["width"], size["height"]
    if size["swap_portrait"] and picture.height > picture.width:
        width, height = height, width
    factor = min(width / picture.width, height / picture.height)
    sides = [max(1, round(side * factor)) for side in picture.size]
    return picture.resize(sides, Image.BILINEAR)


def pixels_of(picture, pixels, shape):
    """`[1, 3, H, W]`, normalised and padded."""
    values = np.asarray(picture, np.float32)
    values = values / 255 if pixels["range"] == "unit" else values
    values = values[..., ::-1] if pixels["order"] == "bgr" else values
    values = (values - np.float32(pixels["mean"])) / np.float32(pixels["std"])
    padded = np.zeros((1, 3, *shape), np.float32)
    padded[0, :, : values.shape[0], : values.shape[1]] = values.transpose(2, 0, 1)
    return padded


def iou(a, b):
    near, far = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.clip(far - near, 0, None))
    return shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def same_set(found, expected):
    """How many of `expected` [(class, score, box)] have one of `found`."""
    left = list(found)
    for name, score, box in expected:
        match = next((o for o in left if o[0] == name and abs(o[1] - score) < 1e-4 and iou(o[2], box) > 0.999), None)
        if match is None:
            print(f"    no match for {name} {score:.5f} {box}")
            return False
        left.remove(match)
    return not left


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--ours", required=True)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    settings = [part for setting in arguments.set for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for form in (["onnx"], ["safetensors"]):
            ghm(arguments, "export", arguments.model, *settings, "--to", *form, "--out", folder / f"model.{form[0]}")
        with safe_open(folder / "model.safetensors", "pt") as file:
            said = json.loads(file.metadata()["ghm"])
        threshold, names = said["model"]["predict"]["score"], [one["name"] for one in said["classes"]]
        spec = importlib.util.spec_from_file_location("model", folder / "model.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        network = module.load(folder / "model.safetensors")
        heads = onnxruntime.InferenceSession(folder / "model.onnx")
        onnx.checker.check_model(onnx.load(folder / "model.onnx"), full_check=True)
        print("metadata:", sorted(heads.get_modelmeta().custom_metadata_map))
        sessions, agree = {}, {"onnx": 0, "torchvision": 0}
        worst = {"logits": 0.0, "deltas": 0.0}
        for number, path in enumerate(arguments.pictures):
            picture = fitted(path, said["input"])
            written = folder / f"{number}.png"
            picture.save(written)
            json_path = folder / f"{number}.json"
            ghm(arguments, "predict", arguments.model, written, *settings, "--score", threshold, "--out", folder / f"{number}", "--json", json_path)
            by_id = {one["id"]: one["name"] for one in said["classes"]}
            expected = []
            for one in json.loads(json_path.read_text()):
                x, y, w, h = one["bbox"]
                expected.append((by_id[one["category_id"]], one["score"], np.array([x, y, x + w, y + h])))

            multiple = said["pixels"]["multiple"]
            shape = tuple(-(-side // multiple) * multiple for side in (picture.height, picture.width))
            values = pixels_of(picture, said["pixels"], shape)
            if shape not in sessions:
                file = folder / f"boxes-{shape[0]}-{shape[1]}.onnx"
                ghm(arguments, "export", arguments.model, *settings, "--to", "onnx", "--boxes", "--size", shape[1], shape[0], "--out", file)
                onnx.checker.check_model(onnx.load(file), full_check=True)
                sessions[shape] = onnxruntime.InferenceSession(file)
            # Twice in a batch: their number is free.
            sizes = np.float32([[picture.width, picture.height]] * 2)
            boxes, scores, classes, counts = sessions[shape].run(None, {"pixels": values.repeat(2, 0), "sizes": sizes})
            for place in range(2):
                found = [(names[c], s, b) for c, s, b in zip(classes[place], scores[place], boxes[place])][: counts[place]]
                agree["onnx"] += same_set(found, expected)

            network.transform.min_size, network.transform.max_size = (min(picture.size),), max(picture.size)
            with torch.no_grad():
                image = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
                one = network([image])[0]
                features = list(network.backbone(torch.from_numpy(values[:, ::-1].copy() if said["pixels"]["order"] == "bgr" else values)).values())
                out = network.head(features)
            found = [(names[c], s, b) for c, s, b in zip(one["labels"].tolist(), one["scores"].tolist(), one["boxes"].numpy())]
            found = [one for one in found if (one[2][2:] > one[2][:2]).all()]
            agree["torchvision"] += same_set(found, expected)
            logits, deltas = heads.run(None, {"pixels": values})
            for name, ours, theirs in (("logits", logits, out["cls_logits"]), ("deltas", deltas, out["bbox_regression"])):
                theirs = theirs.numpy()
                worst[name] = max(worst[name], float(np.abs(ours - theirs).max() / max(1, np.abs(theirs).max())))
            print(f"{path}: {picture.width}x{picture.height} in {shape[1]}x{shape[0]}, {len(expected)} boxes")
        count = len(arguments.pictures)
        print(f"onnxruntime: the same boxes in {agree['onnx']} of {2 * count}; torchvision: in {agree['torchvision']} of {count}")
        print(f"onnxruntime against torchvision, of the largest: {worst}")


if __name__ == "__main__":
    main()
