"""An evaluation backend in another language: the forward pass of Qwen3-MoE in numpy.

Written to be read, in float64 and without any speed. What it speaks: packages/docs/contributors/evaluation-backend.md.
Models with one tensor per expert only.
"""

import json
import os
import struct
import sys

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4"}


class Refusal(Exception):
    """A failure that the parent is told of; the process goes on."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def read_tensor(path, dtype, shape, offset):
    count = int(np.prod(shape))
    values = np.fromfile(path, dtype=DTYPES[dtype], count=count, offset=offset)
    if values.size != count:
        raise OSError(f"{path} is too short")
    if dtype == "I32":
        return values.reshape(shape)
    if dtype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64).reshape(shape)


def read_safetensors(path):
    """Every tensor of a safetensors file, by name, unread: (dtype, shape, offset)."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], 8 + length + entry["data_offsets"][0]) for name, entry in header.items()
    }


class Model:
    """One version. Tensors are read when they are needed; a submission's are looked up first."""

    def __init__(self, manifest):
        self.config, self.files = manifest["config"], manifest["files"]
        self.groups = {group["group"]: group["tensors"] for group in manifest["groups"]}
        self.places = dict(manifest["shared"])
        for experts in manifest["experts"].values():
            for tensors in experts:
                self.places.update(tensors)

    def lookup(self, group, submission):
        overlay = {} if submission is None else self.open_submission(group, submission["path"])

        def tensor(name):
            if name in overlay:
                return read_tensor(submission["path"], *overlay[name])
            place = self.places[name]
            return read_tensor(self.files[place["file"]], place["dtype"], place["shape"], place["offset"])

        return tensor

    def open_submission(self, group, path):
        expected = {name: [each["dtype"], each["shape"]] for name, each in self.groups[group].items()}
        try:
            tensors = read_safetensors(path)
        except (OSError, ValueError, struct.error) as error:
            raise Refusal("EVALUATION_SUBMISSION_CHANGED", f"{path} cannot be read: {error}") from error
        if {name: [dtype, shape] for name, (dtype, shape, _) in tensors.items()} != expected:
            raise Refusal("EVALUATION_SUBMISSION_CHANGED", f"{path} does not hold the tensors of group {group}")
        return tensors


def norm(x, scale, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * scale


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def rotate(x, theta):
    """Position i of x[rows, positions, heads, size] turned by i, the two halves of a head being the two coordinates."""
    half = x.shape[-1] // 2
    angles = np.outer(np.arange(x.shape[1]), theta ** (-np.arange(half) / half))[:, None, :]
    first, second = x[..., :half], x[..., half:]
    turned = first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)
    return np.concatenate(turned, axis=-1)


def attention(x, config, tensor, prefix):
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    epsilon, theta = config["rms_norm_eps"], config["rope_theta"]

    def project(name, count):
        return (x @ tensor(f"{prefix}.{name}_proj.weight").T).reshape(*x.shape[:2], count, -1)

    queries = rotate(norm(project("q", heads), tensor(f"{prefix}.q_norm.weight"), epsilon), theta)
    keys = rotate(norm(project("k", shared), tensor(f"{prefix}.k_norm.weight"), epsilon), theta)
    keys, values = (np.repeat(each, heads // shared, axis=2) for each in (keys, project("v", shared)))
    scores = np.einsum("bqhd,bkhd->bhqk", queries, keys) / np.sqrt(queries.shape[-1])
    future = np.triu(np.ones(scores.shape[-2:], dtype=bool), 1)
    attended = np.einsum("bhqk,bkhd->bqhd", softmax(np.where(future, -np.inf, scores)), values)
    return attended.reshape(*x.shape[:2], -1) @ tensor(f"{prefix}.o_proj.weight").T


def experts(x, config, tensor, prefix):
    rows = x.reshape(-1, x.shape[-1])
    probabilities = softmax(rows @ tensor(f"{prefix}.gate.weight").T)
    chosen = np.argsort(-probabilities, axis=-1, kind="stable")[:, : config["num_experts_per_tok"]]
    shares = np.take_along_axis(probabilities, chosen, axis=-1)
    if config.get("norm_topk_prob", False):
        shares = shares / shares.sum(axis=-1, keepdims=True)
    result = np.zeros_like(rows)
    for expert in np.unique(chosen):
        row, place = np.nonzero(chosen == expert)
        gate, up, down = (tensor(f"{prefix}.experts.{expert}.{part}_proj.weight") for part in ("gate", "up", "down"))
        gated = rows[row] @ gate.T
        output = (gated / (1 + np.exp(-gated)) * (rows[row] @ up.T)) @ down.T
        result[row] += output * shares[row, place][:, None]
    return result.reshape(x.shape)


def loss(tokens, config, tensor):
    """Sum of the cross-entropies of tokens[sequences, length + 1] in nats."""
    epsilon = config["rms_norm_eps"]
    x = tensor("model.embed_tokens.weight")[tokens[:, :-1]]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        x = x + attention(norm(x, tensor(f"{prefix}.input_layernorm.weight"), epsilon), config, tensor, f"{prefix}.self_attn")
        x = x + experts(norm(x, tensor(f"{prefix}.post_attention_layernorm.weight"), epsilon), config, tensor, f"{prefix}.mlp")
    head = "model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"
    logits = norm(x, tensor("model.norm.weight"), epsilon) @ tensor(head).T
    largest = logits.max(axis=-1, keepdims=True)
    normalisers = np.log(np.exp(logits - largest).sum(axis=-1)) + largest[..., 0]
    return float((normalisers - np.take_along_axis(logits, tokens[:, 1:, None], axis=-1)[..., 0]).sum())


def losses(request, model):
    config = model.config
    if config["architectures"] != ["Qwen3MoeForCausalLM"]:
        raise Refusal("EVALUATION_MODEL_UNSUPPORTED", f"Not known here: {config['architectures']}")
    tensor = model.lookup(request["group"], request["submission"])
    path, sequences = request["batches"]["path"], request["batches"]["sequences"]
    tokens = read_tensor(path, *read_safetensors(path)["tokens"])
    ends = np.cumsum(sequences)
    sums = [loss(tokens[end - count : end], config, tensor) for count, end in zip(sequences, ends)]
    return [each if np.isfinite(each) else None for each in sums]


def main():
    # Whatever a library prints must not get between the lines of the protocol.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    np.seterr(all="ignore")

    def say(line):
        replies.write(json.dumps(line, allow_nan=False) + "\n")
        replies.flush()

    say({"protocol": "assay-losses/1", "name": f"numpy {np.__version__}", "device": "cpu", "band": 1e-5})
    known, model = None, None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["model"]["manifest"] != known:
                with open(request["model"]["manifest"], encoding="utf-8") as file:
                    known, model = request["model"]["manifest"], Model(json.load(file))
            say({"id": request["id"], "losses": losses(request, model)})
        except Refusal as refusal:
            error = {"code": refusal.code, "message": str(refusal), "retryable": False}
            say({"id": request["id"], "error": error})


main()
