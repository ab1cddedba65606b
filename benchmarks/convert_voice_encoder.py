"""Writes ``detectors/voices/voice_encoder.onnx`` from the weight file of Resemblyzer 0.1.4.

    pip download --no-deps Resemblyzer==0.1.4 && unzip Resemblyzer-0.1.4-py3-none-any.whl resemblyzer/pretrained.pt
    pip install torch onnx
    python -m benchmarks.convert_voice_encoder resemblyzer/pretrained.pt

The wheel itself is no dependency: it wants torch, librosa and a C compiler for webrtcvad. Weights are stored in half
precision (2.9 MB) and widened when the model is loaded; embeddings keep a cosine above .9999 to the original's.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

SOURCE_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
TARGET = Path(__file__).parent.parent / "detectors" / "voices" / "voice_encoder.onnx"
LAYERS, HIDDEN, CHANNELS = 3, 256, 40


def reordered(weight: np.ndarray) -> np.ndarray:
    """Gates in ONNX order (input, output, forget, cell) from torch order (input, forget, cell, output)."""
    i, f, c, o = np.split(weight, 4)
    return np.concatenate([i, o, f, c])


def agreement(state: dict[str, torch.Tensor]) -> float:
    """Lowest cosine between embeddings of the written file and of the original network, on seeded noise."""
    lstm, linear = torch.nn.LSTM(CHANNELS, HIDDEN, LAYERS, batch_first=True), torch.nn.Linear(HIDDEN, HIDDEN)
    lstm.load_state_dict({key[5:]: value for key, value in state.items() if key.startswith("lstm.")})
    linear.load_state_dict({key[7:]: value for key, value in state.items() if key.startswith("linear.")})
    mels = np.random.default_rng(1).gamma(0.5, 0.02, (16, 160, CHANNELS)).astype(np.float32)
    with torch.no_grad():
        original = torch.relu(linear(lstm(torch.from_numpy(mels))[1][0][-1])).numpy()
    written = onnxruntime.InferenceSession(str(TARGET)).run(None, {"mels": mels})[0]
    return float(((original / np.linalg.norm(original, axis=1, keepdims=True)) * written).sum(axis=1).min())


def main() -> None:
    """Convert one file, refusing any other than the pinned one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    source = parser.parse_args().weights
    if hashlib.sha256(source.read_bytes()).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{source} is not the weight file of Resemblyzer 0.1.4")
    loaded = torch.load(source, map_location="cpu", weights_only=True)["model_state"]
    state = {key: value.numpy() for key, value in loaded.items()}
    nodes, stored = [], []

    def constant(name: str, value: np.ndarray) -> str:
        stored.append(numpy_helper.from_array(value.astype(np.float16), f"{name}_half"))
        nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return name

    nodes.append(helper.make_node("Transpose", ["mels"], ["x0"], perm=[1, 0, 2]))
    for layer in range(LAYERS):
        w = constant(f"w{layer}", reordered(state[f"lstm.weight_ih_l{layer}"])[None])
        r = constant(f"r{layer}", reordered(state[f"lstm.weight_hh_l{layer}"])[None])
        both = [reordered(state[f"lstm.bias_{part}_l{layer}"]) for part in ("ih", "hh")]
        b = constant(f"b{layer}", np.concatenate(both)[None])
        nodes.append(helper.make_node("LSTM", [f"x{layer}", w, r, b], [f"y{layer}", f"last{layer}"], hidden_size=HIDDEN))
        # (frames, directions, n, hidden): there is one direction.
        stored.append(numpy_helper.from_array(np.asarray([1]), f"axis{layer}"))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", f"axis{layer}"], [f"x{layer + 1}"]))
    stored.append(numpy_helper.from_array(np.asarray([0]), "first"))
    nodes.append(helper.make_node("Squeeze", [f"last{LAYERS - 1}", "first"], ["last"]))
    project, offset = constant("project", state["linear.weight"].T), constant("offset", state["linear.bias"])
    nodes += [
        helper.make_node("MatMul", ["last", project], ["projected"]),
        helper.make_node("Add", ["projected", offset], ["shifted"]),
        helper.make_node("Relu", ["shifted"], ["clipped"]),
        helper.make_node("LpNormalization", ["clipped"], ["embeddings"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "voice_encoder",
        [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["n", "frames", CHANNELS])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", HIDDEN])],
        stored,
        doc_string="Speaker encoder of Resemblyzer 0.1.4, Copyright 2019 Resemble.AI, Apache License 2.0; half precision.",
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="groundwatch")
    onnx.checker.check_model(model, full_check=True)
    TARGET.write_bytes(model.SerializeToString())
    print(f"lowest cosine to the original: {agreement(loaded):.6f}")
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, SHA-256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
